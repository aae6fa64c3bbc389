"""What lies in the directory, who may read it, and when it is there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.backend import Backend
from support.daemon import Site

ALWAYS = {
    "videodb_events.jsonl",
    "videodb_ws_state.json",
    "videodb_ws_connections.jsonl",
    "videodb_ws.lock",
}
WHILE_CONNECTED = ALWAYS | {"videodb_ws_id", "videodb_ws_pid"}


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
async def test_names_are_these_and_modes_are_private_whatever_the_umask(
    site: Site, backend: Backend, umask: int
) -> None:
    async with site.daemon(umask=umask) as daemon:
        connection_id = await daemon.ws_id()
        await (await backend.peer()).event({"channel": "transcript"})
        await site.written(1)
        while_connected = site.modes()
        assert set(while_connected) >= WHILE_CONNECTED
        assert set(while_connected.values()) == {0o600}
        assert mode_of(site.directory) == 0o700
        assert site.files.ws_id.read_bytes() == connection_id.encode()
        assert site.files.pid.read_bytes() == b"%d" % daemon.pid
        assert await daemon.stop() == 0
    assert site.modes() == dict.fromkeys(ALWAYS, 0o600)
    assert site.files.lock.read_bytes() == b""


@pytest.mark.parametrize("umask", [0o000, 0o077])
async def test_files_of_a_detached_listener_are_private_too(site: Site, umask: int) -> None:
    assert (await site.run("start", umask=umask)).status == 0
    assert "videodb_ws.log" in site.modes()
    assert set(site.modes().values()) == {0o600}
    assert (await site.run("stop")).status == 0


@pytest.mark.parametrize("mode", [0o700, 0o750, 0o755])
async def test_an_existing_directory_keeps_its_mode(site: Site, mode: int) -> None:
    site.directory.mkdir()
    site.directory.chmod(mode)
    async with site.daemon() as daemon:
        await daemon.ws_id()
        assert await daemon.stop() == 0
    assert mode_of(site.directory) == mode


async def test_an_existing_file_becomes_private_or_stays_private(site: Site, backend: Backend) -> None:
    site.directory.mkdir()
    site.files.events.touch(0o600)
    async with site.daemon(umask=0) as daemon:
        await daemon.ws_id()
        await (await backend.peer()).event({})
        await site.written(1)
        assert await daemon.stop() == 0
    assert mode_of(site.files.events) == 0o600


async def test_a_directory_that_others_can_write_to_works_with_a_warning(site: Site, backend: Backend) -> None:
    site.directory.mkdir()
    site.directory.chmod(0o1777)
    async with site.daemon() as daemon:
        await daemon.ws_id()
        warning = await daemon.stderr_line(str(site.directory))
        assert "writ" in warning
        await (await backend.peer()).event({})
        await site.written(1)
        assert await daemon.stop() == 0
    assert mode_of(site.directory) == 0o1777


def plant(site: Site, name: str) -> Path:
    """Make the directory a shared one, and return where the file of this name would be."""
    site.directory.mkdir()
    site.directory.chmod(0o1777)
    place: Path = getattr(site.files, name)
    return place


PLANTED = ["events", "ws_id", "pid", "state", "journal", "lock"]


@pytest.mark.parametrize("name", PLANTED)
async def test_a_symlink_planted_in_a_shared_directory_is_refused_and_its_target_is_untouched(
    site: Site, backend: Backend, name: str
) -> None:
    planted = plant(site, name)
    victim = site.home / "victim"
    victim.write_bytes(b"precious")
    planted.symlink_to(victim)
    async with site.daemon("--clear") as daemon:
        assert await daemon.exit_status() == 73
        assert str(planted) in daemon.stderr
        assert "Traceback" not in daemon.stderr
        assert daemon.stdout == ""
    assert victim.read_bytes() == b"precious"
    assert planted.is_symlink()
    assert backend.upgrades == []


@pytest.mark.parametrize("name", PLANTED)
async def test_a_fifo_in_a_shared_directory_is_refused_without_hanging(site: Site, name: str) -> None:
    os.mkfifo(plant(site, name))
    async with site.daemon() as daemon:
        assert await daemon.exit_status() == 73
        assert "Traceback" not in daemon.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file someone else's")
@pytest.mark.parametrize("name", PLANTED)
async def test_someone_elses_file_in_a_shared_directory_is_refused(site: Site, name: str) -> None:
    planted = plant(site, name)
    planted.write_bytes(b"theirs")
    os.chown(planted, 65534, 65534)
    async with site.daemon() as daemon:
        assert await daemon.exit_status() == 73
        assert "Traceback" not in daemon.stderr
    assert planted.read_bytes() == b"theirs"


async def test_id_and_state_are_replaced_whole_and_never_rewritten_in_place(site: Site, backend: Backend) -> None:
    async with site.daemon("--min-backoff", "10ms") as daemon:
        await daemon.ws_id()
        with site.files.ws_id.open("rb") as old_id, site.files.state.open("rb") as old_state:
            state = old_state.read()
            (await backend.peer()).rst()
            second = await daemon.ws_id()
            await site.id_published(second)
            old_state.seek(0)
            assert old_id.read() == backend.peers[0].id.encode()
            assert old_state.read() == state
        assert await daemon.stop() == 0
