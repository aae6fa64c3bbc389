"""A directory that is taken from a running daemon: nothing of a successor is touched, and what is lost is said."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from support.backend import Backend
from support.daemon import Site


async def test_the_files_of_a_successor_are_left_alone(site: Site) -> None:
    async with site.daemon() as first:
        await first.ws_id()
        async with contextlib.AsyncExitStack() as stack:
            with first.frozen():  # it must not notice before the other has begun
                shutil.rmtree(site.directory)
                second = await stack.enter_async_context(site.daemon())
                connection_id = await second.ws_id()
            assert await first.exit_status() == 75
            assert str(second.pid) in first.stderr
            assert site.files.ws_id.read_text() == connection_id
            assert site.files.pid.read_text() == str(second.pid)
            assert (site.state()["phase"], site.state()["pid"]) == ("connected", second.pid)
            assert [record["event"] for record in site.journal()] == ["connected"]
            assert (await site.run("stop")).status == 0
            assert await second.exit_status() == 0


async def test_the_events_of_a_successor_are_not_rotated_or_added_to(site: Site, backend: Backend) -> None:
    async with site.daemon("--rotate-size", "1K") as first:
        await first.ws_id()
        async with contextlib.AsyncExitStack() as stack:
            with first.frozen():
                shutil.rmtree(site.directory)
                second = await stack.enter_async_context(site.daemon())
                await second.ws_id()
                for peer in (await backend.greeted(0), await backend.greeted(1)):
                    for number in range(50):
                        await peer.event({"to": peer.id, "n": number, "text": "x" * 50})
                await site.written(50)
            assert await first.exit_status() == 75
            assert {record["to"] for record in site.records()} == {(await backend.peer(1)).id}
            assert len(site.records()) == 50
            assert await second.stop() == 0
    assert [path.name for path in site.directory.glob("videodb_events.2*")] == []


async def test_a_file_in_place_of_the_directory_is_waited_out(site: Site, backend: Backend) -> None:
    async with site.daemon() as daemon:
        connection_id = await daemon.ws_id()
        peer = await backend.greeted()
        with daemon.frozen():
            shutil.rmtree(site.directory)
            site.directory.touch()
        await daemon.stderr_line("cannot be made anew")
        await peer.event({"n": 0})
        site.directory.unlink()
        await site.id_published(connection_id)
        await peer.event({"n": 1})
        assert [record["n"] for record in await site.written(2)] == [0, 1]
        assert await daemon.stop() == 0
    assert daemon.stderr.count("cannot be made anew") == 1


async def test_a_directory_that_cannot_be_made_anew_is_74_when_lines_went_with_it(site: Site, backend: Backend) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        with daemon.frozen():
            shutil.rmtree(site.directory)
            site.directory.symlink_to(Path("/nonexistent/nowhere"))
        await daemon.stderr_line("cannot be made anew")
        await peer.event({"n": 0})
        assert await daemon.stop() == 74
        assert "was deleted and could not be made anew" in daemon.stderr


async def test_a_file_deleted_just_before_a_stop_is_made_anew_with_what_came_since(
    site: Site, backend: Backend
) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        site.files.events.unlink()
        for number in range(50):
            await peer.event({"n": number})
        assert await daemon.stop() == 0
    assert [record["n"] for record in site.records()] == list(range(50))


async def test_a_directory_removed_just_before_a_stop_is_made_anew_with_what_came_since(
    site: Site, backend: Backend
) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        with daemon.frozen():
            shutil.rmtree(site.directory)
        for number in range(50):
            await peer.event({"n": number})
        assert await daemon.stop() == 0
    assert [record["n"] for record in site.records()] == list(range(50))
    assert site.state()["phase"] == "stopped"
    assert not site.files.pid.exists()
