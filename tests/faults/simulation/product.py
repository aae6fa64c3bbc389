"""The only module of the simulation that knows the product: how its daemon is started, and where it tells the time.

When a module of the product moves, or its settings change, this is what has to follow.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import logging
import ssl
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

from faults.simulation import kernel
from faults.simulation.oracle import Expects
from videodb_listen import line, settings
from videodb_listen.api.http import Api
from videodb_listen.listener import announce, daemon, notify, publish, reconnect, sink, stdio
from videodb_listen.paths import Layout
from videodb_listen.realtime.by_websockets import WebsocketsConnection
from videodb_listen.system import clock

EXPECTS: Expects = "live only"
"""What the daemon of today can be held to: `everything`, once it recovers what it has missed."""

KEY = "sk-simulated"
LOGGER = logging.getLogger("videodb_listen")


class _Stdout(stdio.Stdout):
    """Where nobody listens: the real one has a thread."""

    def __init__(self) -> None:
        self._announce: Callable[[str], None] = lambda _: None

    @property
    def dropped(self) -> int:
        return 0

    def announce(self, ws_id: str) -> None:
        """Nobody reads it."""

    def copy(self, line: bytes) -> None:
        """Nobody reads it."""


async def record(directory: str, base_url: str, options: Mapping[str, str], *, clear: bool) -> None:
    """Run the daemon as `run` does. `options` are those of its environment, without the prefix: {"DRAIN": "1s"}."""
    environment = {f"VIDEODB_LISTEN_{name}": value for name, value in options.items()}
    outside = announce.Outside(stdout=_Stdout(), notifier=notify.Notifier({}), on_connected=lambda _: None)
    api, given = Api(settings.Account(base_url, KEY)), settings.resolve({}, environment)
    await daemon.run(api, given, Layout(Path(directory)), outside, clear=clear)


class _Heard(logging.Handler):
    def __init__(self, hear: Callable[[logging.LogRecord], None]) -> None:
        super().__init__()
        self._hear = hear

    def emit(self, record: logging.LogRecord) -> None:
        self._hear(record)


@contextlib.contextmanager
def simulated(hear: Callable[[logging.LogRecord], None]) -> Iterator[None]:
    """Have the product tell simulated time, and say what it logs to `hear`, for the length of the block."""
    with contextlib.ExitStack() as stack:
        for function, name, value in _told_time():
            stack.enter_context(mock.patch.object(function, name, value))
        for name in ("load_verify_locations", "load_default_certs"):  # 17 ms for each client, also for http://
            stack.enter_context(mock.patch.object(ssl.SSLContext, name, _read_none))
        stack.enter_context(mock.patch.multiple(LOGGER, handlers=[_Heard(hear)], level=logging.INFO, propagate=False))
        yield


def _read_none(*_: object, **__: object) -> None:
    """Read no certificates: nothing is encrypted here."""


@functools.cache
def _told_time() -> list[tuple[Any, str, Any]]:
    """Where a clock is a default argument: each such function, the name of its defaults, and those of a simulation."""
    found: list[tuple[Any, str, Any]] = []
    for function in _functions():
        positional, named = function.__defaults__ or (), function.__kwdefaults__ or {}
        if any(default in kernel.CLOCKS for default in filter(callable, positional)):
            found.append((function, "__defaults__", tuple(map(_simulated, positional))))
        if any(default in kernel.CLOCKS for default in filter(callable, named.values())):
            found.append((function, "__kwdefaults__", {name: _simulated(value) for name, value in named.items()}))
    return found


def _simulated(default: Any) -> Any:
    return kernel.CLOCKS.get(default, default) if callable(default) else default


def _functions() -> Iterator[Any]:
    """Every function and method of the product that is loaded by now."""
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == "videodb_listen":
            for thing in vars(module).values():
                if inspect.isfunction(thing):
                    yield thing
                elif inspect.isclass(thing) and thing.__module__ == name:
                    yield from filter(inspect.isfunction, vars(thing).values())


# -- seeded bugs: what the oracle must find --


async def _never_doubted(_connection: WebsocketsConnection, _timeout_s: float) -> float:
    return 0.0


def _dropped(these: sink.Sink, _exc: OSError) -> None:
    these._waiting, these._waiting_bytes = [], 0


def _wall_only(this: clock.Clock) -> float:
    return this._wall()


def _doubled(frame: bytes, received_s: float) -> bytes:
    return 2 * line.encode_line(frame, received_s)


BUGS: dict[str, Callable[[], Any]] = {
    "a frozen connection is never doubted": lambda: mock.patch.object(WebsocketsConnection, "prove", _never_doubted),
    "delays have no bound": lambda: mock.patch.object(reconnect.ReconnectPolicy, "_delay_s", return_value=1000.0),
    "a full disk drops what waits": lambda: mock.patch.object(sink.Sink, "_refused", _dropped),
    "gaps are not told": lambda: mock.patch.object(publish.Publisher, "_record_gap", return_value=None),
    "stamps follow a clock that is set back": lambda: mock.patch.object(clock.Clock, "now", _wall_only),
    "a line is written twice": lambda: mock.patch.object(daemon, "encode_line", _doubled),
}
"""By name, a way to put a bug into the daemon for the length of a block."""
