"""`read --wait`, and what it says when an agent may not have seen all of it."""

from __future__ import annotations

import json

from support import meeting
from support.backend import Backend
from support.daemon import Daemon, Site
from support.watching import file_matches

ALERT = {"channel": "alert", "data": {"label": "fire"}}
OTHER = {"channel": "transcript", "data": {"text": "words"}}


async def test_it_waits_until_something_passes_the_filters_and_then_prints_all_of_it(
    site: Site, backend: Backend
) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        args = ("read", "--dir", str(site.directory), "--cursor", "a", "--wait", "50s", "--channel", "alert")
        async with Daemon(site, *args, entry="bare", directory=None) as reading:
            await file_matches(site.directory / "cursors" / "a.lock", lambda _: True)
            await peer.event(OTHER)
            await peer.event(ALERT)
            assert await reading.exit_status() == 0
            assert [json.loads(line)["channel"] for line in reading.stdout.splitlines()] == ["alert"]
        timed_out = await site.run("read", "--cursor", "a", "--wait", "10ms")
        assert (timed_out.status, timed_out.stdout) == (124, "")
        assert (await site.run("read", "--cursor", "a")).status == 0
        assert await daemon.stop() == 0
    ended = await site.run("read", "--cursor", "a", "--wait", "50s")
    assert (ended.status, ended.stdout) == (3, "")


async def test_more_than_harnesses_show_is_said_unless_a_limit_was_given(lone_site: Site) -> None:
    lone_site.directory.mkdir()
    lone_site.files.events.write_bytes(b"".join(meeting.ten_minutes()))
    limited = await lone_site.run("read", "--cursor", "a", "--max-bytes", "100K")
    unlimited = await lone_site.run("read", "--cursor", "b")
    short = await lone_site.run("read", "--cursor", "c", "--format", "brief")
    assert "is not printed again; see feed" in unlimited.stderr
    assert (limited.stderr, short.stderr) == ("", "")
