"""Small helpers around the real injectors: strace, mounts, prlimit, libfaketime. Each says how to see that it bit."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from support.backend import Peer
from support.daemon import Daemon, Site, command_of
from support.lines import after_stamps
from support.watching import lines_written

QUICK = ("--min-backoff", "10ms", "--output", "none")


def event(number: int, size: int = 0) -> bytes:
    """Return an event that says which one it is, filled up to `size` bytes."""
    head = b'{"channel":"transcript","n":%d,"data":{"text":"' % number
    return head + b"x" * max(0, size - len(head) - 3) + b'"}}'


@dataclass
class Stream:
    """Numbered events of one test: sends them in order over whatever connection there is, and looks for them."""

    site: Site
    size: int = 0
    sent: list[bytes] = field(default_factory=list)

    async def send(self, peer: Peer, count: int = 1) -> None:
        """Send the next `count` events."""
        events = [event(len(self.sent) + n, self.size) for n in range(count)]
        self.sent += events
        await peer.burst(events)

    async def send_and_see(self, peer: Peer, count: int = 1) -> None:
        """Send the next `count` events and wait until every event so far is a line."""
        await self.send(peer, count)
        await lines_written(self.site.files.events, len(self.sent))

    def on_disk(self, *files: Path) -> list[bytes]:
        """Return the events in these files (the events file unless named), which must consist of whole lines."""
        found = []
        for path in files or (self.site.files.events,):
            data = path.read_bytes()
            assert not data or data.endswith(b"\n"), f"torn tail in {path.name}: {data[-80:]!r}"
            found += [after_stamps(line) for line in data.splitlines()]
        return found


def run_in(site: Site, prefix: Iterable[str], *args: str, **how: object) -> Daemon:
    """Return a daemon that another program starts, by replacing itself with it or tracing it."""
    command = [*prefix, *command_of("run"), "--dir", str(site.directory), *args]
    return Daemon(site, command=command, **how)  # type: ignore[arg-type]


# -- strace --


@dataclass(frozen=True)
class Trace:
    """What strace wrote down."""

    path: Path

    def lines(self) -> list[str]:
        """Return what was traced: a call a line, or two when another thread came in between."""
        return self.path.read_text(errors="replace").splitlines() if self.path.exists() else []

    def injected(self, what: str = "") -> int:
        """Count the calls that were tampered with, of those that have `what` in their line."""
        return sum("(INJECTED)" in line and what in line for line in self.lines())

    def delayed(self) -> int:
        """Count the calls that were held up."""
        return sum("(DELAYED)" in line for line in self.lines())


def strace(log: Path, injections: Iterable[str], paths: Iterable[Path] = ()) -> list[str]:
    """Return the prefix of a command that runs it with these faults, in calls on these paths only (on any if none).

    -D: strace is the grandchild, so the process that we start, signal and wait for is the product itself.
    """
    rules = list(injections)
    calls = ",".join(dict.fromkeys(call for rule in rules for call in rule.split(":")[0].split(",")))
    places = [word for path in paths for word in ("-P", str(path))]
    return [
        *("strace", "-D", "-f", "-qq", "-y", "-o", str(log), "-e", "signal=none", *places, "-e", f"trace={calls}"),
        *(word for rule in rules if ":" in rule for word in ("-e", f"inject={rule}")),
    ]


# -- file systems --


def mount(*words: str) -> None:
    """Run mount(8), in a mount namespace that is ours."""
    subprocess.run(["mount", *words], check=True, capture_output=True, text=True)


@contextmanager
def tmpfs(place: Path, size: str) -> Iterator[Path]:
    """A real file system of this size, mode 0700, at `place`."""
    place.mkdir(exist_ok=True)
    mount("-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(place))
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True, capture_output=True)


def grow(place: Path, size: str) -> None:
    """Give a tmpfs room."""
    mount("-o", f"remount,size={size}", str(place))


@contextmanager
def read_only(place: Path) -> Iterator[None]:
    """Nothing below `place` can be changed through its path, not even by root; descriptors that are open still can."""
    mount("--bind", str(place), str(place))
    try:
        mount("-o", "remount,bind,ro", str(place))
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True, capture_output=True)
