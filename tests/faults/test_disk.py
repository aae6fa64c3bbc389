"""A disk that is full, slow or broken: lines wait in order, nothing is torn or doubled, and what is lost is said."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import time
from pathlib import Path

import pytest

from faults.inject import QUICK, Stream, Trace, event, grow, read_only, run_in, strace, tmpfs
from support.backend import Backend, Peer, greet
from support.daemon import Site
from support.frames import Op, encode
from support.ledger import Ledger
from support.lines import after_stamps
from support.watching import file_matches

SIZES_K = (32, 48, 64, 76, 100, 128, 200, 260)


def room(place: Path) -> int:
    """Return how many bytes still fit."""
    status = os.statvfs(place)
    return status.f_bavail * status.f_frsize


@pytest.mark.usefixtures("needs_mounts")
@pytest.mark.parametrize("size", SIZES_K)
async def test_a_disk_that_fills_up_and_then_grows_costs_nothing(
    site: Site, backend: Backend, ledger: Ledger, size: int
) -> None:
    """A tmpfs takes what fits, in the middle of a line if it must: a real short write."""
    with tmpfs(site.directory, f"{size}k"):
        stream = Stream(site, size=400 + size)
        async with site.daemon(*QUICK) as daemon:
            await daemon.ws_id()
            peer = await backend.greeted()
            await stream.send(peer, 2000)
            await daemon.stderr_line("No space left")
            full, cut = room(site.directory), site.files.events.read_bytes()
            assert full == 0
            grow(site.directory, "8m")
            await stream.send_and_see(peer, 10)
            assert site.files.ws_id.read_text() == peer.id
            assert await daemon.stop() == 0
        found = stream.on_disk()
        torn = "in the middle of a line" if not cut.endswith(b"\n") else "between two lines"
        ledger.row(
            "31",
            f"a file system of {size} KiB fills up, then grows",
            sent=len(stream.sent),
            on_disk=len(found),
            fired=f"statvfs: 0 bytes free, {len(cut)} bytes written, cut {torn}",
        )
        assert found == stream.sent
        assert site.state()["gaps"] == 0


@pytest.mark.usefixtures("needs_strace")
@pytest.mark.parametrize("when", ["7", "7..12", "1", "1..3"])
@pytest.mark.parametrize("error", ["ENOSPC", "EDQUOT", "EFBIG", "EROFS"])
async def test_a_refused_write_is_tried_again(
    site: Site, backend: Backend, ledger: Ledger, tmp_path: Path, error: str, when: str
) -> None:
    trace = Trace(tmp_path / "trace")
    prefix = strace(trace.path, [f"write:error={error}:when={when}"], [site.files.events])
    stream = Stream(site)
    async with run_in(site, prefix, *QUICK) as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        for _ in range(20):
            await stream.send_and_see(peer, 5)
        assert await daemon.stop() == 0
    refused = trace.injected(error)
    found = stream.on_disk()
    ledger.row(
        "33",
        f"write of the events file: {error}, call {when}",
        sent=len(stream.sent),
        on_disk=len(found),
        fired=f"strace injected {refused} {error}",
    )
    first, _, last = when.partition("..")
    assert refused == int(last or first) - int(first) + 1
    assert found == stream.sent


@pytest.mark.usefixtures("needs_strace")
@pytest.mark.parametrize("error", ["ENOSPC", "EDQUOT"])
async def test_a_stop_while_the_disk_is_full_is_74_with_the_number_of_lines(
    site: Site, backend: Backend, ledger: Ledger, tmp_path: Path, error: str
) -> None:
    trace = Trace(tmp_path / "trace")
    prefix = strace(trace.path, [f"write:error={error}:when=4+"], [site.files.events])
    stream = Stream(site)
    async with run_in(site, prefix, *QUICK) as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        for _ in range(3):
            await stream.send_and_see(peer)
        await stream.send(peer, 37)
        await daemon.stderr_line(str(site.files.events))
        assert await daemon.stop() == 74
        assert "37 lines" in daemon.stderr
    found = stream.on_disk()
    ledger.row(
        "31",
        f"SIGTERM while every write is {error}",
        sent=len(stream.sent),
        on_disk=len(found),
        fired=f"strace injected {trace.injected(error)}; status 74 names the 37 lines",
    )
    assert trace.injected(error) >= 1
    assert found == stream.sent[:3]
    assert not site.files.pid.exists()
    assert not site.files.ws_id.exists()


@pytest.mark.usefixtures("needs_mounts")
async def test_a_stop_with_a_torn_line_on_a_full_disk_is_repaired_by_the_next_start(
    site: Site, backend: Backend, ledger: Ledger
) -> None:
    with tmpfs(site.directory, "64k"):
        stream = Stream(site, size=433)
        async with site.daemon(*QUICK) as daemon:
            await daemon.ws_id()
            await stream.send(await backend.greeted(), 500)
            await daemon.stderr_line("No space left")
            assert room(site.directory) == 0
            assert await daemon.stop() == 74
            said = re.search(r"(\d+) lines", daemon.stderr)
            assert said is not None, daemon.stderr
        left = site.files.events.read_bytes()
        whole = left.count(b"\n")
        grow(site.directory, "1m")
        async with site.daemon(*QUICK) as daemon:
            await daemon.ws_id()
            await (await backend.greeted(1)).event(event(500))
            await site.written(whole + 1)
            assert await daemon.stop() == 0
        found = stream.on_disk()
        torn = site.files.torn()
        ledger.row(
            "31",
            "SIGTERM while a file system of 64 KiB is full, then a start with room",
            sent=len(stream.sent),
            on_disk=whole,
            fired=f"statvfs: 0 bytes free; status 74 names {said[1]} lines; {len(torn)} torn fragment set aside",
        )
        assert found == [*stream.sent[:whole], event(500)]
        assert int(said[1]) == len(stream.sent) - whole
        assert len(torn) == (not left.endswith(b"\n"))


@pytest.mark.usefixtures("needs_strace")
@pytest.mark.parametrize(("call", "what"), [("write", "write"), ("fdatasync", "sync")])
@pytest.mark.parametrize("when", ["3", "3+"])
async def test_an_io_error_is_74_and_names_the_last_good_sync(
    site: Site, backend: Backend, ledger: Ledger, tmp_path: Path, call: str, what: str, when: str
) -> None:
    """One EIO is enough: a later sync that succeeds says nothing about what was dropped before it."""
    trace = Trace(tmp_path / "trace")
    rules = ["write", "fdatasync", f"{call}:error=EIO:when={when}"]
    stream = Stream(site)
    async with run_in(site, strace(trace.path, rules, [site.files.events]), "--fsync", "always", *QUICK) as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        await stream.send(peer)
        count = 1

        def synced() -> int:
            """Return how many syncs have succeeded."""
            return sum("fdatasync" in line and "= 0" in line for line in trace.lines())

        while daemon.running and count < 6:
            await file_matches(trace.path, lambda _, n=count: synced() >= n or trace.injected() > 0)  # type: ignore[misc]
            if trace.injected():
                break
            await stream.send(peer)
            count += 1
        assert await daemon.exit_status() == 74
        said = re.search(rf"{what} of .*: Input/output error.* byte (\d+)", daemon.stderr)
        assert said is not None, daemon.stderr
    offset = int(said[1])
    data = site.files.events.read_bytes()
    ledger.row(
        "eio",
        f"{call} of the events file: EIO, call {when}",
        sent=len(stream.sent),
        on_disk=data.count(b"\n"),
        fired=f"strace injected {trace.injected('EIO')} EIO; status 74 names byte {offset}",
    )
    assert trace.injected("EIO") >= 1
    assert stream.on_disk() == stream.sent[: data.count(b"\n")]
    ends = [len(b"".join(line + b"\n" for line in data.splitlines()[:count])) for count in (1, 2)]
    assert offset in (ends if call == "write" else ends[1:])  # the second sync may be under way when a write fails
    assert not site.files.ws_id.exists()
    assert not site.files.pid.exists()


@pytest.mark.usefixtures("needs_strace")
@pytest.mark.parametrize("error", ["ENOSPC", "EDQUOT", "EIO"])
@pytest.mark.parametrize("when", ["2", "2+"])
async def test_a_sync_that_fails_is_never_followed_by_a_second_opinion(
    site: Site, backend: Backend, ledger: Ledger, tmp_path: Path, error: str, when: str
) -> None:
    """After a failed sync the kernel calls its pages clean: whatever it says next, the lines may be gone."""
    trace = Trace(tmp_path / "trace")
    prefix = strace(trace.path, [f"fdatasync:error={error}:when={when}"], [site.files.events])
    stream = Stream(site)
    async with run_in(site, prefix, "--fsync", "always", *QUICK) as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        await stream.send_and_see(peer)
        await file_matches(trace.path, lambda data: b"= 0" in data)
        await stream.send_and_see(peer)
        status = await daemon.exit_status()
    found = stream.on_disk()
    ledger.row(
        "eio",
        f"fdatasync: {error}, call {when}",
        sent=len(stream.sent),
        on_disk=len(found),
        fired=f"strace injected {trace.injected(error)} {error}; status {status}",
    )
    assert trace.injected(error) == 1
    assert status == 74
    assert found == stream.sent


@pytest.mark.usefixtures("needs_mounts")
async def test_at_the_memory_limit_it_hangs_up_and_comes_back_when_there_is_room(
    site: Site, backend: Backend, ledger: Ledger
) -> None:
    with tmpfs(site.directory, "64k"):
        stream = Stream(site, size=1000)
        async with site.daemon(*QUICK, "--memory-limit", "256K") as daemon:
            await daemon.ws_id()
            peer = await backend.greeted()
            await stream.send(peer, 150)
            await daemon.stderr_line("No space left")
            assert room(site.directory) == 0
            while not peer.gone:
                await stream.send(peer, 20)
                await asyncio.sleep(0)
            await peer.wait_gone()
            assert len(backend.requests) == 1, "it must not connect again while nothing fits"
            grow(site.directory, "4m")
            again = await backend.greeted(1)
            await site.id_published(again.id)
            await again.event({"after": True})
            await site.written(1)
            await file_matches(site.files.events, lambda data: data.endswith(b'"after": true}\n'))
            assert await daemon.stop() == 0
        (lost,) = site.journal("lost")
        found = stream.on_disk()
        kept = len(found) - 1
        ledger.row(
            "31",
            "--memory-limit reached on a full file system, then room",
            sent=len(stream.sent),
            on_disk=kept,
            fired=f"statvfs: 0 bytes free; journal: lost, {lost['reason']!r}; 2 connections",
        )
        assert "disk full" in lost["reason"]
        assert found[:-1] == stream.sent[:kept]
        assert kept * 1000 >= 256 * 1024, "what fits into memory is kept"
        assert len(site.journal("gap")) == 1


@pytest.mark.usefixtures("needs_mounts")
async def test_at_the_memory_limit_it_hangs_up_also_before_the_hello(lone_site: Site, ledger: Ledger) -> None:
    sent = [event(number, 1000) for number in range(400)]

    filled = asyncio.Event()

    async def events_first(peer: Peer) -> None:
        await filled.wait()
        await peer.burst(sent)
        await peer.hello()

    async with Backend([events_first, greet]) as backend:
        lone_site.backend = backend
        with tmpfs(lone_site.directory, "64k"):
            filler = lone_site.directory / "filler"
            async with lone_site.daemon(*QUICK, "--memory-limit", "64K", "--clear") as daemon:
                peer = await backend.peer()
                with contextlib.suppress(OSError):
                    filler.write_bytes(bytes(1 << 20))
                full = room(lone_site.directory)
                filled.set()
                await peer.wait_gone()
                connections = len(backend.upgrades)
                grow(lone_site.directory, "4m")
                await daemon.ws_id()
                assert await daemon.stop() == 0
            found = [after_stamps(line) for line in lone_site.lines()]
    ledger.row(
        "31",
        "--memory-limit reached on a full file system before the hello",
        sent=len(sent),
        on_disk=len(found),
        fired=f"statvfs: {full} bytes free; {connections} connection until there was room",
    )
    assert full == 0
    assert connections == 1
    assert found == sent[: len(found)]
    assert 0 < len(found) < len(sent)


@pytest.mark.usefixtures("needs_mounts")
@pytest.mark.parametrize("cure", ["truncated", "deleted"])
async def test_a_full_disk_that_is_cured_by_removing_the_events_gets_the_torn_line_whole(
    site: Site, backend: Backend, ledger: Ledger, cure: str
) -> None:
    with tmpfs(site.directory, "76k"):
        stream = Stream(site, size=476)
        async with site.daemon(*QUICK) as daemon:
            await daemon.ws_id()
            peer = await backend.greeted()
            await stream.send(peer, 200)
            await daemon.stderr_line("No space left")
            await daemon.stderr_line("cannot write")  # it has looked at the files once more
            cut = site.files.events.read_bytes()
            whole = cut.count(b"\n")
            if cure == "truncated":
                os.truncate(site.files.events, 0)
            else:
                site.files.events.unlink()
            await file_matches(site.files.events, lambda data: stream.sent[-1][1:] in data)
            await stream.send(peer, 10)
            await file_matches(site.files.events, lambda data: stream.sent[-1][1:] in data)
            assert await daemon.stop() == 0
        found = stream.on_disk()
        ledger.row(
            "31",
            f"a full file system whose events file is {cure} in the middle of a line",
            sent=len(stream.sent),
            on_disk=len(found),
            fired=f"{whole} whole lines were {cure}; the last bytes were {cut[-12:]!r}",
        )
        assert not cut.endswith(b"\n")
        assert found == stream.sent[-len(found) :]
        assert len(found) >= len(stream.sent) - whole


@pytest.mark.usefixtures("needs_prlimit")
async def test_a_file_size_limit_is_a_disk_that_is_full(site: Site, backend: Backend, ledger: Ledger) -> None:
    """RLIMIT_FSIZE gives a short write, then SIGXFSZ and EFBIG."""
    site.env["PYTHONDONTWRITEBYTECODE"] = "1"  # else the interpreter caches half of a module
    stream = Stream(site, size=120)
    async with run_in(site, ["prlimit", "--fsize=10000"], *QUICK) as daemon:
        await daemon.ws_id()
        await stream.send(await backend.greeted(), 200)
        await daemon.stderr_line("File too large")
        size = site.files.events.stat().st_size
        assert await daemon.stop() == 74
        said = re.search(r"(\d+) lines", daemon.stderr)
        assert said is not None, daemon.stderr
    whole = site.files.events.read_bytes().count(b"\n")
    ledger.row(
        "fsize",
        "prlimit --fsize=10000",
        sent=200,
        on_disk=whole,
        fired=f"the file stopped at {size} bytes; status 74 names {said[1]} lines",
    )
    assert size == 10_000
    assert int(said[1]) == 200 - whole


@pytest.mark.usefixtures("needs_strace")
async def test_without_descriptors_recording_goes_on(
    site: Site, backend: Backend, ledger: Ledger, tmp_path: Path
) -> None:
    """Opening anything in the directory fails, once it is connected: the events file is open already."""
    trace = Trace(tmp_path / "trace")
    temporary = [Path(f"{path}.tmp") for path in (site.files.state, site.files.ws_id)]
    prefix = strace(trace.path, ["openat:error=EMFILE:when=3+"], [site.files.events, *temporary])
    stream = Stream(site)
    async with run_in(site, prefix, *QUICK) as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        for _ in range(10):
            await stream.send_and_see(peer, 10)
        await daemon.stderr_line("Too many open files")
        assert await daemon.stop() == 0
    found = stream.on_disk()
    ledger.row(
        "34",
        "EMFILE whenever the events, id or state file is opened",
        sent=100,
        on_disk=len(found),
        fired=f"strace injected {trace.injected('EMFILE')} EMFILE",
    )
    assert trace.injected("EMFILE") >= 1
    assert found == stream.sent


def open_files_limit(pid: int) -> int:
    """Return how many descriptors the kernel allows the process."""
    limits = Path(f"/proc/{pid}/limits").read_text()
    (limit,) = [line.split()[3] for line in limits.splitlines() if line.startswith("Max open files")]
    return int(limit)


@pytest.mark.usefixtures("needs_prlimit")
async def test_a_tight_descriptor_limit_is_enough(site: Site, backend: Backend, ledger: Ledger) -> None:
    stream = Stream(site)
    async with run_in(site, ["prlimit", "--nofile=20"], *QUICK) as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        limit = open_files_limit(daemon.pid)
        await stream.send_and_see(peer, 100)
        peer.rst()
        await stream.send_and_see(await backend.greeted(1), 100)
        assert await daemon.stop() == 0
    found = stream.on_disk()
    ledger.row("34", "prlimit --nofile=20", sent=200, on_disk=len(found), fired=f"/proc/PID/limits: {limit}")
    assert limit == 20
    assert found == stream.sent


@pytest.mark.usefixtures("needs_strace")
async def test_a_sync_that_hangs_holds_up_neither_pings_nor_lines_nor_signals(
    site: Site, backend: Backend, ledger: Ledger, tmp_path: Path
) -> None:
    """Every sync of the events file takes 1.5 s; meanwhile pings go out on time and lines come."""
    trace = Trace(tmp_path / "trace")
    prefix = strace(trace.path, ["fdatasync:delay_enter=1500000"], [site.files.events])
    stream = Stream(site)
    args = ("--fsync", "always", "--ping-interval", "100ms", *QUICK)
    async with run_in(site, prefix, *args) as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        await stream.send_and_see(peer, 1)
        began, pings = time.monotonic(), peer.pings
        await stream.send_and_see(peer, 50)
        await peer.until(lambda: peer.pings >= pings + 8, "eight pings during one sync")
        pinged_s = time.monotonic() - began
        daemon.signal(signal.SIGTERM)
        await peer.wait_close()
        closed_s = time.monotonic() - began - pinged_s
        assert await daemon.exit_status() == 0
    found = stream.on_disk()
    ledger.row(
        "slow",
        "each fdatasync takes 1.5 s",
        sent=len(stream.sent),
        on_disk=len(found),
        fired=f"strace delayed {trace.delayed()} calls; 8 pings in {pinged_s:.1f} s, Close {closed_s:.2f} s after TERM",
    )
    assert trace.delayed() >= 1
    assert pinged_s < 1.5
    assert closed_s < 1
    assert found == stream.sent


@pytest.mark.usefixtures("needs_strace")
async def test_a_write_that_hangs_longer_than_a_pong_may_take_costs_nothing_that_came_meanwhile(
    site: Site, backend: Backend, ledger: Ledger, tmp_path: Path
) -> None:
    trace = Trace(tmp_path / "trace")
    prefix = strace(trace.path, ["write:delay_enter=3000000:when=2"], [site.files.events])
    stream = Stream(site, size=250)
    args = ("--ping-interval", "200ms", "--ping-timeout", "1s", *QUICK)
    async with run_in(site, prefix, *args) as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        peer.answers_pings = False
        await stream.send_and_see(peer, 1)
        await peer.until(lambda: peer.pings >= 1, "a ping under way")
        await stream.send_and_see(peer, 3000)
        pings = [frame.payload for frame in peer.received if frame.op is Op.PING]
        await peer.raw(encode(Op.PONG, pings[-1]))
        peer.answers_pings = True
        await stream.send_and_see(peer, 1)
        assert await daemon.stop() == 0
    found = stream.on_disk()
    ledger.row(
        "slow",
        "one write takes 3 s while a pong is due in 1 s",
        sent=len(stream.sent),
        on_disk=len(found),
        fired=f"strace delayed {trace.delayed()} calls",
    )
    assert trace.delayed() >= 1
    assert found == stream.sent
    assert len(backend.peers) == 1


@pytest.mark.usefixtures("needs_mounts")
async def test_a_directory_that_becomes_read_only_stops_the_state_and_not_the_recording(
    site: Site, backend: Backend, ledger: Ledger
) -> None:
    """Through its path nothing can be changed any more; the events file is open, and takes lines."""
    stream = Stream(site)
    async with site.daemon(*QUICK) as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        await stream.send_and_see(peer, 10)
        with read_only(site.directory):
            with pytest.raises(OSError, match="Read-only"):
                (site.directory / "probe").touch()
            await stream.send_and_see(peer, 10)
            await daemon.stderr_line("Read-only file system")
            peer.rst()
            again = await backend.greeted(1)
            await stream.send_and_see(again, 10)
        await stream.send_and_see(again, 10)
        await site.id_published(again.id)
        assert await daemon.stop() == 0
    found = stream.on_disk()
    ledger.row(
        "36",
        "the directory is remounted read-only, a reconnect meanwhile, then writable again",
        sent=len(stream.sent),
        on_disk=len(found),
        fired="a file of ours there: EROFS; the daemon said the same",
    )
    assert found == stream.sent
    assert site.state()["phase"] == "stopped"


def fail(trigger: Path) -> None:
    """Let ext4 meet an error."""
    trigger.write_text("1")


@pytest.mark.usefixtures("needs_mounts")
@pytest.mark.parametrize("fsync", ["never", "always"])
async def test_a_file_system_that_turns_read_only_is_74_and_keeps_what_was_written(
    site: Site, backend: Backend, ledger: Ledger, ext4: Path, fsync: str
) -> None:
    """What ext4 does on its own errors (errors=remount-ro): writes through open descriptors are refused, too."""
    stream = Stream(site)
    async with site.daemon("--fsync", fsync, *QUICK) as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        await stream.send_and_see(peer, 10)
        fail(ext4)
        with pytest.raises(OSError, match="Read-only"):
            (site.directory / "probe").touch()
        await stream.send(peer, 10)
        await daemon.stderr_line("Read-only file system")
        if daemon.running:
            daemon.signal(signal.SIGTERM)
        status = await daemon.exit_status()
    found = stream.on_disk()
    ledger.row(
        "36",
        f"ext4 turns itself read-only after an error of its own, --fsync {fsync}",
        sent=len(stream.sent),
        on_disk=len(found),
        fired=f"a file of ours there: EROFS; status {status}",
    )
    assert found == stream.sent[:10]
    assert status == 74
    # A sync that was still due fails as well, and ends the recording before any stop does.
    assert "10 lines" in daemon.stderr or (fsync == "always" and "last synced up to byte" in daemon.stderr)


OLD = b'{"ts":"2026-01-01T00:00:00.000Z","unix_ts":1767225600.000,"old":1}\n'
FRAGMENT = OLD[:40]


@pytest.mark.usefixtures("needs_strace")
@pytest.mark.parametrize("call", ["ftruncate", "fdatasync"])
@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
async def test_a_disk_that_fails_during_the_repair_costs_nothing(
    site: Site, backend: Backend, ledger: Ledger, tmp_path: Path, call: str, error: str
) -> None:
    """A failure on the way back from a failure: the start is refused, the next one finds everything."""
    site.directory.mkdir(mode=0o700)
    site.files.events.write_bytes(OLD + FRAGMENT)
    trace = Trace(tmp_path / "trace")
    prefix = strace(trace.path, [f"{call}:error={error}"], [site.files.events])
    async with run_in(site, prefix, *QUICK) as daemon:
        refused = await daemon.exit_status()
    requests = len(backend.requests)
    left = site.files.events.read_bytes()
    async with site.daemon(*QUICK) as daemon:
        await daemon.ws_id()
        await (await backend.greeted()).event(event(0))
        await file_matches(site.files.events, lambda data: data.endswith(event(0)[1:] + b"\n"))
        assert await daemon.stop() == 0
    fragments = [path.read_bytes() for path in site.files.torn()]
    ledger.row(
        "32",
        f"{call} fails with {error} while a torn tail is repaired, then a start",
        sent=1,
        on_disk=len(site.lines()) - 1,
        fired=f"strace injected {trace.injected(error)} {error}; status {refused}; {len(fragments)} set aside",
    )
    assert trace.injected(error) == 1
    assert refused == 73
    assert requests == 0
    assert left in {OLD + FRAGMENT, OLD}
    assert FRAGMENT in fragments
    assert site.lines()[0] + b"\n" == OLD
    assert len(site.lines()) == 2


@pytest.mark.usefixtures("needs_strace")
async def test_a_clear_that_fails_destroys_nothing(
    site: Site, backend: Backend, ledger: Ledger, tmp_path: Path
) -> None:
    site.directory.mkdir(mode=0o700)
    site.files.events.write_bytes(OLD)
    trace = Trace(tmp_path / "trace")
    prefix = strace(trace.path, ["ftruncate:error=EIO"], [site.files.events])
    async with run_in(site, prefix, *QUICK, "--clear") as daemon:
        status = await daemon.exit_status()
    left = site.files.events.read_bytes()
    ledger.row(
        "eio",
        "--clear: ftruncate fails with EIO",
        sent=0,
        on_disk=0,
        fired=f"strace injected {trace.injected('EIO')} EIO; status {status}; {left.count(OLD)} old line left",
    )
    assert trace.injected("EIO") == 1
    assert status == 74
    assert left == OLD
    assert "WS_ID" not in daemon.stdout
    assert not site.files.ws_id.exists()
    assert not site.files.pid.exists()


SMALL_FILES = {
    "journal": ("videodb_ws_connections.jsonl", "1..3"),
    "id": ("videodb_ws_id.tmp", "1..2"),
    "state": ("videodb_ws_state.json.tmp", "2..4"),
}


@pytest.mark.usefixtures("needs_strace")
@pytest.mark.parametrize("which", SMALL_FILES)
async def test_a_small_file_that_finds_no_room_comes_later(
    site: Site, backend: Backend, ledger: Ledger, tmp_path: Path, which: str
) -> None:
    """Id, state and journal are retried; the recording takes no notice."""
    name, when = SMALL_FILES[which]
    trace = Trace(tmp_path / "trace")
    prefix = strace(trace.path, [f"write:error=ENOSPC:when={when}"], [site.directory / name])
    stream = Stream(site)
    async with run_in(site, prefix, *QUICK) as daemon:
        peer = await backend.greeted()
        await daemon.stderr_line("cannot write")
        await stream.send_and_see(peer, 10)
        await site.id_published(peer.id)
        await file_matches(site.files.state, lambda _: site.state()["events"] == 10)
        peer.rst()
        again = await backend.greeted(1)
        await site.id_published(again.id)
        await stream.send_and_see(again, 10)
        assert await daemon.stop() == 0
    found = stream.on_disk()
    told = [entry["event"] for entry in site.journal()]
    ledger.row(
        "31",
        f"no room for the {which} file, calls {when}",
        sent=20,
        on_disk=len(found),
        fired=f"strace injected {trace.injected('ENOSPC')} ENOSPC; journal: {', '.join(told)}",
    )
    assert trace.injected("ENOSPC") >= 1
    assert found == stream.sent
    assert site.state()["phase"] == "stopped"
    assert told == ["connected", "lost", "connected", "gap", "stopped"]
