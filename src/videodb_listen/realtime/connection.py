"""What a live connection is, whichever library holds it, and when it has been silent for too long.

A time limit runs on while we do not: the process is stopped, a write to the disk hangs, the machine sleeps. The kernel
goes on to receive meanwhile, and among that may be what is waited for. So `time_limit` judges in two steps:

- When the time has passed, what lies in our buffers is read first: it is ours to keep, and proof of life.
- When that is noticed late we did not run, and perhaps nobody did: the time begins anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

LATE_S = 1.0
"""A loop that is this late was not running: a busy one is late by milliseconds."""

QUIET_TURNS = 5
"""Turns of the loop without a byte until nothing waits. One reads, one delivers, one more resumes a paused reader."""

MAX_TURNS = 100
"""A turn reads 256 KiB and a kernel keeps some MiB: what comes after so many turns was not there when they began."""


@dataclass(frozen=True)
class Ended:
    """How a connection ended. `close_code` is the server's, None when it sent no Close frame."""

    reason: str
    close_code: int | None = None
    refused: str | None = None  # what was too large, for its limit or the memory; None: nothing was


Deliver = Callable[[bytes], Awaitable[None] | None]
"""Takes a frame. What it returns is awaited before the next; None: it is done with it, as with all but the largest."""


class Connection(Protocol):
    """A live connection: `connection_id` is known, frames are flowing.

    It belongs to one task that reads; the others may close, cut or prove it meanwhile.
    """

    @property
    def connection_id(self) -> str:
        """What the server called it in its hello."""

    @property
    def hello(self) -> bytes:
        """The frame that said so."""

    async def read(self, deliver: Deliver, on_pong: Callable[[float], None]) -> Ended:
        """Hand every frame to `deliver`, as bytes and in order, until the connection has ended and its buffer is empty.

        `on_pong` gets each round trip in seconds; the first ping goes out at once. An exception of `deliver` passes,
        except want of memory: that is an end like any other.
        """

    async def prove(self, timeout_s: float) -> float | None:
        """Ping: the round trip in seconds, or None when the connection has ended.

        It is cut when so long neither the pong nor anything else came: a pong stands behind all that was sent before.
        Not while it closes: `drain_s` bounds that.
        """

    async def close(self, hurried: asyncio.Event | None = None) -> bool:
        """Send Close and wait for the server's, at most `drain_s` or until `hurried`, None: that never comes.

        `read` must go on meanwhile, or frames are lost. Returns whether the server answered. What it sent before its
        answer has been delivered when `read` returns; without an answer, what had arrived.
        """

    def cut(self, reason: str) -> None:
        """End the connection now, without Close; what the library has received is still delivered."""


@contextlib.asynccontextmanager
async def time_limit(
    limit_s: float,
    heard: Callable[[], int] = lambda: 0,
    *,
    hurried: asyncio.Event | None = None,
    silence: bool = False,
) -> AsyncIterator[None]:
    """Raise TimeoutError when the block takes more than `limit_s` seconds in which we ran, or once `hurried` is set.

    `heard` counts what was received, whatever it was. `silence`: as long as that grows the time begins anew.
    """
    async with asyncio.timeout(None) as scope:
        judging = asyncio.create_task(_judge(scope, limit_s, heard, hurried or asyncio.Event(), silence=silence))
        try:
            yield
        finally:
            judging.cancel()


async def _judge(
    scope: asyncio.Timeout, limit_s: float, heard: Callable[[], int], hurried: asyncio.Event, *, silence: bool
) -> None:
    over = False
    while not over:
        before, due_s = heard(), time.time() + limit_s  # the monotonic clock may stand still while the machine sleeps
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await hurried.wait()
        late = time.time() > due_s + LATE_S
        await _read_what_waits(heard)
        over = hurried.is_set() or not (late or (silence and heard() != before))
    scope.reschedule(0.0)


async def _read_what_waits(heard: Callable[[], int]) -> None:
    quiet = 0
    for _ in range(MAX_TURNS):
        before = heard()
        await asyncio.sleep(0)
        quiet = quiet + 1 if heard() == before else 0
        if quiet == QUIET_TURNS:
            break
