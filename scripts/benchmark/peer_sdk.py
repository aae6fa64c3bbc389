"""What one writes on the official SDK's socket: parse (the SDK does), stamp, open-append-close for each event.

    python peer_sdk.py WS_URL OUT.jsonl

The file is opened for each event because that is what keeps a line safe without thinking about flushing, and what the
script this project replaces does.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from videodb.websocket_client import WebSocketConnection


async def main(url: str, out: Path) -> None:
    socket = await WebSocketConnection(url).connect()
    async for event in socket.receive():
        now = datetime.now(UTC)
        stamped = {"ts": now.isoformat(), "unix_ts": now.timestamp(), **event}
        with out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(stamped) + "\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
