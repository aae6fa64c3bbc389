"""A plan of faults, and who gets which: pure, no socket and no clock.

A plan is a list of entries with commas between them, each of a kind in `KINDS`:

    NAME[:ARGUMENT...][@TIME or @SHARE%][#N]

`@TIME` counts from the moment the connection was accepted, at any `--speed`; times are `500ms`, `3s`, `2m` or bare
seconds. An entry is for the first connection, `#2` is for the second, `#*` for every one. `rest` and `expire-url` come
before the connection that they are for: `rest:503#2` is what a client meets on its first way back. `api` comes while
that connection is the last one that was accepted, `api` with `#*` also before the first.

    drop@3s,rest:500x2#2,close:1012@5s#2,api:500@10%#2
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import inf
from random import Random
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
    times: int | None = None
    """How many answers; None: one, or any number if there is a share."""
    share: float | None = None
    """Of the answers, from 0 to 1; None: all, until the number of times is reached."""
    delay_s: float | None = None
    """Of the hello; of an answer, its Retry-After."""


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


def _nothing() -> dict[str, Any]:
    return {}


def _close(code: str) -> dict[str, Any]:
    return {"code": _number(code, _SENDABLE, "code that a Close can carry")}


def _hello_delay(delay: str) -> dict[str, Any]:
    return {"delay_s": seconds(delay)}


def _failure(status: str, retry_after: str | None = None) -> dict[str, Any]:
    code, repeated, times = status.partition("x")
    return {
        "code": _number(code, range(400, 600), "status of a failure"),
        "times": _number(times, range(1, 10_000), "number of times") if repeated else None,
        "delay_s": None if retry_after is None else seconds(retry_after),
    }


def _moment(text: str | None) -> dict[str, Any]:
    if text is None:
        raise ValueError("it says not when")
    return {"at_s": seconds(text)}


def _never(text: str | None) -> dict[str, Any]:
    if text is not None:
        raise ValueError("it has no time")
    return {}


def _share(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    if not text.endswith("%"):
        raise ValueError(f"{text!r} is no share")
    return {"share": _number(text[:-1], range(1, 101), "percentage") / 100}


class _Kind(NamedTuple):
    """What an entry of one name may look like.

    `arguments` and `at` read what is behind the colons and the @ (None: there is no @) as fields of `Fault`. They raise
    ValueError for what is wrong, `arguments` TypeError for a wrong number of them.
    """

    examples: Mapping[str, str]
    arguments: Callable[..., dict[str, Any]] = _nothing
    at: Callable[[str | None], dict[str, Any]] = _never


KINDS = {
    "drop": _Kind({"drop@3s": "end the TCP stream without a Close"}, at=_moment),
    "rst": _Kind({"rst@5s": "reset the TCP connection"}, at=_moment),
    "close": _Kind({"close:1011@4s": "send a Close with this code"}, _close, _moment),
    "freeze": _Kind({"freeze@6s": "neither read nor send any more"}, at=_moment),
    "duplicate": _Kind({"duplicate@2s": "send the next event twice"}, at=_moment),
    "truncate": _Kind({"truncate@3s": "send half of the next event, then end the stream"}, at=_moment),
    "hello-delay": _Kind({"hello-delay:15s": "say the connection id this late"}, _hello_delay),
    "rest": _Kind(
        {
            "rest:500x2": "refuse two requests for a WebSocket URL",
            "rest:429:2s": "the same, once, with a Retry-After",
        },
        _failure,
    ),
    "expire-url": _Kind({"expire-url": "hand out one WebSocket URL that is expired"}),
    "api": _Kind(
        {
            "api:503x2": "refuse two requests of any other kind",
            "api:429:2s@10%": "refuse every tenth of them at random, with a Retry-After",
        },
        _failure,
        _share,
    ),
    "owner-stop": _Kind({"owner-stop@5s": "stop every transcription, as its owner would"}, at=_moment),
}
EXAMPLES = {example: meaning for kind in KINDS.values() for example, meaning in kind.examples.items()}
"""Every kind of entry, and what it does."""


def parse(plan: str) -> tuple[Fault, ...]:
    """Read a plan; an empty one has no faults.

    Raises `ChaosError`.
    """
    return tuple(_fault(entry.strip()) for entry in plan.split(",")) if plan.strip() else ()


def _fault(entry: str) -> Fault:
    found = _ENTRY.fullmatch(entry)
    kind = KINDS.get(found["name"]) if found else None
    if found is None or kind is None:
        raise ChaosError(f"{entry!r} is no fault; known: {', '.join(KINDS)}")
    correct = f"write it as {' or '.join(kind.examples)}"
    try:
        at, arguments = kind.at(found["at"]), kind.arguments(*found["arguments"].split(":")[1:])
        return Fault(found["name"], connection=_connection(found["connection"]), **at, **arguments)
    except ValueError as error:
        raise ChaosError(f"{entry!r}: {error}, {correct}") from error
    except TypeError as error:
        raise ChaosError(f"{entry!r} has too few or too many arguments, {correct}") from error


def _connection(text: str | None) -> int | None:
    if text == "*":
        return None
    return 1 if text is None else _number(text, range(1, 1_000_000), "number of a connection")


class Chaos:
    """A plan on its way: which fault comes next, and to whom. The same plan and seed give the same faults."""

    def __init__(self, plan: Iterable[Fault] = (), seed: int = 0) -> None:
        self._plan = tuple(plan)
        self._random = Random(seed)
        self._connections = 0
        self._used: Counter[int] = Counter()  # how often each fault of an answer came since the last connection

    def refuses_url(self) -> Fault | None:
        """Return what a request for a WebSocket URL gets instead of one; None: it gets one."""
        return self._next("rest", self._connections + 1)

    def expires_url(self) -> bool:
        """Return whether the WebSocket URL that is handed out now is expired already."""
        return self._next("expire-url", self._connections + 1) is not None

    def refuses(self) -> Fault | None:
        """Return what any other request gets instead of its answer; None: it gets its answer."""
        return self._next("api", self._connections)

    def accepted(self) -> tuple[Fault, ...]:
        """Count one more connection, and return its faults, in the order of time."""
        self._connections += 1
        self._used.clear()
        mine = (one for one in self._plan if one.connection in (None, self._connections) and one.name not in _ANSWERS)
        return tuple(sorted(mine, key=lambda fault: fault.at_s))

    def _next(self, name: str, connection: int) -> Fault | None:
        for number, fault in enumerate(self._plan):
            if fault.name != name or fault.connection not in (None, connection):
                continue
            share, times = (1.0, 1) if fault.share is None else (fault.share, inf)
            if self._used[number] < (fault.times or times) and self._random.random() < share:
                self._used[number] += 1
                return fault
        return None


_ANSWERS = frozenset({"rest", "expire-url", "api"})
"""Kinds of faults that are answers to a request; the others happen to a connection, or to the account meanwhile."""
