"""File systems that lack a call, or give no answer that means anything: gone on with where nothing depends on it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from faults.inject import QUICK, Stream, Trace, run_in, strace
from support.backend import Backend
from support.daemon import Site
from support.ledger import Ledger

pytestmark = pytest.mark.usefixtures("needs_strace")

LACKING = {
    "fsync of a directory": ("fsync:error=EINVAL", "sync a directory"),
    "fdatasync": ("fdatasync:error=EOPNOTSUPP", "sync a file"),
    "fchmod": ("fchmod:error=EPERM", "set permissions"),
}


@pytest.mark.parametrize("call", LACKING)
async def test_what_a_file_system_lacks_is_said_once_and_gone_on_without(
    site: Site, backend: Backend, ledger: Ledger, tmp_path: Path, call: str
) -> None:
    rule, said = LACKING[call]
    trace = Trace(tmp_path / "trace")
    stream = Stream(site)
    async with run_in(site, strace(trace.path, [rule]), "--fsync", "always", *QUICK) as daemon:
        await daemon.ws_id()
        for _ in range(5):
            await stream.send_and_see(await backend.greeted(), 3)
        assert await daemon.stop() == 0
    found = stream.on_disk()
    ledger.row(
        "lacking", call, sent=len(stream.sent), on_disk=len(found), fired=f"strace injected {trace.injected()} errors"
    )
    assert trace.injected() >= 1
    assert found == stream.sent
    assert daemon.stderr.count(said) == 1


@pytest.mark.parametrize("error", ["ENOLCK", "ENOSYS", "EOPNOTSUPP"])
async def test_without_a_lock_it_refuses_and_says_why(
    site: Site, backend: Backend, ledger: Ledger, tmp_path: Path, error: str
) -> None:
    trace = Trace(tmp_path / "trace")
    async with run_in(site, strace(trace.path, [f"flock:error={error}"]), *QUICK) as daemon:
        status = await daemon.exit_status()
    ledger.row("lacking", f"flock: {error}", sent=0, on_disk=0, fired=f"strace injected {trace.injected()}")
    assert trace.injected() >= 1
    assert status == 73
    assert "cannot be locked" in daemon.stderr
    assert "flock" in daemon.stderr
    assert backend.requests == []


@pytest.mark.parametrize("when", [12, 13])  # a look takes two calls: of the file that is open, and of the name
async def test_a_handle_that_went_stale_is_no_bug_of_ours(
    site: Site, backend: Backend, ledger: Ledger, tmp_path: Path, when: int
) -> None:
    """What another machine deletes on a shared file system: fstat(2) of the open file gives ESTALE."""
    trace = Trace(tmp_path / "trace")
    stream = Stream(site)
    calls = "fstat,newfstatat"
    prefix = strace(trace.path, [f"{calls}:error=ESTALE:when={when}"], [site.files.events])
    async with run_in(site, prefix, *QUICK) as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        await daemon.stderr_line("opening it anew")
        await stream.send_and_see(peer, 5)
        assert await daemon.stop() == 0
    found = stream.on_disk()
    ledger.row(
        "lacking",
        f"fstat of the events file: ESTALE, call {when}",
        sent=len(stream.sent),
        on_disk=len(found),
        fired=f"strace injected {trace.injected('ESTALE')}",
    )
    assert trace.injected("ESTALE") >= 1
    assert found == stream.sent


@pytest.mark.parametrize("which", ["events", "journal"])
async def test_a_write_that_takes_nothing_for_ever_is_no_loop(
    site: Site, backend: Backend, ledger: Ledger, tmp_path: Path, which: str
) -> None:
    trace = Trace(tmp_path / "trace")
    path = getattr(site.files, which)
    async with run_in(site, strace(trace.path, ["write:retval=0"], [path]), *QUICK) as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        await peer.event(b'{"n":1}')
        await daemon.stderr_line("nothing was written")
        await peer.ping(b"alive?")
        await peer.until(lambda: any(frame.payload == b"alive?" for frame in peer.received), "a pong")
        daemon.signal(signal.SIGTERM)
        status = await daemon.exit_status()
    calls = trace.injected()
    ledger.row("lacking", f"write(2) of the {which} gives 0", sent=1, on_disk=0, fired=f"strace injected {calls}")
    assert 1 <= calls <= 30
    assert status == (74 if which == "events" else 0)


async def test_the_name_of_every_new_file_reaches_the_disk(
    site: Site, backend: Backend, ledger: Ledger, tmp_path: Path
) -> None:
    """Of the directories that were missing, and of the events file whenever it is made anew."""
    site.directory = site.home / "a" / "b"
    trace = Trace(tmp_path / "trace")
    stream = Stream(site)

    def syncs_of(directory: Path) -> int:
        return sum(f"<{directory}>)" in line and "fsync(" in line for line in trace.lines())

    async with run_in(site, strace(trace.path, ["fsync"]), "--fsync", "always", *QUICK) as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        await stream.send_and_see(peer, 1)
        parents = [syncs_of(site.home), syncs_of(site.directory.parent)]
        for how in ("SIGHUP", "moved", "deleted"):
            if how == "deleted":
                site.files.events.unlink()
            else:
                site.files.events.rename(site.directory / how)
            if how == "SIGHUP":
                daemon.signal(signal.SIGHUP)
            await daemon.stderr_line("opening the files" if how == "SIGHUP" else "opening it anew")
            await peer.event(b'{"how":"%b"}' % how.encode())
            await site.written(1)
        assert await daemon.stop() == 0
    synced = syncs_of(site.directory)
    ledger.row(
        "lacking",
        "the events file is made anew three times",
        sent=4,
        on_disk=4,
        fired=f"strace saw fsync of the directory: {synced}, of its parents: {parents}",
    )
    assert all(parents)
    assert synced == 1 + 4, "once at the start, and once for each events file"
