"""Many events over many connections: what is sent is computed, never kept, so that a million of them cost no memory."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from support.backend import CHUNK_BYTES, Peer, Script
from support.frames import Op, encode
from support.lines import after_stamps

Ending = Literal["close", "reset", "reset when read", "stays"]

CLOSE_CODES = (1000, 1001, 1011, 1012, 1013, 4000)
_EVENT = re.compile(rb'\{"c":(\d+),"n":(\d+),"x":"(x*)"\}')


def event(connection: int, number: int, size: int) -> bytes:
    """Return the event of that number of that connection."""
    return b'{"c":%d,"n":%d,"x":"%b"}' % (connection, number, b"x" * size)


@dataclass(frozen=True)
class Leg:
    """One connection: how many events it carries, how large they are, and how it ends."""

    connection: int
    count: int
    size: int
    ending: Ending
    code: int = 1000

    async def run(self, peer: Peer) -> None:
        """Be the server's script for this connection."""
        await peer.hello()
        chunk = bytearray()
        for number in range(self.count):
            chunk += encode(Op.TEXT, event(self.connection, number, self.size))
            if len(chunk) >= CHUNK_BYTES:
                await peer.raw(bytes(chunk))
                chunk.clear()
        await peer.raw(bytes(chunk))
        await self._end(peer)

    async def _end(self, peer: Peer) -> None:
        if self.ending == "close":
            await peer.close(self.code)
        if self.ending == "reset when read":
            await peer.ping(b"all")
            await peer.until(lambda: peer.gone or _heard_all(peer), f"the pong behind the events of {self}")
        if self.ending in ("reset", "reset when read"):
            peer.rst()


def _heard_all(peer: Peer) -> bool:
    return any(frame.op is Op.PONG and frame.payload == b"all" for frame in peer.received)


def legs(events: int, disconnects: int, seed: int) -> list[Leg]:
    """Spread `events` over connections that are closed or reset at random; one more, without events, stays."""
    chance = random.Random(seed)
    cuts = sorted(chance.sample(range(1, events), disconnects - 1))
    counts = [end - start for start, end in zip([0, *cuts], [*cuts, events], strict=True)]
    endings: list[Ending] = ["close", "close", "reset", "reset when read"]
    plan = [
        Leg(number, count, chance.choice([0, 40, 200]), chance.choice(endings), chance.choice(CLOSE_CODES))
        for number, count in enumerate(counts)
    ]
    return [*plan, Leg(disconnects, 0, 0, "stays")]


def scripts(plan: Iterable[Leg]) -> list[Script]:
    """Return what a Backend runs for each connection."""
    return [leg.run for leg in plan]


def recorded(path: Path) -> Iterator[tuple[int, int]]:
    """Yield (connection, number) of every line; a line that is anything else is an error."""
    with path.open("rb") as file:
        for line in file:
            assert line.endswith(b"\n"), f"torn: {line[-80:]!r}"
            found = _EVENT.fullmatch(after_stamps(line[:-1]))
            assert found is not None, f"not what was sent: {line[:120]!r}"
            yield int(found[1]), int(found[2])


def count_in_order(lines: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Count the lines of each connection, which must come in order, without a hole and without a double."""
    counts: dict[int, int] = {}
    newest = -1
    for connection, number in lines:
        assert connection >= newest, f"connection {connection} after {newest}"
        newest = connection
        expected = counts.get(connection, 0)
        assert number == expected, f"connection {connection}: event {number} where {expected} was due"
        counts[connection] = expected + 1
    return counts
