"""One run: a fresh backend, a fresh process of the peer, and three figures taken from outside of it.

Throughput. The clock starts when the backend sends the hello, so starting an interpreter, importing and connecting do
not count. It stops with the last write to the peer's file, which the kernel notes as the file's mtime: no peer times
itself, and nothing polls while the flood runs. Both are the wall clock of one machine, the latter in steps of at most
10 ms. "Written" means handed to the kernel; only the daemon also syncs, and is not excused for it.

CPU and memory. `wait4` gives what the kernel charged to the process from its first instruction to its last, start and
end included. Linux lets the peak of a child begin at the size of its parent, so this program reads files in pieces and
imports little: it is smaller than any peer.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from peers import HERE, Flood, Peer, environment
from spent import MAXRSS_UNIT

GRACE_S = 30.0
"""How long a peer may take to connect, to write what it has received, and then to end."""

SLOWEST = 2_000
"""Events per second that any peer must manage; a slower one is stopped and has failed."""


@dataclass(frozen=True)
class Figures:
    """What one run has shown. `failure` is None when every event sent is in the file, once, as a whole line."""

    peer: str
    round: int
    events: int
    lines: int
    seconds: float
    cpu_s: float
    max_rss_mb: float
    failure: str | None

    @property
    def events_per_s(self) -> float:
        """Events in the file for each second from the hello to the last of them."""
        return self.lines / self.seconds if self.seconds > 0 else 0.0


class PeerFailedError(Exception):
    """No flood took place: the peer did not connect, or hung."""


class Running:
    """A peer at work. `hello_s` is the unix time at which its flood began."""

    def __init__(
        self, peer: Peer, flood: Flood, backend: subprocess.Popen[str], process: subprocess.Popen[Any]
    ) -> None:
        self.pid = process.pid
        self.flood = flood
        self.hello_s = 0.0
        self._peer = peer
        self._backend = backend
        self._process = process

    def await_hello(self) -> None:
        """Return when the flood begins."""
        self.hello_s = fact(self._backend, "hello_ns") / 1e9

    def await_written(self) -> None:
        """Return when the peer has answered the Close and has written everything, or will not do so any more."""
        fact(self._backend, "closed")
        deadline = time.monotonic() + GRACE_S
        while self.lines() < self.flood.events and time.monotonic() < deadline and self._alive():
            time.sleep(0.02)

    def lines(self) -> int:
        """How many events are in the file now."""
        return self._peer.lines(self.flood.directory)

    def _alive(self) -> bool:
        """Whether it runs; its figures stay with the kernel until `end` asks for them."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def end(self) -> tuple[float, float, int]:
        """Have it end; its CPU seconds, its peak memory in MB, its exit status."""
        if self._peer.stays:
            self._process.send_signal(signal.SIGTERM)
        with after(GRACE_S, self._process.kill):
            _, status, usage = os.wait4(self.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * MAXRSS_UNIT / 1e6, self._process.returncode


def measure(peer: Peer, events: int, round_number: int) -> Figures:
    """Let one flood run into `peer`."""
    try:
        with running(peer, events) as run:
            run.await_hello()
            run.await_written()
            cpu_s, max_rss_mb, status = run.end()
            lines = run.lines()
            path = run.flood.directory / peer.file
            seconds = path.stat().st_mtime - run.hello_s if path.exists() else 0.0
    except PeerFailedError as exc:
        return Figures(peer.name, round_number, events, 0, 0.0, 0.0, 0.0, str(exc))
    failure = None
    if lines != events:
        failure = f"{lines} of {events} lines"
    elif status != 0:
        failure = f"exit status {status}"
    return Figures(peer.name, round_number, events, lines, seconds, cpu_s, max_rss_mb, failure)


@contextlib.contextmanager
def running(peer: Peer, events: int) -> Iterator[Running]:
    """A backend and a peer that connects to it; on leaving, both are gone, and so is what was written."""
    backend_command = [sys.executable, str(HERE / "backend.py"), str(events)]
    with (
        tempfile.TemporaryDirectory(prefix="videodb-listen-bench-") as directory,
        tempfile.TemporaryFile() as said,
        stopped(subprocess.Popen(backend_command, stdout=subprocess.PIPE, text=True)) as backend,
        after(GRACE_S + events / SLOWEST, backend.kill),
    ):
        flood = Flood(fact(backend, "port"), events, Path(directory))
        stdout = subprocess.PIPE if peer.talks else subprocess.DEVNULL
        with stopped(
            subprocess.Popen(peer.command(flood), stdout=stdout, stderr=said, env=environment(), cwd=directory)
        ) as process:
            if process.stdout is not None:
                threading.Thread(target=_throw_away, args=[process.stdout], daemon=True).start()
            try:
                yield Running(peer, flood, backend, process)
            finally:
                if process.poll():  # also when `end` has its status already
                    said.seek(0)
                    sys.stderr.write(said.read(4096).decode(errors="replace"))


@contextlib.contextmanager
def stopped(process: subprocess.Popen[Any]) -> Iterator[subprocess.Popen[Any]]:
    """Kill `process` on leaving, unless it has ended."""
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            process.wait()


@contextlib.contextmanager
def after(seconds: float, act: Callable[[], None]) -> Iterator[None]:
    """Call `act` if the block takes longer."""
    timer = threading.Timer(seconds, act)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def fact(backend: subprocess.Popen[str], name: str) -> int:
    """What the backend says next, which must be `name`; it says nothing more once it was stopped."""
    assert backend.stdout is not None
    said = json.loads(backend.stdout.readline() or "{}")
    if name not in said:
        raise PeerFailedError(f"no {name.partition('_')[0]} in time")
    value: int = said[name]
    return value


def _throw_away(stream: IO[bytes]) -> None:
    """Read as `cat >/dev/null` would."""
    with contextlib.suppress(OSError, ValueError):
        while os.read(stream.fileno(), 1 << 16):
            pass
