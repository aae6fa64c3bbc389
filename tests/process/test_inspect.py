"""`stats` and `verify` on the files of a real daemon: running, rotated, killed, and not there at all."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.backend import Backend, Peer
from support.daemon import Site
from support.watching import changed_until, file_matches

EVENTS = 20_000
TORN = b'{"ts":"2026-03-02T10:15:30.123Z","unix_ts":17724'
NASTY = "a\x1b[2Jb\u202ec"


def event(number: int) -> bytes:
    return b'{"channel":"transcript","rtstream_id":"rts-%d","n":%d,"data":{"text":"%s"}}' % (
        number % 2,
        number,
        b"word " * 10,
    )


async def burst(peer: Peer) -> None:
    await peer.hello()
    await peer.burst(map(event, range(EVENTS)))


async def asked(site: Site, command: str, *args: str, status: int = 0) -> dict[str, Any]:
    """Return the object that the command prints with --json."""
    done = await site.run(command, "--json", *args)
    assert (done.status, done.stderr) == (status, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


async def shown(site: Site, command: str, status: int = 0) -> str:
    """Return the screen that the command prints; there is nothing in it that steers a terminal."""
    done = await site.run(command)
    assert (done.status, done.stderr) == (status, "")
    assert done.stdout.endswith("\n")
    assert done.stdout.replace("\n", "").isprintable()
    return done.stdout


def write(site: Site, content: bytes) -> None:
    site.directory.mkdir(mode=0o700, exist_ok=True)
    site.files.events.write_bytes(content)


# -- a daemon's own files --


async def test_generations_and_the_live_file_are_counted_as_one_and_are_whole(lone_site: Site) -> None:
    async with Backend([burst]) as backend:
        lone_site.backend = backend
        flags = ("--rotate-size", "100K", "--rotate-keep", "1000", "--rotate-gzip", "--output", "none")
        async with lone_site.daemon(*flags) as daemon:
            await file_matches(lone_site.files.state, lambda data: json.loads(data)["events"] == EVENTS)
            await changed_until(lone_site.files.events, lambda: any(lone_site.directory.glob("*.gz")))
            while_running = await asked(lone_site, "verify")
            assert await daemon.stop() == 0
    stats = await asked(lone_site, "stats")
    assert stats["events"] == EVENTS
    assert stats["bytes"] == lone_site.state()["bytes"]
    assert [(each["channel"], each["share"]) for each in stats["channels"]] == [("transcript", 1.0)]
    assert [(each["stream"], each["events"]) for each in stats["streams"]] == [
        ("rts-0", EVENTS // 2),
        ("rts-1", EVENTS // 2),
    ]
    for report in (while_running, await asked(lone_site, "verify")):
        assert (report["whole"], report["events"], report["noted"]) == (True, EVENTS, [])
    assert report["files"] > 3


async def test_a_line_that_a_running_daemon_has_begun_is_no_damage_until_it_is_killed(
    site: Site, backend: Backend
) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        await (await backend.peer()).event(event(1))
        await site.written(1)
        with site.files.events.open("ab") as file:
            file.write(TORN)
        running = await asked(site, "verify")
        assert (running["whole"], running["being_written"], running["unfinished"]) == (True, True, 0)
        assert "a last line is being written" in await shown(site, "verify")
        assert (await asked(site, "stats"))["events"] == 1
        await daemon.kill()
    killed = await asked(site, "verify", status=1)
    assert (killed["whole"], killed["being_written"], killed["unfinished"]) == (False, False, 1)
    place = {"file": "videodb_events.jsonl", "line": 2, "offset": len(site.files.events.read_bytes()) - len(TORN)}
    assert killed["damage"] == [{"kind": "unfinished", **place, "excerpt": TORN.decode()}]
    async with site.daemon() as daemon:
        await daemon.ws_id()
        assert await daemon.stop() == 0
    mended = await asked(site, "verify")
    assert (mended["whole"], mended["fragments"], mended["fragment_bytes"]) == (True, 1, len(TORN))


async def test_a_gap_in_the_journal_is_told_with_both_ids(site: Site, backend: Backend) -> None:
    async with site.daemon("--min-backoff", "250ms") as daemon:
        first = await daemon.ws_id()
        await (await backend.peer()).close()
        second = await daemon.ws_id()
        (gap,) = await site.journalled("gap")
        stats = await asked(site, "stats")
        assert (await asked(site, "verify"))["gaps"] == 1
        assert "gaps        1, recovered: 0, unrecoverable: 0" in await shown(site, "verify")
        assert "gaps        1, " in await shown(site, "stats")
        assert await daemon.stop() == 0
    (found,) = stats["gaps"]["each"]
    assert (found["old_ws_id"], found["new_ws_id"]) == (first, second)
    assert (found["from_unix_ts"], found["to_unix_ts"]) == (gap["from_unix_ts"], gap["to_unix_ts"])
    assert stats["gaps"]["count"] == 1
    assert stats["gaps"]["longest_s"] == stats["gaps"]["total_s"] == found["duration_s"] > 0
    outside = await asked(site, "stats", "--until", str(gap["from_unix_ts"] - 60))
    assert outside["gaps"] == {"count": 0, "total_s": 0.0, "longest_s": 0.0, "each": []}


# -- files as they may be --


@pytest.mark.parametrize("command", ["stats", "verify"])
async def test_no_file_at_all_is_a_failure_that_says_what_to_do(lone_site: Site, command: str) -> None:
    done = await lone_site.run(command)
    assert (done.status, done.stdout) == (73, "")
    assert str(lone_site.directory) in done.stderr
    assert done.stderr.count("\n") == 1
    as_json = await lone_site.run(command, "--json")
    assert json.loads(as_json.stderr)["code"] == "directory_unusable"


@pytest.mark.parametrize("command", ["stats", "verify"])
async def test_what_is_no_file_is_refused_and_not_waited_for(lone_site: Site, command: str) -> None:
    lone_site.files.events.mkdir(parents=True)
    done = await lone_site.run(command)
    assert (done.status, done.stdout) == (73, "")
    assert str(lone_site.files.events) in done.stderr


async def test_an_empty_file_is_zeros_and_whole(lone_site: Site) -> None:
    write(lone_site, b"")
    stats = await asked(lone_site, "stats")
    assert stats == {
        "events": 0,
        "bytes": 0,
        "first_unix_ts": None,
        "last_unix_ts": None,
        "rate_per_minute": None,
        "damaged_lines": 0,
        "channels": [],
        "streams": [],
        "sessions": [],
        "gaps": {"count": 0, "total_s": 0, "longest_s": 0.0, "each": []},
    }
    report = await asked(lone_site, "verify")
    assert (report["whole"], report["files"], report["events"]) == (True, 1, 0)
    assert (await shown(lone_site, "verify")).splitlines()[-1] == "whole, events that can be read: 0"
    assert "events      0 (0 bytes)" in await shown(lone_site, "stats")


def lines(*channels: str, step_s: float = 30.0) -> bytes:
    objects = [{"unix_ts": 1772446530.0 + n * step_s, "channel": name, "n": n} for n, name in enumerate(channels)]
    return b"".join(json.dumps(each).encode() + b"\n" for each in objects)


async def test_the_screen_has_aligned_columns_and_local_times(lone_site: Site) -> None:
    lone_site.env["TZ"] = "Asia/Kolkata"
    write(lone_site, lines("transcript", "transcript", "alert", "transcript"))
    screen = (await shown(lone_site, "stats")).splitlines()
    assert screen[-3:] == [
        "channel     events  share  a minute  first                last",
        "transcript       3    75%       2.0  2026-03-02 15:45:30  2026-03-02 15:47:00",
        "alert            1    25%         -  2026-03-02 15:46:30  2026-03-02 15:46:30",
    ]


async def test_a_screen_shows_the_most_frequent_and_says_how_many_more(lone_site: Site) -> None:
    write(lone_site, lines(*(f"c{n}" for n in range(30))))
    assert (await shown(lone_site, "stats")).splitlines()[-1] == "and 22 more: see --json"
    assert len((await asked(lone_site, "stats"))["channels"]) == 30


async def test_a_time_that_no_calendar_has_is_shown_as_it_is(lone_site: Site) -> None:
    write(lone_site, b'{"unix_ts":-1e11}\n')
    assert "first       -100000000000.0" in await shown(lone_site, "stats")


async def test_the_filters_choose_what_is_counted(lone_site: Site) -> None:
    write(lone_site, lines("transcript", "alert", "transcript"))
    assert (await asked(lone_site, "stats", "--channel", "alert"))["events"] == 1
    assert (await asked(lone_site, "stats", "--since", "1772446531"))["events"] == 2
    assert (await asked(lone_site, "stats", "--until", "1772446531"))["events"] == 1
    assert (await lone_site.run("stats", "--grep", "(")).status == 2


async def test_names_that_steer_a_terminal_are_shown_and_do_not(lone_site: Site) -> None:
    event = {"unix_ts": 1772446530.0, "channel": NASTY, "rtstream_id": NASTY, "rtstream_name": NASTY}
    session = {"capture_session_id": NASTY, "event": f"capture_session.{NASTY}"}
    write(lone_site, json.dumps(event | session).encode() + b"\n{" + NASTY.encode() + b"\n")
    harmless = "a\\x1b[2Jb\\u202ec"
    assert (await shown(lone_site, "stats")).count(harmless) == 4
    assert harmless in await shown(lone_site, "verify", status=1)
    assert (await asked(lone_site, "stats"))["channels"][0]["channel"] == NASTY
    assert harmless in (await asked(lone_site, "verify", status=1))["damage"][0]["excerpt"]


async def test_damage_is_listed_up_to_a_limit_and_the_summary_stands_last(lone_site: Site) -> None:
    write(lone_site, b"{half\n" * 25 + lines("alert"))
    screen = (await shown(lone_site, "verify", status=1)).splitlines()
    rows = [row for row in screen if row.startswith("damage ")]
    assert rows[0] == "damage      videodb_events.jsonl, line 1 (byte 0) is no JSON object: {half"
    assert (len(rows), rows[-1]) == (21, "damage      and 5 more")
    assert screen[-1] == "damaged: 25, events that can be read: 1"
    report = await asked(lone_site, "verify", status=1)
    assert (report["damaged"], report["torn"], len(report["damage"])) == (25, 25, 20)


async def test_what_is_only_odd_is_shown_and_no_damage(lone_site: Site) -> None:
    write(lone_site, lines("a", "b", step_s=-1) + lines("a") + b'{"channel":"no stamps"}\n')
    report = await asked(lone_site, "verify")
    assert report["whole"]
    assert (report["out_of_order"], report["unstamped"], report["duplicate"]) == (1, 1, 1)
    assert sorted(each["kind"] for each in report["noted"]) == ["duplicate", "out_of_order", "unstamped"]
    assert (await shown(lone_site, "verify")).count("noted  ") == 3


@pytest.mark.parametrize("command", ["stats", "verify"])
async def test_the_help_has_an_example(lone_site: Site, command: str) -> None:
    done = await lone_site.run(command, "--help")
    assert done.status == 0
    assert f"\n  videodb-listen {command} " in done.stdout
