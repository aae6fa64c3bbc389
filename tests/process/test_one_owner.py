"""One directory has one owner, and a crash of the owner leaves nothing that deceives."""

from __future__ import annotations

import pytest

from support.backend import Backend, Peer, Reply, Request, greet
from support.daemon import Site
from support.watching import file_matches


@pytest.mark.parametrize("args", [(), ("--clear",)])
async def test_a_second_listener_leaves_the_first_alone(site: Site, backend: Backend, args: tuple[str, ...]) -> None:
    async with site.daemon() as first:
        connection_id = await first.ws_id()
        peer = await backend.peer()
        await peer.event({"n": 0})
        await site.written(1)

        def untouched() -> dict[str, bytes]:
            return {name: data for name, data in site.contents().items() if "state" not in name}

        before = untouched()
        async with site.daemon(*args) as second:
            assert await second.exit_status() == 75
            assert str(first.pid) in second.stderr
            assert second.stdout == ""
        assert untouched() == before
        assert len(backend.upgrades) == len(backend.requests) == 1
        await peer.event({"n": 1})
        await site.written(2)
        assert site.files.ws_id.read_text() == connection_id
        assert await first.stop() == 0
    assert [record["n"] for record in site.records()] == [0, 1]


async def test_many_at_once_and_one_wins(site: Site, backend: Backend) -> None:
    async with site.daemon() as a, site.daemon() as b, site.daemon() as c:
        await file_matches(site.files.ws_id, bool)
        owner = int(site.files.pid.read_text())
        (winner,) = [daemon for daemon in (a, b, c) if daemon.pid == owner]
        losers = [daemon for daemon in (a, b, c) if daemon is not winner]
        assert [await loser.exit_status() for loser in losers] == [75, 75]
        assert await winner.stop() == 0
    assert len(backend.peers) == 1


async def test_after_kill_9_the_stale_id_is_gone_before_the_next_connection(lone_site: Site) -> None:
    """In a directory whose lock is held, the presence of the id file means ready."""
    there: list[bool] = []

    def at_rest(request: Request) -> dict[str, object]:
        there.append(lone_site.files.ws_id.exists())
        return {"success": False, "message": "once more"}

    async def at_connection(peer: Peer) -> None:
        there.append(lone_site.files.ws_id.exists())
        await peer.hello()

    async with Backend([at_connection]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon() as daemon:
            await daemon.ws_id()
            await daemon.kill()
        stale = lone_site.files.ws_id.read_text()
        assert stale == backend.peers[0].id
        assert lone_site.files.pid.exists()

        backend.rest.append(Reply(200, at_rest))
        async with lone_site.daemon("--min-backoff", "10ms") as daemon:
            fresh = await daemon.ws_id()
            assert fresh == backend.peers[1].id != stale
            assert lone_site.files.pid.read_text() == str(daemon.pid)
            assert await daemon.stop() == 0
    assert there == [False, False, False]


async def test_after_kill_9_everything_written_is_whole(lone_site: Site) -> None:
    async def burst(peer: Peer) -> None:
        await peer.hello()
        await peer.burst(b'{"n":%d,"data":{"text":"%s"}}' % (n, b"x" * 200) for n in range(50_000))

    async with Backend([burst, greet]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon("--output", "none") as daemon:
            await file_matches(lone_site.files.events, lambda data: data.count(b"\n") > 2000)
            await daemon.kill()
        data = lone_site.files.events.read_bytes()
        whole = data.count(b"\n")
        async with lone_site.daemon() as daemon:
            await daemon.ws_id()
            assert await daemon.stop() == 0
    numbers = [record["n"] for record in lone_site.records()[:whole]]
    assert numbers == list(range(whole))


async def test_a_pid_file_of_someone_else_does_not_hinder_a_start(site: Site) -> None:
    site.directory.mkdir(mode=0o700)
    site.files.pid.write_text("1")
    site.files.ws_id.write_text("stale")
    async with site.daemon() as daemon:
        await daemon.ws_id()
        assert site.files.pid.read_text() == str(daemon.pid)
        assert await daemon.stop() == 0
