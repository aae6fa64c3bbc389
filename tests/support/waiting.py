"""Waiting without sleeping: a waiter is woken by a change, and a limit is only an upper bound."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LIMIT_S = 20.0
"""No test waits this long; one that does has failed, and says for what it waited. Well below the limit of a test,
which would end the whole run and leave processes behind."""


@contextmanager
def saying(what: Callable[[], str]) -> Iterator[None]:
    """Turn a timeout into a failure that tells what was awaited and what was there instead."""
    try:
        yield
    except TimeoutError:
        raise AssertionError(f"nothing within the limit: {what()}") from None


class Changes:
    """Wakes everyone who waits for a condition whenever something has changed."""

    def __init__(self) -> None:
        self._waiters: set[asyncio.Future[None]] = set()

    def tell(self) -> None:
        """Let every waiter look again."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def until(self, condition: Callable[[], bool], what: str, *, limit_s: float = LIMIT_S) -> None:
        """Return once `condition` holds, looking only after a change."""
        with saying(lambda: what):
            async with asyncio.timeout(limit_s):
                while not condition():
                    waiter = asyncio.get_running_loop().create_future()
                    self._waiters.add(waiter)
                    try:
                        await waiter
                    finally:
                        self._waiters.discard(waiter)
