"""The event loop of a simulated process: asyncio's own, on a selector that never waits but lets the world go on."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faults.simulation.machine import Process

SPINS = 100_000
"""Turns of a loop in one instant after which it is taken for a loop without end."""


class _Selector(selectors.BaseSelector):
    """Instead of waiting it lets the world go on; no file is ever ready."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._keys: dict[Any, selectors.SelectorKey] = {}
        self._spins = 0

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._keys.setdefault(fileobj, selectors.SelectorKey(fileobj, -1, events, data))

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout > 0:
            self._spins = 0
            self._process.idle(timeout)
        else:
            self._spins += 1
            assert self._spins < SPINS, f"{self._process} turns round and round at one instant"
        return []


class ProcessLoop(asyncio.SelectorEventLoop):
    """A loop on the clock, the network and the one thread of `process`."""

    def __init__(self, process: Process) -> None:
        self._process = process
        super().__init__(_Selector(process))

    def time(self) -> float:
        return self._process.machine.monotonic()

    async def create_connection(  # type: ignore[override]  # the part of it that clients use
        self, protocol_factory: Callable[[], asyncio.Protocol], host: str, port: int, *, ssl: Any = None, **_: Any
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        assert ssl is None, "there is no TLS in the simulation"
        return await self._process.machine.link.connect(self._process, protocol_factory, host, port)

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> Any:
        return await self._process.machine.link.look_up(host, port)

    def run_in_executor(  # type: ignore[override]  # less strict
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run it here and now: a thread would make another run of every run."""
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as exc:
            done.set_exception(exc)
        return done
