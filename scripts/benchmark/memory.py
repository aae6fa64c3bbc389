"""The daemon's resident memory while one long flood goes through it.

It is read when the file has reached each mark, so at full load, the worst moment: an idle daemon would show less. What
counts is that it is small, and that it is the same after a million events as after a hundred thousand.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from measure import Running, running
from peers import Peer, daemon

MARKS = (100_000, 500_000, 1_000_000)
LIMIT_MB = 60.0
GROWTH_MB = 6.0
"""What counts as flat: an allocator that reuses its arenas moves by a few pages, and copies that wait for stdout fill
their queue only when the reader is slow for the first time: 10,000 lines, some 4 MB."""


def report() -> tuple[list[str], bool]:
    """The table, and whether the memory was small and flat."""
    marks = "".join(f"{mark:>12,}" for mark in MARKS)
    lines = ["resident MB after so many events", f"{'':<18}{marks}{'peak':>10}"]
    good = True
    for peer in (daemon("none"), daemon("preview")):
        seen, peak_mb, complete = _watch(peer)
        fine = complete and peak_mb < LIMIT_MB and seen[-1] - seen[0] < GROWTH_MB
        good = good and fine
        cells = "".join(f"{mb:>12.1f}" for mb in seen)
        lines.append(f"{peer.name:<18}{cells}{peak_mb:>10.1f}   {'ok' if fine else 'FAILED'}")
    return [*lines, "", f"limits: peak {LIMIT_MB:.0f} MB, growth {GROWTH_MB:.0f} MB, no event lost"], good


def _watch(peer: Peer) -> tuple[Sequence[float], float, bool]:
    with running(peer, MARKS[-1]) as run:
        run.await_hello()
        seen = list(_resident_at_marks(run, run.flood.directory / peer.file))
        run.await_written()
        _, peak_mb, status = run.end()
        return seen, peak_mb, status == 0 and run.lines() == MARKS[-1]


def _resident_at_marks(run: Running, path: Path) -> Iterator[float]:
    marks = list(MARKS)
    lines = 0
    with path.open("rb", buffering=0) as file:
        while marks:
            data = file.read(1 << 20)
            lines += data.count(b"\n")
            if lines >= marks[0]:
                marks.pop(0)
                yield resident_mb(run.pid)
            elif not data:
                time.sleep(0.01)


def resident_mb(pid: int) -> float:
    """The resident set of `pid`; ps has it in KiB on every Unix."""
    shown = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], stdout=subprocess.PIPE, check=True).stdout
    return int(shown) * 1024 / 1e6
