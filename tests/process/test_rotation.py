"""The events file set aside, moved, deleted, its directory removed: no event is lost, none is doubled."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

from support.backend import Backend, Peer
from support.daemon import Site
from support.lines import after_stamps
from support.watching import changed_until, file_matches, lines_written

EVENTS = 20_000


def event(number: int) -> bytes:
    return b'{"channel":"transcript","n":%d,"data":{"text":"%s"}}' % (number, b"word " * 10)


async def burst(peer: Peer) -> None:
    await peer.hello()
    await peer.burst(map(event, range(EVENTS)))


def generations(site: Site) -> list[Path]:
    return sorted(site.directory.glob("videodb_events.2*.jsonl*"))


def content(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def all_packed(paths: list[Path]) -> bool:
    return all(path.suffix == ".gz" for path in paths)


async def all_taken(site: Site) -> None:
    """Wait until every event was counted: the files themselves come and go while they are rotated."""
    await file_matches(site.files.state, lambda data: json.loads(data)["events"] == EVENTS)


async def test_a_burst_through_many_rotations_is_whole_and_in_order(lone_site: Site) -> None:
    async with Backend([burst]) as backend:
        lone_site.backend = backend
        flags = ("--rotate-size", "200K", "--rotate-keep", "1000", "--rotate-gzip", "--output", "none")
        async with lone_site.daemon(*flags) as daemon:
            await all_taken(lone_site)
            await changed_until(lone_site.files.events, lambda: all_packed(generations(lone_site)[:-1]))
            assert await daemon.stop() == 0
        files = [*generations(lone_site), lone_site.files.events]
        assert len(files) > 5
        data = b"".join(content(path) for path in files)
        assert [after_stamps(line) for line in data.split(b"\n")[:-1]] == backend.peers[0].sent
    assert {mode for name, mode in lone_site.modes().items()} == {0o600}


async def test_only_so_many_generations_are_kept(lone_site: Site) -> None:
    async with Backend([burst]) as backend:
        lone_site.backend = backend
        flags = ("--rotate-size", "100K", "--rotate-keep", "2", "--output", "none")
        async with lone_site.daemon(*flags) as daemon:
            await all_taken(lone_site)
            await changed_until(lone_site.files.events, lambda: len(generations(lone_site)) == 2)
            assert await daemon.stop() == 0
        newest = b"".join(map(content, [*generations(lone_site), lone_site.files.events]))
        lines = [after_stamps(line) for line in newest.split(b"\n")[:-1]]
        assert lines == backend.peers[0].sent[-len(lines) :]


async def test_a_file_that_was_moved_without_a_signal_is_noticed(site: Site, backend: Backend) -> None:
    moved = site.directory / "moved"
    async with site.daemon() as daemon:
        await daemon.ws_id()
        peer = await backend.peer()
        await peer.event({"n": 0})
        await site.written(1)
        site.files.events.rename(moved)
        await lines_written(site.files.events, 0)
        await peer.event({"n": 1})
        assert [record["n"] for record in await site.written(1)] == [1]
        assert await daemon.stop() == 0
    assert moved.read_bytes().count(b"\n") == 1


async def test_a_deleted_file_is_made_anew_with_what_nobody_else_has(site: Site, backend: Backend) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        peer = await backend.peer()
        await peer.event({"n": 0})
        await site.written(1)
        await file_matches(site.files.state, lambda data: b'"events":1' in data)  # a tick has seen the file
        site.files.events.unlink()
        await peer.event({"n": 1})
        await lines_written(site.files.events, 1)
        await peer.event({"n": 2})
        records = await site.written(2)
        assert [record["n"] for record in records][-2:] == [1, 2]
        assert await daemon.stop() == 0


async def test_a_removed_directory_is_made_anew_with_every_file_and_the_lock(site: Site, backend: Backend) -> None:
    async with site.daemon() as daemon:
        connection_id = await daemon.ws_id()
        with daemon.frozen():
            shutil.rmtree(site.directory)
        await site.id_published(connection_id)
        await file_matches(site.files.pid, lambda data: data == str(daemon.pid).encode())
        second = await site.run("run")
        assert second.status == 75
        await (await backend.peer()).event({"n": 1})
        assert (await site.written(1))[-1]["n"] == 1
        assert site.modes()["videodb_ws.lock"] == 0o600
        assert site.directory.stat().st_mode & 0o777 == 0o700
        assert await daemon.stop() == 0
    assert site.state()["phase"] == "stopped"
