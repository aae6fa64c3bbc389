"""A line that a crash, or somebody else, left unfinished is mended or set aside before anything is appended."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable

import pytest

from support.backend import Backend
from support.daemon import Site
from support.watching import file_matches

WHOLE = b'{"ts":"2026-01-01T00:00:00.000Z","unix_ts":1767225600.0,"n":0}\n'


async def restarted_on(site: Site, backend: Backend, content: bytes) -> bytes:
    """Start on a file with this content, record one event, stop; return the file."""
    site.directory.mkdir(mode=0o700)
    site.files.events.write_bytes(content)
    async with site.daemon() as daemon:
        await daemon.ws_id()
        await (await backend.peer()).event(b'{"new":1}')
        await file_matches(site.files.events, lambda data: data.endswith(b'"new":1}\n'))
        assert await daemon.stop() == 0
    return site.files.events.read_bytes()


@pytest.mark.parametrize("before", [b"", WHOLE, WHOLE * 2000], ids=["alone", "after a line", "after many"])
async def test_a_line_that_only_lacks_its_newline_is_completed(site: Site, backend: Backend, before: bytes) -> None:
    data = await restarted_on(site, backend, before + WHOLE[:-1])
    assert data.startswith(before + WHOLE)
    assert json.loads(data.splitlines()[-1])["new"] == 1
    assert data.count(b"\n") == before.count(b"\n") + 2
    assert site.files.torn() == []
    assert len(site.journal("repaired")) == 1


FRAGMENTS = {
    "half a line": WHOLE[:40],
    "one byte": b"{",
    "zeros of a power loss": b"\0" * 4096,
    "not UTF-8": b'{"a":"\xff',
    "half a large line": b'{"a":"' + b"x" * 300_000,
}


@pytest.mark.parametrize("fragment", FRAGMENTS)
@pytest.mark.parametrize("before", [b"", WHOLE], ids=["alone", "after a line"])
async def test_a_fragment_is_moved_aside(site: Site, backend: Backend, fragment: str, before: bytes) -> None:
    data = await restarted_on(site, backend, before + FRAGMENTS[fragment])
    assert data.startswith(before)
    assert json.loads(data.removeprefix(before))["new"] == 1
    (torn,) = site.files.torn()
    assert torn.read_bytes().rstrip(b"\n") == FRAGMENTS[fragment]
    assert torn.stat().st_mode & 0o7777 == 0o600
    assert len(site.journal("repaired")) == 1


async def test_a_whole_file_is_not_touched(site: Site, backend: Backend) -> None:
    damaged_earlier = b'{"half\n' + WHOLE
    data = await restarted_on(site, backend, damaged_earlier)
    assert data.startswith(damaged_earlier)
    assert site.files.torn() == []
    assert site.journal("repaired") == []


async def test_a_second_start_has_nothing_left_to_repair(site: Site, backend: Backend) -> None:
    await restarted_on(site, backend, WHOLE + b"{")
    async with site.daemon() as daemon:
        await daemon.ws_id()
        assert await daemon.stop() == 0
    assert len(site.files.torn()) == len(site.journal("repaired")) == 1


async def test_clear_keeps_the_torn_files_and_the_journal(site: Site, backend: Backend) -> None:
    await restarted_on(site, backend, WHOLE + b"{")
    async with site.daemon("--clear") as daemon:
        await daemon.ws_id()
        assert await daemon.stop() == 0
    assert site.files.events.read_bytes() == b""
    assert len(site.files.torn()) == 1
    assert len(site.journal("connected")) == 2


# -- while the daemon runs ---------------------------------------------------------------------------------------------


def an_older_file_comes_back(site: Site) -> None:
    older = site.directory / "older"
    older.write_bytes(WHOLE + b'{"hal')
    older.rename(site.files.events)


def a_copy_is_put_in_its_place(site: Site) -> None:
    site.files.events.write_bytes(WHOLE + b'{"hal')


def the_last_line_is_cut(site: Site) -> None:
    os.truncate(site.files.events, site.files.events.stat().st_size - 9)


def something_is_appended(site: Site) -> None:
    with site.files.events.open("ab") as file:
        file.write(b'{"hal')


FOREIGN = [an_older_file_comes_back, a_copy_is_put_in_its_place, the_last_line_is_cut, something_is_appended]


@pytest.mark.parametrize("hup", [False, True], ids=["", "and SIGHUP"])
@pytest.mark.parametrize("change", FOREIGN)
async def test_no_event_is_glued_onto_what_somebody_else_left_there(
    site: Site, backend: Backend, change: Callable[[Site], None], hup: bool
) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        peer = await backend.peer()
        for n in range(3):
            await peer.event(b'{"n":%d}' % n)
        await site.written(3)
        change(site)
        if hup:
            daemon.signal(signal.SIGHUP)
            await daemon.stderr_line("opening the files")
        elif change is an_older_file_comes_back:
            await daemon.stderr_line("opening it anew")  # noticed within a second
        for n in range(3, 6):
            await peer.event(b'{"n":%d}' % n)
        await file_matches(site.files.events, lambda data: data.endswith(b'"n":5}\n'))
        assert await daemon.stop() == 0
    numbers = [record["n"] for record in site.records()]
    assert numbers[-3:] == [3, 4, 5]
    assert len(site.files.torn()) == len(site.journal("repaired")) == 1
    if hup:  # the same holds for the journal
        assert site.journal("stopped")


async def test_an_event_that_only_lacks_its_newline_is_completed_also_while_it_runs(
    site: Site, backend: Backend
) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        site.files.events.write_bytes(WHOLE[:-1])
        await (await backend.peer()).event(b'{"n":1}')
        assert [record["n"] for record in await site.written(2)] == [0, 1]
        assert await daemon.stop() == 0
    assert site.files.torn() == []


@pytest.mark.parametrize("change", ["moved", "cut"])
async def test_no_record_of_the_journal_is_glued_or_lost_either(site: Site, backend: Backend, change: str) -> None:
    async with site.daemon("--min-backoff", "10ms") as daemon:
        await daemon.ws_id()
        if change == "moved":
            site.files.journal.rename(site.directory / "moved")
        else:
            os.truncate(site.files.journal, 10)
        (await backend.greeted()).rst()
        await daemon.ws_id()
        assert await daemon.stop() == 0
    lines = site.files.journal.read_bytes().splitlines()
    assert lines[0].endswith(b"}") is (change == "moved")
    assert {json.loads(line)["event"] for line in lines[-4:]} == {"lost", "connected", "gap", "stopped"}
