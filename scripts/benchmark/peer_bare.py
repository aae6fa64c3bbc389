"""The floor for anything written on `websockets`: receive as bytes, nothing else.

    python peer_bare.py WS_URL OUT EVENTS

No event is written. When the last one has been received, OUT gets how many there were: one write, so that the end is
seen from outside as it is for the others.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed


async def main(url: str, out: Path, events: int) -> None:
    received = 0
    async with connect(url, compression=None, max_size=None) as socket:
        await socket.recv(decode=False)  # the hello
        try:
            while received < events:
                await socket.recv(decode=False)
                received += 1
            out.write_text(f"{received}\n")  # noqa: ASYNC240  # once, after the last event
            while True:
                await socket.recv(decode=False)
                received += 1
        except ConnectionClosed:
            pass
    if received != events:
        out.write_text(f"{received}\n")  # noqa: ASYNC240


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
