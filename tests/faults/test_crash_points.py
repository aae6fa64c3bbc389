"""SIGKILL before every single call that changes the directory, then a restart: nothing torn, doubled or missing.

Per call the N-th is struck, N = 1, 2, ... until a run survives, so every point of a run is met, however many there are.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from faults.inject import Stream, Trace, run_in, strace
from support.backend import Backend, Peer, Reply, Request
from support.daemon import Daemon, Site
from support.ledger import Ledger
from support.lines import after_stamps
from support.watching import changed_until, file_matches

NAMING = ("openat", "write", "rename", "unlink")
SYNCING = (*NAMING, "fsync", "fdatasync")
AT_ONCE = 3
MOST = 80
"""Far above what any call is made in one run: an upper bound of the enumeration, not its end."""

OLD = b'{"ts":"2026-01-01T00:00:00.000Z","unix_ts":1767225600.000,"old":%d}\n'
OLD_LINES = b"".join(OLD % n for n in range(3))
FRAGMENT = b'{"ts":"2026-01-01T00:00:00.000Z","unix_ts":17672'


@dataclass(frozen=True)
class Scenario:
    """How a run starts and what happens in it, and before which calls it is struck."""

    calls: tuple[str, ...]
    before: bytes = b""
    args: tuple[str, ...] = ()
    rotates: bool = False
    stale: bool = False
    """A killed daemon has left its id, its pid and its state."""


SCENARIOS = {
    "clean": Scenario((*SYNCING, "flock", "fchmod")),
    "torn": Scenario((*SYNCING, "ftruncate"), before=OLD_LINES + FRAGMENT),
    "clear": Scenario((*SYNCING, "ftruncate"), before=OLD_LINES, args=("--clear",)),
    "rotated": Scenario(SYNCING, rotates=True),
    "after a kill": Scenario(NAMING, before=OLD_LINES, stale=True),
    "rotating by size": Scenario(NAMING, args=("--rotate-size", "250")),
}


@dataclass
class Point:
    """One run that is struck, and its restart."""

    site: Site
    scenario: Scenario
    call: str
    number: int
    seen: int = 0
    """Events that were found in the file before the process died."""
    left: int = 0
    """Events that were in the file when it had died."""
    stream: Stream = field(init=False)
    trace: Trace = field(init=False)

    def __post_init__(self) -> None:
        self.stream = Stream(self.site)
        self.trace = Trace(self.site.home / "trace")

    @property
    def rotated(self) -> Path:
        """Where the rotation puts the file."""
        return self.site.directory / "videodb_events.1.jsonl"

    def paths(self) -> list[Path]:
        """Return every path whose calls are struck: the directory and whatever the daemon makes in it."""
        files = self.site.files
        replaced = [files.ws_id, files.pid, files.state]
        temporary = [path.with_name(f"{path.name}.tmp") for path in replaced]
        return [files.directory, files.events, files.journal, files.lock, *replaced, *temporary, self.rotated]

    def content(self) -> bytes:
        """Return everything that was recorded, the rotated file first."""
        older = sorted(self.site.directory.glob("videodb_events.*.jsonl"))
        content = b""
        for path in (*older, self.site.files.events):
            with contextlib.suppress(FileNotFoundError):  # it is being set aside: the next change shows it again
                content += path.read_bytes()
        return content

    async def struck(self) -> bool:
        """Run until the end or the blow; whether it was struck."""
        self.site.directory.mkdir(mode=0o700)
        if self.scenario.before:
            self.site.files.events.write_bytes(self.scenario.before)
        if self.scenario.stale:
            self.site.files.ws_id.write_bytes(b"stale")
            self.site.files.pid.write_bytes(b"1")
            self.site.files.state.write_bytes(b'{"phase":"connected","ws_id":"stale","pid":1}\n')
            self.site.files.journal.write_bytes(
                b'{"ts":"2026-01-01T00:00:00.000Z","unix_ts":1767225600.0,"event":"lost"}\n'
            )
        prefix = strace(self.trace.path, [f"{self.call}:signal=KILL:when={self.number}"], self.paths())
        args = ("--fsync", "always", "--output", "none", *self.scenario.args)
        async with Backend() as backend:
            self.site.backend = backend
            async with run_in(self.site, prefix, *args) as daemon:
                driving = asyncio.create_task(self._drive(daemon, backend))
                ending = asyncio.create_task(daemon.exit_status())
                await asyncio.wait([driving, ending], return_when=asyncio.FIRST_COMPLETED)
                if ending.done():
                    driving.cancel()
                    with contextlib.suppress(asyncio.CancelledError, AssertionError):
                        await driving  # it may have noticed first that there is nobody to wait for
                else:
                    await driving
                status = await ending
        assert status in {0, -signal.SIGKILL}, f"{self.call} {self.number}: {daemon!r}"
        return status != 0

    async def _drive(self, daemon: Daemon, backend: Backend) -> None:
        await daemon.ws_id()
        peer = await backend.greeted()
        for _ in range(4):
            await self._send(peer)
        if self.scenario.rotates:
            self.site.files.events.rename(self.rotated)
            daemon.signal(signal.SIGHUP)
            await file_matches(self.site.files.events, lambda _: True)
            for _ in range(2):
                await self._send(peer)
        daemon.signal(signal.SIGTERM)
        await daemon.exit_status()

    async def _send(self, peer: Peer) -> None:
        await self.stream.send(peer, 3)
        last = self.stream.sent[-1] + b"\n"
        await changed_until(self.site.files.events, lambda: last[1:] in self.content())
        self.seen = len(self.stream.sent)

    async def restarted(self) -> None:
        """Look at what is left, start again, record one event, stop; look again."""
        where = f"{self.call} {self.number}"
        left = self.content()
        stale = self.site.files.ws_id.exists()
        there: list[bool] = []

        def look(request: Request) -> dict[str, object]:
            there.append(self.site.files.ws_id.exists())
            return {"success": True, "data": {"websocket_url": backend.websocket_url()}}

        async def look_again(peer: Peer) -> None:
            there.append(self.site.files.ws_id.exists())
            await peer.hello()
            await peer.event(b'{"last":1}')

        async with Backend([look_again], [Reply(200, look)]) as backend:
            self.site.backend = backend
            async with self.site.daemon("--output", "none") as daemon:
                assert await daemon.ws_id() == backend.peers[0].id
                await file_matches(self.site.files.events, lambda data: data.endswith(b'{"last":1}\n'[1:]))
                assert self.site.files.pid.read_text() == str(daemon.pid)
                assert await daemon.stop() == 0, where
        assert there == [False, False], f"{where}: an id was there before the connection (stale: {stale})"
        with self.site.files.lock.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._compare(left, where)

    def _compare(self, left: bytes, where: str) -> None:
        after = self.content()
        whole = left[: left.rfind(b"\n") + 1]
        tail = left[len(whole) :]
        assert after.startswith(whole), f"{where}: whole lines were changed"
        assert tail in {b"", FRAGMENT}, f"{where}: torn by the kill: {tail!r}"
        if self.scenario.before.endswith(FRAGMENT):
            torn = [path.read_bytes() for path in self.site.files.torn()]
            assert FRAGMENT in torn, f"{where}: the fragment is gone"
            assert set(torn) <= {FRAGMENT, b""}, where
        old = whole.startswith(OLD_LINES)
        assert old or not self.scenario.before or "--clear" in self.scenario.args, f"{where}: old lines are gone"
        lines = [after_stamps(line) for line in after.splitlines()][3 if old else 0 :]
        self.left = len(lines) - 1
        assert lines[-1] == b'{"last":1}', where
        assert lines[:-1] == self.stream.sent[: self.left], f"{where}: not what was sent, in order"
        assert self.left >= self.seen, f"{where}: {self.seen} were on disk, {self.left} are"
        assert len(self.site.files.journal.read_bytes().splitlines()) == len(self.site.journal()), where


async def enumerated(make: Callable[[int], Point]) -> list[Point]:
    """Strike call number 1, 2, ..., a few at once, until a run survives; return the points that were met."""
    met: list[Point] = []

    async def one(number: int) -> Point | None:
        point = make(number)
        if not await point.struck():
            return None
        await point.restarted()
        return point

    for first in range(1, MOST, AT_ONCE):
        tasks: list[Awaitable[Point | None]] = [one(number) for number in range(first, first + AT_ONCE)]
        points = await asyncio.gather(*tasks)
        met += [point for point in points if point is not None]
        if None in points:
            return met
    raise AssertionError(f"still struck at call {MOST}")


@pytest.mark.usefixtures("needs_strace")
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("name", "call"), [(name, call) for name, scenario in SCENARIOS.items() for call in scenario.calls]
)
async def test_a_kill_before_any_call_leaves_whole_lines_and_a_clean_start(
    tmp_path: Path, ledger: Ledger, name: str, call: str
) -> None:
    scenario = SCENARIOS[name]

    def make(number: int) -> Point:
        home = tmp_path / str(number)
        home.mkdir()
        return Point(Site(home), scenario, call, number)

    met = await enumerated(make)
    ledger.row(
        "32" if name == "torn" else "45",
        f"SIGKILL before each {call}, {name} start",
        sent=sum(point.seen for point in met),
        on_disk=sum(point.left for point in met),
        fired=f"{len(met)} runs ended by SIGKILL, each restarted",
    )
    assert met, f"there is no {call} in this run"
