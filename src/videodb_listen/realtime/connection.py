"""What a live connection is, whichever library holds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Ended:
    """How a connection ended. `close_code` is the server's, None when it sent no Close frame."""

    reason: str
    close_code: int | None = None
    refused: str | None = None  # what was over the frame limit; None: nothing was


class Connection(Protocol):
    """A live connection: `connection_id` is known, frames are flowing.

    It belongs to one task that reads; the others may close, cut or prove it meanwhile.
    """

    @property
    def connection_id(self) -> str:
        """What the server called it in its hello."""

    async def read(self, deliver: Callable[[bytes], None], on_pong: Callable[[float], None]) -> Ended:
        """Hand every frame to `deliver`, as bytes and in order, until the connection has ended and its buffer is empty.

        `on_pong` gets each round trip in seconds; the first ping goes out at once. An exception of `deliver` passes.
        """

    async def prove(self, timeout_s: float) -> float | None:
        """Ping: the round trip in seconds, or None when there was no pong in time: then the connection is cut.

        Not while it closes: a server that is busy sending the rest may have no time for pongs, and `drain_s` bounds it.
        """

    async def close(self) -> bool:
        """Send Close and wait for the server's, at most `drain_s`; `read` must go on meanwhile, or frames are lost.

        Returns whether the server answered. What it sent before its answer has been delivered when `read` returns.
        """

    def cut(self, reason: str) -> None:
        """End the connection now, without Close; what was received is still delivered."""
