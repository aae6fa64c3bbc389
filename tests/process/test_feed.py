"""`feed` as agents use it: a fresh process for each call, no terminal, killed at will."""

from __future__ import annotations

import json
import re
import shlex
import signal

from support import played
from support.backend import Backend
from support.daemon import Completed, Daemon, Site
from support.watching import file_matches

ALERT = {"channel": "alert", "data": {"label": "fire", "text": "smoke"}}
SPEECH = {"channel": "transcript", "rtstream_name": "mic:default", "data": {"text": "the budget", "is_final": True}}
INTERIM = {"channel": "transcript", "rtstream_name": "mic:default", "data": {"text": "the", "is_final": False}}


def token(done: Completed) -> str:
    """The token in what was printed."""
    (found,) = re.findall(r'--ack (\w+)$|"token":"(\w+)"', done.stdout.splitlines()[-1])
    return str(found[0] or found[1])


def written(site: Site, scenario: str) -> None:
    """A recording without a listener."""
    site.directory.mkdir(exist_ok=True)
    site.files.events.write_bytes(b"".join(played.lines(scenario)))


async def test_a_batch_comes_until_it_is_acknowledged_and_then_the_next(site: Site, backend: Backend) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        for event in (SPEECH, INTERIM, ALERT):
            await peer.event(event)
        await site.written(3)
        first = await site.run("feed", "a")
        again = await site.run("feed", "a")
        assert (first.status, first.stderr) == (0, "")
        assert first.stdout == again.stdout
        assert "mic  the budget" in first.stdout
        assert first.stdout.splitlines()[-1].startswith("# 2 events; next: videodb-listen feed ")
        acked = await site.run("feed", "a", "--ack", token(first))
        assert (acked.status, acked.stdout, acked.stderr) == (0, "", "")
        empty = await site.run("feed", "a")
        assert (empty.status, empty.stdout.splitlines()[-1][:10]) == (0, "# 0 events")
        assert (await site.run("feed", "a", "--wait", "10ms")).status == 124
        await peer.event(SPEECH)
        await site.written(4)
        second = await site.run("feed", "a", "--wait", "30s", "--format", "json")
        *items, end = map(json.loads, second.stdout.splitlines())
        assert [(item["who"], item["event"]["data"]["text"]) for item in items] == [("owner", "the budget")]
        assert end == {"token": token(second), "items": 1, "more": False}
        assert await daemon.stop() == 0


async def test_the_command_for_the_next_batch_is_the_one_that_was_given_with_the_token(lone_site: Site) -> None:
    written(lone_site, "meeting")
    args = ("feed", "a", "--channel", "alert", "--wait", "5s", "--max-chars", "2000")
    first = await lone_site.run(*args, "--ack=nothing")
    assert first.status == 2
    first = await lone_site.run(*args)
    words = shlex.split(first.stdout.splitlines()[-1].partition("next: ")[2])
    assert words[:2] == ["videodb-listen", "feed"]
    assert words[-2:] == ["--ack", token(first)]
    second = await lone_site.run_bare(*words[1:])
    assert (second.status, second.stdout) == (3, "")
    assert "nothing is left, and no listener runs" in second.stderr


async def test_a_consumer_that_sees_only_thirty_thousand_characters_loses_nothing(lone_site: Site) -> None:
    lone_site.directory.mkdir()
    lone_site.files.events.write_bytes(b"".join(played.lines("meeting") * 40))
    seen, calls = 0, 0
    done = await lone_site.run("feed", "a")
    while done.status == 0:
        calls += 1
        shown = done.stdout[:30_000]
        assert shown == done.stdout
        seen += int(re.findall(r"^# (\d+) event", shown, re.MULTILINE)[-1])
        done = await lone_site.run("feed", "a", "--wait", "1s", "--ack", token(done))
    assert done.status == 3
    assert seen == 40 * 40
    assert calls > 1


async def test_an_unknown_token_is_refused_and_says_what_to_do(lone_site: Site) -> None:
    written(lone_site, "meeting")
    done = await lone_site.run("feed", "a", "--ack", "deadbeef")
    assert (done.status, done.stdout) == (2, "")
    assert "ask without --ack" in done.stderr


async def test_the_end_of_the_listener_and_gaps_are_items_and_no_filter_but_who_is_about_them(
    site: Site, backend: Backend
) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        await (await backend.greeted()).event(SPEECH)
        await site.written(1)
        assert await daemon.stop() == 0
    told = await site.run("feed", "a", "--channel", "alert", "--format", "json")
    (notice, end) = map(json.loads, told.stdout.splitlines())
    assert (notice["who"], notice["notice"]["kind"], end["items"]) == ("system", "stopped", 1)
    owner = await site.run("feed", "b", "--who", "owner", "--format", "json")
    assert [json.loads(line).get("who") for line in owner.stdout.splitlines()] == ["owner", None]


async def test_a_group_shares_and_each_has_what_the_others_have_not(lone_site: Site) -> None:
    written(lone_site, "meeting")
    batches = [
        (await lone_site.run("feed", name, "--group", "team", "--format", "json")).stdout.splitlines()
        for name in ("a", "b", "c")
    ]
    ids = [json.loads(line)["id"] for lines in batches for line in lines[:-1]]
    assert len(ids) == len(set(ids)) > 10


async def test_follow_tells_how_much_is_new_and_has_a_last_word(site: Site, backend: Backend) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        await peer.event(SPEECH)
        await peer.event(ALERT)
        await site.written(2)
        args = ("feed", "a", "--dir", str(site.directory), "--follow", "--lines-per-minute", "6000")
        async with (
            Daemon(site, *args, entry="bare", directory=None) as one,
            Daemon(site, *args, entry="bare", directory=None) as other,
        ):
            await one.stdout_line("2 new: 1 alert, 1 transcript; read with videodb-listen feed a")
            await other.stdout_line("2 new")
            await peer.event(SPEECH)
            await one.stdout_line("1 new: 1 transcript")
            other.signal(signal.SIGTERM)
            assert await other.exit_status() == 0
            assert other.stdout.splitlines()[-1] == "no longer following"
            assert await daemon.stop() == 0
            assert await one.exit_status() == 3
            assert one.stdout.splitlines()[-1] == "the listener ended"
    assert (await site.run("feed", "a")).stdout.count("the budget") == 2


async def test_waiting_ends_with_what_comes(site: Site, backend: Backend) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        args = ("feed", "a", "--dir", str(site.directory), "--wait", "50s", "--channel", "alert", "--who", "system")
        async with Daemon(site, *args, entry="bare", directory=None) as waiting:
            await file_matches(site.directory / "feeds" / "a.lock", lambda _: True)
            await peer.event(SPEECH)
            await peer.event(ALERT)
            assert await waiting.exit_status() == 0
            assert "! alert fire" in waiting.stdout
            assert "budget" not in waiting.stdout
        assert await daemon.stop() == 0


async def test_no_order_of_a_guest_is_the_owners_in_what_an_agent_reads(lone_site: Site) -> None:
    written(lone_site, "hostile-guest")
    owner = await lone_site.run("feed", "a", "--who", "owner", "--format", "json")
    assert owner.stdout.count('"who":"owner"') == 12
    assert "canary" not in owner.stdout
    everything = await lone_site.run("feed", "b")
    outside = re.sub(r"^<data-(\w+)>\n.*?^</data-\1>\n", "", everything.stdout, flags=re.DOTALL | re.MULTILINE)
    assert "canary" not in outside
    assert everything.stdout.count("canary") == 60
