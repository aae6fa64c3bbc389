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

from videodb_listen import settings
from videodb_listen.listener import daemon, notify, report, stdio
from videodb_listen.paths import Layout

from faults.simulation import kernel

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
    """Run the daemon as `run` does. `options` are named as in the environment, without prefix: {"MIN_BACKOFF": "1s"}."""
    environment = {f"VIDEODB_LISTEN_{name}": value for name, value in options.items()}
    given = settings.resolve({"base_url": base_url}, environment, {}, key_from_file=KEY)
    outside = report.Outside(stdout=_Stdout(), notifier=notify.Notifier({}), on_connected=lambda _: None)
    await daemon.run(given, Layout(Path(directory)), outside, clear=clear)


@contextlib.contextmanager
def simulated(hear: Callable[[logging.LogRecord], None]) -> Iterator[None]:
    """Have the product tell simulated time, and say what it logs to `hear`, for the length of the block."""
    handler = logging.Handler()
    handler.emit = hear  # type: ignore[method-assign]
    with contextlib.ExitStack() as stack:
        for function, name, value in _told_time():
            stack.enter_context(mock.patch.object(function, name, value))
        for name in ("load_verify_locations", "load_default_certs"):  # a client for http:// reads them as well: 17 ms
            stack.enter_context(mock.patch.object(ssl.SSLContext, name, lambda *_, **__: None))
        stack.enter_context(mock.patch.multiple(LOGGER, handlers=[handler], level=logging.INFO, propagate=False))
        yield


@functools.cache
def _told_time() -> list[tuple[Any, str, Any]]:
    """Where a clock is a default argument: each such function, the name of its defaults, and those of a simulation."""
    found = []
    for function in _functions():
        if any(default in kernel.CLOCKS for default in function.__defaults__ or ()):
            replaced = tuple(kernel.CLOCKS.get(default, default) for default in function.__defaults__)
            found.append((function, "__defaults__", replaced))
        named = function.__kwdefaults__ or {}
        if any(default in kernel.CLOCKS for default in named.values()):
            replaced = {name: kernel.CLOCKS.get(default, default) for name, default in named.items()}
            found.append((function, "__kwdefaults__", replaced))
    return found


def _functions() -> Iterator[Any]:
    """Every function and method of the product that is loaded by now."""
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == "videodb_listen":
            for thing in vars(module).values():
                if inspect.isfunction(thing):
                    yield thing
                elif inspect.isclass(thing) and thing.__module__ == name:
                    yield from filter(inspect.isfunction, vars(thing).values())
