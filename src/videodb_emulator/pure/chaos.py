"""A plan of faults, and who gets which: pure, no socket and no clock.

A plan is a list of entries with commas between them:

    NAME[:ARGUMENT...][@TIME][#N]

    drop@3s            end the TCP stream without a Close
    rst@5s             reset the TCP connection
    close:1011@4s      send a Close with this code
    freeze@6s          neither read nor send any more, and keep the connection
    duplicate@2s       send the next event twice
    truncate@3s        send half of the next event's frame, then end the TCP stream
    hello-delay:15s    say the connection id this late
    rest:500x2         answer this many requests for a WebSocket URL with this status (x1 if left out)
    rest:429:2s        the same with a Retry-After
    expire-url         hand out one WebSocket URL that is expired already

`@TIME` counts from the moment the connection was accepted, at any `--speed`; times are `500ms`, `3s`, `2m` or bare
seconds. An entry is for the first connection, `#2` is for the second, `#*` for every one. `rest` and `expire-url` come
before the connection that they are for: `rest:503#2` is what a client meets on its first way back.

    drop@3s,rest:500x2#2,close:1012@5s#2,rst@2s#3
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

_ENTRY = re.compile(r"(?P<name>[a-z-]+)(?P<arguments>(?::[^:@#]*)*)(?:@(?P<at>[^#]*))?(?:#(?P<connection>.*))?")
_TIME = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>ms|s|m|)")
_SECONDS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0}
_SENDABLE = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})  # RFC 6455, 7.4.1 and 7.4.2


class ChaosError(ValueError):
    """A plan cannot be understood; the message names the entry and says what would do."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry of a plan. What an entry of its kind does not have is left at its default."""

    name: str
    at_s: float = 0.0
    connection: int | None = 1
    """Which connection, counted from 1; None is every one."""
    code: int = 0
    """Of a Close, or the HTTP status of an answer."""
    times: int = 1
    delay_s: float | None = None
    """Of the hello; of an answer, its Retry-After."""


def _nothing() -> dict[str, Any]:
    return {}


class _Kind(NamedTuple):
    """What an entry of one name may look like."""

    example: str
    timed: bool = False
    read: Callable[..., dict[str, Any]] = _nothing
    """From the arguments to fields of `Fault`. Raises ValueError for a wrong one, TypeError for a wrong number."""


def seconds(text: str) -> float:
    """Return a time like 500ms, 3s, 2m or bare seconds; raise `ValueError` for anything else."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no time")
    return float(found["number"]) * _SECONDS[found["unit"]]


def _number(text: str, allowed: Iterable[int], what: str) -> int:
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1
    if number not in allowed:
        raise ValueError(f"{text!r} is no {what}")
    return number


def _close(code: str) -> dict[str, Any]:
    return {"code": _number(code, _SENDABLE, "code that a Close can carry")}


def _hello_delay(delay: str) -> dict[str, Any]:
    return {"delay_s": seconds(delay)}


def _rest(status: str, retry_after: str | None = None) -> dict[str, Any]:
    code, repeated, times = status.partition("x")
    return {
        "code": _number(code, range(400, 600), "status of a failure"),
        "times": _number(times, range(1, 10_000), "number of times") if repeated else 1,
        "delay_s": None if retry_after is None else seconds(retry_after),
    }


_KINDS = {
    "drop": _Kind("drop@3s", timed=True),
    "rst": _Kind("rst@5s", timed=True),
    "close": _Kind("close:1011@4s", timed=True, read=_close),
    "freeze": _Kind("freeze@6s", timed=True),
    "duplicate": _Kind("duplicate@2s", timed=True),
    "truncate": _Kind("truncate@3s", timed=True),
    "hello-delay": _Kind("hello-delay:15s", read=_hello_delay),
    "rest": _Kind("rest:500x2 or rest:429:2s", read=_rest),
    "expire-url": _Kind("expire-url"),
}


def parse(plan: str) -> tuple[Fault, ...]:
    """Read a plan; an empty one has no faults.

    Raises `ChaosError`.
    """
    return tuple(_fault(entry.strip()) for entry in plan.split(",")) if plan.strip() else ()


def _fault(entry: str) -> Fault:
    found = _ENTRY.fullmatch(entry)
    kind = _KINDS.get(found["name"]) if found else None
    if found is None or kind is None:
        raise ChaosError(f"{entry!r} is no fault; known: {', '.join(_KINDS)}")
    if kind.timed != (found["at"] is not None):
        raise ChaosError(f"{entry!r} {'says not when' if kind.timed else 'has no time'}, write it as {kind.example}")
    try:
        return Fault(
            name=found["name"],
            at_s=seconds(found["at"]) if kind.timed else 0.0,
            connection=_connection(found["connection"]),
            **kind.read(*found["arguments"].split(":")[1:]),
        )
    except ValueError as error:
        raise ChaosError(f"{entry!r}: {error}, write it as {kind.example}") from error
    except TypeError as error:
        raise ChaosError(f"{entry!r} has too few or too many arguments, write it as {kind.example}") from error


def _connection(text: str | None) -> int | None:
    if text == "*":
        return None
    return 1 if text is None else _number(text, range(1, 1_000_000), "number of a connection")


class Chaos:
    """A plan on its way: which fault comes next, and to whom."""

    def __init__(self, plan: Iterable[Fault] = ()) -> None:
        self._plan = tuple(plan)
        self._connections = 0
        self._used: Counter[int] = Counter()  # how often the faults that come before the next connection came

    def answer(self) -> Fault | None:
        """Return what a request for a WebSocket URL gets instead of one; None: it gets one."""
        return self._next("rest")

    def expires(self) -> bool:
        """Return whether the WebSocket URL that is handed out now is expired already."""
        return self._next("expire-url") is not None

    def accepted(self) -> tuple[Fault, ...]:
        """Count one more connection, and return its faults, in the order of time."""
        mine = [fault for fault in self._coming() if fault.name not in ("rest", "expire-url")]
        self._connections += 1
        self._used.clear()
        return tuple(sorted(mine, key=lambda fault: fault.at_s))

    def _coming(self) -> list[Fault]:
        """Return the faults of the connection that will be accepted next."""
        return [fault for fault in self._plan if fault.connection in (None, self._connections + 1)]

    def _next(self, name: str) -> Fault | None:
        for index, fault in enumerate(self._coming()):
            if fault.name == name and self._used[index] < fault.times:
                self._used[index] += 1
                return fault
        return None
