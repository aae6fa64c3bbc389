"""Hours of use in ten minutes: a steady stream of events, and faults at random in the background.

`Soak` is the far side and the bad luck: it sends at a fixed rate, ends each connection in a way of its own, refuses
REST calls, freezes, moves the events file away and sends SIGHUP. What it did is counted, so that afterwards every line
of the files and of stderr can be accounted for.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import random
import re
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from faults.flood import CLOSE_CODES, event, recorded
from support.backend import Backend, Peer, Reply
from support.daemon import Daemon
from support.frames import Op, encode

RATE = 500
"""Events a second."""

TICK_S = 0.02
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
OPTIONS = (
    *("--output", "none", "--min-backoff", "250ms", "--max-backoff", "500ms"),
    *("--ping-interval", "1s", "--ping-timeout", "3s", "--fsync-interval", "200ms"),
    *("--rotate-size", "256K", "--rotate-keep", "100000", "--rotate-gzip"),
)


@dataclass
class Sample:
    """The daemon at one moment; `leg` is the connection it had, None while it had none."""

    at_s: float
    rss_bytes: int
    descriptors: int
    leg: int | None


@dataclass
class Leg:
    """One connection: what was sent, and how it ended."""

    sent: int = 0
    ending: str = "stop"


@dataclass
class Soak:
    """The far side for `seconds`. `did` counts the faults by name."""

    seconds: float
    chance: random.Random
    legs: list[Leg] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    did: Counter[str] = field(default_factory=Counter)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    backend: Backend = field(init=False)
    daemon: Daemon | None = None
    _talking: int | None = None  # the leg in which events flow; None: none does

    def __post_init__(self) -> None:
        self.backend = Backend([self.script])

    # -- the far side --

    async def script(self, peer: Peer) -> None:
        """Be the server of one connection: send, then end it in some way."""
        index, leg = len(self.legs), Leg()
        self.legs.append(leg)
        await peer.hello()
        self._talking = index
        await self._send(peer, index, leg)
        self._talking = None
        if not self.over.is_set():
            await self._end(peer, leg)

    async def _send(self, peer: Peer, index: int, leg: Leg) -> None:
        """Send at the rate, for some seconds, with a rotation by somebody else in between."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        lasts_s = self.chance.uniform(3, 12)
        moves_at_s = self.chance.uniform(1, 20)  # often not at all
        while (passed_s := loop.time() - began_s) < lasts_s and not self.over.is_set():
            due = int(passed_s * RATE) - leg.sent
            await peer.raw(b"".join(encode(Op.TEXT, event(index, leg.sent + n, 40 + n)) for n in range(due)))
            leg.sent += due
            if passed_s > moves_at_s:
                moves_at_s = lasts_s
                self._hang_up_log()
            await asyncio.sleep(TICK_S)  # the rate is what is tested; nothing is awaited here

    async def _end(self, peer: Peer, leg: Leg) -> None:
        self._refuse_some_calls()
        leg.ending = self.chance.choice(["close", "close", "rst", "freeze"])
        self.did[leg.ending] += 1
        match leg.ending:
            case "close":
                await peer.close(self.chance.choice(CLOSE_CODES))
            case "rst":
                peer.rst()
            case "freeze":
                peer.freeze()

    def _refuse_some_calls(self) -> None:
        for status in self.chance.choice([(), (), (500,), (500, 500), (503,), (429,)]):
            self.did["refused"] += 1
            self.backend.rest.append(Reply(status, {"success": False, "message": "no"}, {"retry-after": "1"}))

    def _hang_up_log(self) -> None:
        """SIGHUP, half of the time after the file was moved away, as logrotate does it."""
        assert self.daemon is not None
        if self.chance.random() < 0.5:
            events = self.daemon.site.files.events
            with contextlib.suppress(FileNotFoundError):  # the daemon is rotating it at this very moment
                events.rename(events.with_name(f"moved.{self.did['move']}.jsonl"))
                self.did["move"] += 1
        self.did["hup"] += 1
        self.daemon.signal(signal.SIGHUP)

    # -- the watch --

    async def watch(self, daemon: Daemon) -> None:
        """Look at the daemon once a second until the time is over."""
        self.daemon = daemon
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        while (at_s := loop.time() - began_s) < self.seconds and daemon.running:
            self.samples.append(self._sample(at_s, daemon.pid))
            await asyncio.sleep(1.0)  # a pace, too
        self.over.set()

    def _sample(self, at_s: float, pid: int) -> Sample:
        process = Path(f"/proc/{pid}")
        pages = int((process / "statm").read_text().split()[1])
        return Sample(at_s, pages * PAGE_BYTES, len(list((process / "fd").iterdir())), self._talking)

    @property
    def warm(self) -> list[Sample]:
        """What was seen after the first minute, or after half of a short trial."""
        return [sample for sample in self.samples if sample.at_s >= min(60.0, self.seconds / 2)]

    def rss_growth_bytes(self) -> int:
        """How far the memory ever went beyond where it stood when it was warm."""
        return max(sample.rss_bytes for sample in self.warm) - self.warm[0].rss_bytes

    def descriptors(self) -> set[int]:
        """How many were open in each connection, at rest: syncing and compressing borrow some for a moment."""
        counts: dict[int, list[int]] = {}
        for sample in self.warm:
            if sample.leg is not None:
                counts.setdefault(sample.leg, []).append(sample.descriptors)
        return {min(seen) for seen in counts.values() if len(seen) >= 3}


# -- what it left --


def recorded_in_all_files(directory: Path) -> Iterator[tuple[int, int]]:
    """Yield (connection, number) of every line of every generation, the files in the order of their first line."""
    paths = {path.name.removesuffix(".gz"): path for path in sorted(directory.glob("*.jsonl*"), reverse=True)}
    names = [name for name in paths if name.startswith(("moved.", "videodb_events."))]
    files = [lines for name in names if (lines := _lines(paths[name]))]
    for lines in sorted(files, key=lambda lines: lines[0]):
        yield from lines


def _lines(path: Path) -> list[tuple[int, int]]:
    if path.suffix != ".gz":
        return list(recorded(path))
    plain = path.with_name(f"unpacked.{path.stem}")
    plain.write_bytes(gzip.decompress(path.read_bytes()))
    return list(recorded(plain))


_WORDS = {
    "connected as": "connected",
    "what was bound to": "connected again",
    "the server closed with": "close",
    "dropped without a Close": "rst",
    "no pong within": "freeze",
    "the API answered": "refused",
    "SIGHUP": "hup",
    "is not the file that was open any more": "move",
    "cannot be rotated": "move failed a rotation",
    "the drain was cut": "stopped while frozen",
}


def unexplained(stderr: str, soak: Soak) -> list[str]:
    """Return what no fault of `soak` accounts for: lines of stderr of no known kind, and kinds said too often."""
    said: Counter[str] = Counter()
    strange = []
    for line in stderr.splitlines():
        kind = next((kind for words, kind in _WORDS.items() if words in line), None)
        if kind is None or not re.match(r"\[\d\d:\d\d:\d\d\] ", line):
            strange.append(line)
        else:
            said[kind] += 1
    connections = len(soak.legs)
    may = Counter(soak.did) + Counter({"connected": connections, "connected again": connections - 1})
    may["move failed a rotation"] = may["move"]
    may["stopped while frozen"] = int(soak.legs[-1].ending == "freeze")
    return [*strange, *(f"{kind}: said {n} times, done {may[kind]}" for kind, n in said.items() if n > may[kind])]
