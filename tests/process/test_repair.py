"""A tail that a crash tore is mended or set aside before anything is appended."""

from __future__ import annotations

import json

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
