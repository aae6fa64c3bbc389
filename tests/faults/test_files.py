"""The directory and its files are taken away, moved, made read-only or planted by others."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from faults.inject import QUICK, Stream, event, read_only, run_in
from support.backend import Backend
from support.daemon import Daemon, Site
from support.ledger import Ledger
from support.watching import file_gone, file_matches, lines_written

NOBODY = 65534


async def reopened(path: Path, old: int) -> None:
    """Wait until `path` names another file than the one with this inode number."""

    def renewed(_: bytes) -> bool:
        return path.stat().st_ino != old

    await file_matches(path, renewed)


@pytest.mark.usefixtures("needs_mounts")
async def test_a_read_only_directory_is_73_before_any_connection(site: Site, backend: Backend, ledger: Ledger) -> None:
    site.directory.mkdir(mode=0o700)
    with read_only(site.directory):
        async with site.daemon(*QUICK) as daemon:
            status = await daemon.exit_status()
        with pytest.raises(OSError, match="Read-only") as refused:
            (site.directory / "probe").touch()
    ledger.row(
        "35",
        "the directory is on a read-only mount at the start",
        sent=0,
        on_disk=0,
        fired=f"a file of ours there: {refused.value.strerror}; {len(backend.requests)} requests; status {status}",
    )
    assert status == 73
    assert backend.requests == backend.upgrades == []
    assert "Read-only file system" in daemon.stderr
    assert daemon.stdout == ""


@pytest.mark.usefixtures("needs_mounts")
async def test_a_full_directory_is_73_before_any_connection(
    site: Site, backend: Backend, ledger: Ledger, full_disk: Callable[[Path], None]
) -> None:
    full_disk(site.directory)
    async with site.daemon(*QUICK) as daemon:
        status = await daemon.exit_status()
    ledger.row(
        "35",
        "no room for the pid file at the start",
        sent=0,
        on_disk=0,
        fired=f"statvfs: 0 bytes free; {len(backend.requests)} requests; status {status}",
    )
    assert status == 73
    assert backend.requests == []
    assert "No space left" in daemon.stderr


def ends_with(event: bytes) -> Callable[[bytes], bool]:
    return lambda data: data.endswith(event[1:] + b"\n")


async def test_a_directory_that_is_removed_is_made_again(site: Site, backend: Backend, ledger: Ledger) -> None:
    """What was sent since is there, what was noticed too late included; what was removed is gone."""
    stream = Stream(site)
    async with site.daemon(*QUICK) as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        await stream.send_and_see(peer, 20)
        shutil.rmtree(site.directory)
        gone = not site.directory.exists()
        await stream.send(peer, 20)
        await file_matches(site.files.events, ends_with(stream.sent[-1]))
        mode = site.directory.stat().st_mode & 0o7777
        await site.id_published(peer.id)
        peer.rst()
        again = await backend.greeted(1)
        await site.id_published(again.id)
        await stream.send(again, 20)
        await file_matches(site.files.events, ends_with(stream.sent[-1]))
        assert site.files.pid.read_text() == str(daemon.pid)
        assert await daemon.stop() == 0
    found = stream.on_disk()
    ledger.row(
        "37",
        "rm -rf of the directory after 20 of 60 events",
        sent=60,
        on_disk=len(found),
        fired=f"the directory was {'gone' if gone else 'still there'}; the 40 after that are kept",
    )
    assert gone
    assert len(found) >= 40
    assert found == stream.sent[-len(found) :]
    assert mode == 0o700
    assert site.files.events.stat().st_mode & 0o7777 == 0o600
    assert site.state()["phase"] == "stopped"
    assert not site.files.pid.exists()


async def test_a_directory_that_is_made_again_has_one_owner(site: Site, backend: Backend, ledger: Ledger) -> None:
    """The lock went with the directory: who comes second must still be refused."""
    async with site.daemon(*QUICK) as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        shutil.rmtree(site.directory)
        await file_matches(site.files.events, lambda _: True)
        await file_matches(site.files.lock, lambda _: True)
        async with site.daemon(*QUICK) as second:
            status = await second.exit_status()
        await peer.event(event(0))
        await lines_written(site.files.events, 1)
        ledger.row(
            "37",
            "rm -rf of the directory, then a second listener",
            sent=1,
            on_disk=len(site.lines()),
            fired=f"the directory was new; the second: status {status}",
        )
        assert status == 75
        assert await daemon.stop() == 0
    assert len(backend.upgrades) == 1


def holds_a_deleted_file(pid: int) -> bool:
    """Whether the process has a file open that has no name any more."""
    return any("(deleted)" in str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir())


@pytest.mark.parametrize("signalled", [True, False], ids=["SIGHUP", "noticed"])
async def test_an_events_file_that_is_removed_is_made_again(
    site: Site, backend: Backend, ledger: Ledger, signalled: bool
) -> None:
    stream = Stream(site)
    async with site.daemon(*QUICK) as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        await stream.send_and_see(peer, 20)
        site.files.events.unlink()
        await stream.send(peer, 20)
        deleted = holds_a_deleted_file(daemon.pid)
        if signalled:
            daemon.signal(signal.SIGHUP)
        await file_matches(site.files.events, ends_with(stream.sent[-1]))
        await stream.send(peer, 20)
        await file_matches(site.files.events, ends_with(stream.sent[-1]))
        assert await daemon.stop() == 0
    found = stream.on_disk()
    ledger.row(
        "37",
        f"rm of the events file after 20 of 60 events, {'SIGHUP' if signalled else 'no signal'}",
        sent=60,
        on_disk=len(found),
        fired=f"/proc/PID/fd {'named' if deleted else 'did not name'} it as deleted; the 40 after that are kept",
    )
    assert deleted
    assert len(found) >= 40
    assert found == stream.sent[-len(found) :]
    assert site.files.events.stat().st_mode & 0o7777 == 0o600


def logrotate_config(site: Site, how: str) -> Path:
    config = site.home / "logrotate.conf"
    config.write_text(f'"{site.files.events}" {{\n  size 1\n  rotate 20\n  missingok\n  su root root\n  {how}\n}}\n')
    config.chmod(0o644)
    return config


async def rotate(site: Site, config: Path) -> None:
    rotating = Daemon(site, command=["logrotate", "--force", "--state", str(site.home / "rotation"), str(config)])
    async with rotating:
        assert await rotating.exit_status() == 0, rotating.stderr


def rotated(site: Site) -> list[Path]:
    """Return the rotated files, oldest first, and the live one."""
    older = site.directory.glob(f"{site.files.events.name}.*")
    return [*sorted(older, key=lambda path: -int(path.suffix[1:])), site.files.events]


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("how", ["create 0600 root root", "nocreate"])
@pytest.mark.parametrize("signalled", [True, False], ids=["SIGHUP", "noticed"])
async def test_logrotate_costs_nothing(
    site: Site, backend: Backend, ledger: Ledger, tool: Callable[[str, str], str], how: str, signalled: bool
) -> None:
    """Three rotations while events come. Without SIGHUP the daemon notices by itself."""
    tool("logrotate", "logrotate")
    stream = Stream(site)
    config = logrotate_config(site, how)
    async with site.daemon(*QUICK) as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        for _ in range(3):
            await stream.send(peer, 50)
            await lines_written(site.files.events, 50)
            inode = site.files.events.stat().st_ino
            await rotate(site, config)
            await stream.send(peer, 50)
            if signalled:
                daemon.signal(signal.SIGHUP)
            if how == "nocreate":
                await reopened(site.files.events, inode)
            await stream.send(peer, 1)
            while not site.files.events.exists() or not site.files.events.stat().st_size:
                await stream.send(peer, 1)
                await asyncio.sleep(0)
            await peer.ping()
            written = sum(path.read_bytes().count(b"\n") for path in rotated(site)[:-1])
            await lines_written(site.files.events, len(stream.sent) - written)
        assert await daemon.stop() == 0
    files = rotated(site)
    found = stream.on_disk(*files)
    ledger.row(
        "38",
        f"logrotate --force, {how.split()[0]}, {'SIGHUP' if signalled else 'no signal'}",
        sent=len(stream.sent),
        on_disk=len(found),
        fired=f"{len(files) - 1} rotated files",
    )
    assert len(files) == 4
    assert found == stream.sent


@pytest.mark.usefixtures("root")
async def test_copytruncate_leaves_whole_lines_without_holes(
    site: Site, backend: Backend, ledger: Ledger, tool: Callable[[str, str], str]
) -> None:
    """What is written between the copy and the cut is lost, as logrotate says; nothing else is."""
    tool("logrotate", "logrotate")
    stream = Stream(site)
    config = logrotate_config(site, "copytruncate")
    async with site.daemon(*QUICK) as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        inode = 0
        for number in range(6):
            await stream.send(peer, 200)
            await file_matches(site.files.events, lambda data: data.endswith(stream.sent[-1][1:] + b"\n"))
            inode = inode or site.files.events.stat().st_ino
            rotating = asyncio.create_task(rotate(site, config))
            while not rotating.done():
                await stream.send(peer, 5)
                await asyncio.sleep(0)
            await rotating
            await stream.send(peer)
            last = stream.sent[-1]
            await file_matches(site.files.events, lambda data, last=last: data.endswith(last[1:] + b"\n"))  # type: ignore[misc]
            assert len(rotated(site)) == number + 2
        assert site.files.events.stat().st_ino == inode
        assert await daemon.stop() == 0
    files = rotated(site)
    data = b"".join(path.read_bytes() for path in files)
    numbers = [int(line.split(b'"n":')[1].split(b",")[0]) for line in data.splitlines() if b'"n":' in line]
    ledger.row(
        "39",
        "logrotate --force with copytruncate while events come, 6 times",
        sent=len(stream.sent),
        on_disk=len(numbers),
        fired=f"{len(files) - 1} copies, the inode stayed; {len(stream.sent) - len(set(numbers))} lost by logrotate",
    )
    assert b"\0" not in data, "a file that was cut must go on at its beginning"
    assert numbers == sorted(set(numbers)), "doubled or out of order"
    assert len(numbers) == data.count(b"\n")


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def plant(trap: Callable[[], object]) -> int:
    """Do something as nobody, in a child process; return its status."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            trap()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


NAMES = (
    "videodb_events.jsonl",
    "videodb_ws_id",
    "videodb_ws_id.tmp",
    "videodb_ws_pid",
    "videodb_ws_pid.tmp",
    "videodb_ws_state.json",
    "videodb_ws_state.json.tmp",
    "videodb_ws_connections.jsonl",
    "videodb_ws.lock",
)


@pytest.fixture
def shared_place(site: Site, root: None) -> Path:
    """A directory like /tmp, which nobody can reach."""
    for part in (site.home, *site.home.parents):
        if not part.stat().st_mode & stat.S_IXOTH and part.owner() == "root":
            part.chmod(part.stat().st_mode | stat.S_IXOTH)
    site.directory.mkdir()
    site.directory.chmod(0o1777)
    return site.directory


@pytest.mark.parametrize("name", NAMES)
async def test_a_symlink_planted_by_someone_else_is_never_followed(
    site: Site, backend: Backend, ledger: Ledger, shared_place: Path, name: str
) -> None:
    victim = site.home / "victim"
    victim.write_bytes(b"precious\n")
    victim.chmod(0o640)
    trap = shared_place / name
    assert plant(lambda: trap.symlink_to(victim)) == 0
    owner = trap.lstat().st_uid
    async with site.daemon(*QUICK) as daemon:
        if name.endswith(".tmp"):
            await daemon.ws_id()  # a name that is only passed through: what was planted there is taken away
            await (await backend.greeted()).event(event(0))
            await site.written(1)
            status = await daemon.stop()
        else:
            status = await daemon.exit_status()
    untouched = (victim.read_bytes(), mode_of(victim)) == (b"precious\n", 0o640)
    ledger.row(
        "47",
        f"a symlink in place of {name} in a 1777 directory",
        sent=len(backend.peers),
        on_disk=len(site.lines()) if status == 0 else 0,
        fired=f"the link belongs to uid {owner}; status {status}; the file it names {'un' * untouched}touched",
    )
    assert owner == NOBODY
    assert untouched
    assert mode_of(shared_place) == 0o1777
    assert status == (0 if name.endswith(".tmp") else 73)
    if status:
        assert backend.requests == []


@pytest.mark.parametrize("name", ["videodb_events.jsonl", "videodb_ws_connections.jsonl", "videodb_ws.lock"])
async def test_a_file_of_someone_else_is_never_written_to(
    site: Site, backend: Backend, ledger: Ledger, shared_place: Path, name: str
) -> None:
    trap = shared_place / name
    assert plant(lambda: trap.write_bytes(b"theirs\n")) == 0
    async with site.daemon(*QUICK) as daemon:
        status = await daemon.exit_status()
    ledger.row(
        "47",
        f"someone else's {name} in a 1777 directory",
        sent=0,
        on_disk=0,
        fired=f"the file belongs to uid {trap.stat().st_uid}; status {status}",
    )
    assert status == 73
    assert trap.read_bytes() == b"theirs\n"
    assert trap.stat().st_uid == NOBODY
    assert backend.requests == []


@pytest.mark.parametrize("name", ["videodb_events.jsonl", "videodb_ws_id", "videodb_ws_pid", "videodb_ws.lock"])
async def test_a_fifo_in_place_of_a_file_is_73_at_once(site: Site, backend: Backend, ledger: Ledger, name: str) -> None:
    site.directory.mkdir(mode=0o700)
    os.mkfifo(site.directory / name)
    async with site.daemon(*QUICK) as daemon:
        status = await daemon.exit_status()
    fifo = stat.S_ISFIFO((site.directory / name).stat().st_mode)
    ledger.row(
        "48",
        f"a FIFO in place of {name}",
        sent=0,
        on_disk=0,
        fired=f"it {'is' if fifo else 'was'} a FIFO; status {status}, {len(backend.requests)} requests",
    )
    assert fifo
    assert status == 73
    assert name in daemon.stderr
    assert backend.requests == []


async def test_umask_000_still_gives_private_files(site: Site, backend: Backend, ledger: Ledger) -> None:
    """Through a reconnect and a rotation, too; the umask is proven by a file of another program."""
    probe = site.home / "probe"
    stream = Stream(site)
    prefix = ["sh", "-c", f'touch "{probe}"; exec "$@"', "sh"]
    async with run_in(site, prefix, *QUICK, umask=0) as daemon:
        await daemon.ws_id()
        await stream.send_and_see(await backend.greeted(), 5)
        moved = site.directory / "moved"
        site.files.events.rename(moved)
        daemon.signal(signal.SIGHUP)
        await file_matches(site.files.events, lambda _: True)
        (await backend.peer()).rst()
        await site.id_published((await backend.greeted(1)).id)
        modes = site.modes()
        assert await daemon.stop() == 0
    found = stream.on_disk(moved)
    ledger.row(
        "52",
        "umask 000, a reconnect and a rotation",
        sent=5,
        on_disk=len(found),
        fired=f"another program's file got mode {mode_of(probe):o}, ours {', '.join(map(oct, set(modes.values())))}",
    )
    assert probe.stat().st_mode & 0o777 == 0o666
    assert set(modes.values()) == {0o600}
    assert site.directory.stat().st_mode & 0o7777 == 0o700
    assert found == stream.sent


async def test_an_id_file_that_someone_removed_is_no_reason_to_stop(
    site: Site, backend: Backend, ledger: Ledger
) -> None:
    stream = Stream(site)
    async with site.daemon(*QUICK) as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        for path in (site.files.ws_id, site.files.pid, site.files.state, site.files.journal):
            path.unlink()
        await file_gone(site.files.journal)
        await stream.send_and_see(peer, 10)
        peer.rst()
        again = await backend.greeted(1)
        await site.id_published(again.id)
        await stream.send_and_see(again, 10)
        assert await daemon.stop() == 0
    ledger.row(
        "37", "rm of id, pid, state and journal", sent=20, on_disk=len(site.lines()), fired="the names were gone"
    )
    assert stream.on_disk() == stream.sent
    assert site.state()["phase"] == "stopped"


@pytest.fixture
def full_disk() -> Callable[[Path], None]:
    """Mount a tmpfs without a free byte; it goes with the mount namespace."""

    def fill(place: Path) -> None:
        place.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k,mode=0700", "tmpfs", str(place)], check=True)
        with (place / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 4096)
        assert os.statvfs(place).f_bavail == 0

    return fill
