"""Who is measured: how each peer is started, and where it leaves what shows that it has done the job."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent

OURS, PREVIEW, SDK, NODE, BARE = "daemon", "daemon + preview", "SDK loop", "Node ws", "bare loop"


@dataclass(frozen=True)
class Flood:
    """What a peer is pointed at: the port of a backend, how many events it will send, and a directory to write into."""

    port: int
    events: int
    directory: Path

    @property
    def socket_url(self) -> str:
        """For peers that do not ask the REST API for it."""
        return f"ws://127.0.0.1:{self.port}/socket"


@dataclass(frozen=True)
class Peer:
    """One row of the table."""

    name: str
    command: Callable[[Flood], list[str]]
    file: str  # in the flood's directory: where the events end up
    stays: bool = False  # it reconnects when the server has closed, and ends on SIGTERM
    talks: bool = False  # it copies events to stdout, which is a pipe that someone reads
    counts: bool = False  # the file holds the number of events, not the events

    def lines(self, directory: Path) -> int:
        """How many events have arrived in the file."""
        path = directory / self.file
        if not path.exists():
            return 0
        return int(path.read_text() or 0) if self.counts else count_lines(path)


def all_peers(node_modules: Path | None) -> tuple[list[Peer], list[str]]:
    """The peers that can run here, and for each of the others why it cannot."""
    script = [sys.executable, str(HERE / "peer_sdk.py")], [sys.executable, str(HERE / "peer_bare.py")]
    peers = [
        daemon("none"),
        daemon("preview"),
        Peer(SDK, lambda flood: [*script[0], flood.socket_url, str(flood.directory / "out")], "out"),
        Peer(
            BARE,
            lambda flood: [*script[1], flood.socket_url, str(flood.directory / "out"), str(flood.events)],
            "out",
            counts=True,
        ),
    ]
    node = shutil.which("node")
    if node is None:
        return peers, [f"{NODE}: left out, there is no node on PATH"]
    if node_modules is None or not (node_modules / "node_modules" / "ws").is_dir():
        return peers, [f"{NODE}: left out, the package ws is not installed"]
    command = [node, str(HERE / "peer_node.mjs"), str(node_modules)]
    peers.insert(3, Peer(NODE, lambda flood: [*command, flood.socket_url, str(flood.directory / "out")], "out"))
    return peers, []


def daemon(output: str) -> Peer:
    """The daemon as it ships, every setting but --output at its default: it also syncs the file once a second."""
    return Peer(
        OURS if output == "none" else PREVIEW,
        lambda flood: [
            *(sys.executable, "-m", "videodb_listen", "run", str(flood.directory), "--output", output),
            *("--base-url", f"http://127.0.0.1:{flood.port}"),
        ],
        "videodb_events.jsonl",
        stays=True,
        talks=output != "none",
    )


def environment() -> dict[str, str]:
    """Ours without what would change a peer: proxies, a key, settings of the daemon."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and not name.startswith(("VIDEO_DB", "VIDEODB"))
    }
    return {**kept, "VIDEO_DB_API_KEY": "bench"}


def count_lines(path: Path) -> int:
    """How many whole lines `path` has. In pieces: see `measure` for why this process must stay small."""
    with path.open("rb", buffering=0) as file:
        return sum(data.count(b"\n") for data in iter(lambda: file.read(1 << 20), b""))
