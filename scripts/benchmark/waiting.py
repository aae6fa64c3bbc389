"""How soon `videodb-listen wait` speaks, and what it costs until then, beside a real daemon that is connected.

Latency. Each round starts a process of `wait`, lets it settle until it blocks, then has the server send one event. The
clock starts before the server's send(2) and stops when the line arrives on the pipe that is the process's stdout, and
once more when that pipe ends, as it does for a shell's `$(...)` when the process exits. So the daemon's part, from its
socket to its write(2), is in the figure: what is measured is more than the way from the file to the pipe.

An hour of waiting. The CPU clock of a process of `wait` is read twice, IDLE_S apart, while nothing is sent; start-up
lies before the first reading. What is left are the looks that it takes anyway, and those that the daemon causes by
what it writes into the directory while it idles. The rest of the hour is extrapolated.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from measure import GRACE_S, PeerFailedError, after, fact, stopped
from peers import HERE, Flood, daemon, environment

ROUNDS = 30

SETTLE_S = 0.5
"""From the moment a process watches the directory: what it does until it blocks takes milliseconds."""

IDLE_S = 20.0


@dataclass(frozen=True)
class Waited:
    """Seconds from the send to the line and to the exit, round by round; CPU seconds of an hour of waiting.

    The latter is None where no process can read the CPU clock of another.
    """

    line_s: list[float]
    exit_s: list[float]
    hour_cpu_s: float | None


def measure(directory: Path) -> Waited:
    """Run a daemon in `directory` and wait for its events. It is stopped then, and its files stay."""
    with _listening(directory) as backend:
        rounds = [_one_wait(directory, backend) for _ in range(ROUNDS)]
        hour_cpu_s = _hour_cpu_s(directory) if sys.platform == "linux" else None
    return Waited([line_s for line_s, _ in rounds], [exit_s for _, exit_s in rounds], hour_cpu_s)


@contextlib.contextmanager
def _listening(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """A daemon that is connected; gives its backend."""
    command = [sys.executable, str(HERE / "backend_quiet.py")]
    with stopped(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)) as backend:
        run = daemon("none").command(Flood(fact(backend, "port"), 0, directory))
        with stopped(
            subprocess.Popen(run, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())
        ) as process:
            _await(lambda: (directory / "videodb_ws_id").exists(), "the daemon did not connect in time")
            yield backend
            process.terminate()
            with after(GRACE_S, process.kill):
                process.wait()


def _one_wait(directory: Path, backend: subprocess.Popen[str]) -> tuple[float, float]:
    with _waiting(directory, "transcript") as process:
        assert process.stdout is not None
        assert backend.stdin is not None
        print(file=backend.stdin, flush=True)
        sent_ns = fact(backend, "sent_ns")
        with after(GRACE_S, process.kill):
            line = process.stdout.readline()
            line_ns = time.monotonic_ns()
            rest = process.stdout.read()
            exit_ns = time.monotonic_ns()
            status = process.wait()
    if status or rest or not line.endswith(b"\n"):
        raise PeerFailedError(f"wait printed {line + rest!r} and ended with status {status}")
    return (line_ns - sent_ns) / 1e9, (exit_ns - sent_ns) / 1e9


def _hour_cpu_s(directory: Path) -> float:
    with _waiting(directory, "alert") as process:
        begun_s, spent_s = time.monotonic(), _cpu_s(process.pid)
        time.sleep(IDLE_S)
        return (_cpu_s(process.pid) - spent_s) / (time.monotonic() - begun_s) * 3600


@contextlib.contextmanager
def _waiting(directory: Path, channel: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of `wait` that blocks."""
    command = [sys.executable, "-m", "videodb_listen", "wait", channel, "--from", "now", "--dir", str(directory)]
    with stopped(subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0, env=environment())) as process:
        if sys.platform == "linux":
            _await(lambda: _watches(process.pid), "wait does not watch the directory")
        else:
            time.sleep(2 * SETTLE_S)
        time.sleep(SETTLE_S)
        yield process


def _watches(pid: int) -> bool:
    """Whether process `pid` has the kernel tell it of changed files."""
    with contextlib.suppress(OSError):  # a descriptor that is closed meanwhile
        return any(str(entry.readlink()) == "anon_inode:inotify" for entry in Path(f"/proc/{pid}/fd").iterdir())
    return False


def _cpu_s(pid: int) -> float:
    """The CPU clock of all threads of `pid`: clock_getcpuclockid(3), finer than the ticks of /proc/PID/stat."""
    return time.clock_gettime(~pid << 3 | 2)


def _await(condition: Callable[[], bool], failure: str) -> None:
    """Raise PeerFailedError when `condition` is not met within GRACE_S."""
    deadline = time.monotonic() + GRACE_S
    while not condition():
        if time.monotonic() > deadline:
            raise PeerFailedError(failure)
        time.sleep(0.01)
