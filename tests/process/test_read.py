"""`tail`, `query` and `read` on the files of a real daemon, of the old script, and while things happen to them."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
from typing import Any

from support.backend import Backend, Peer
from support.daemon import Daemon, Site
from support.watching import file_matches

SPEECH = {
    "channel": "transcript",
    "rtstream_id": "rts-1",
    "rtstream_name": "mic:default",
    "data": {"text": "the budget", "is_final": True, "start": 1710000001234, "end": 1710000002345},
}
INTERIM = {"channel": "transcript", "data": {"text": "the", "is_final": False}}
SCENE = {"channel": "scene_index", "data": {"text": "a chart"}}
ALERT = {"channel": "alert", "data": {"label": "fire", "text": "smoke"}}
NASTY = {"channel": "alert", "data": {"text": "a\x1b[2Jb\u202ec"}}


async def recorded(site: Site, backend: Backend, *events: dict[str, Any]) -> None:
    """Have a daemon record these events, and end."""
    async with site.daemon() as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        for event in events:
            await peer.event(event)
        await site.written(len(events))
        assert await daemon.stop() == 0


async def objects(site: Site, *args: str) -> list[dict[str, Any]]:
    done = await site.run(*args)
    assert (done.status, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


async def test_query_selects_and_prints_lines_as_they_stand(site: Site, backend: Backend) -> None:
    await recorded(site, backend, SPEECH, INTERIM, SCENE, ALERT)
    lines = [line.decode() + "\n" for line in site.lines()]
    for args, chosen in {
        (): [0, 1, 2, 3],
        ("--channel", "transcript"): [0, 1],
        ("--channel", "visual_index"): [2],
        ("--channel", "alert", "--channel", "visual_index"): [2, 3],
        ("--final",): [0, 2, 3],
        ("--stream", "mic:default"): [0],
        ("--grep", "BUDGET|smoke"): [0, 3],
        ("--limit", "2"): [0, 1],
        ("--since", "1h"): [0, 1, 2, 3],
        ("--until", "1h"): [],
        ("--since", "1h", "--channel", "alert"): [3],
    }.items():
        done = await site.run("query", "--format", "json", *args)
        assert (done.status, done.stderr) == (0, "")
        assert done.stdout == "".join(lines[number] for number in chosen), args


async def test_a_session_means_its_streams_as_well(site: Site, backend: Backend) -> None:
    active = {
        "event": "capture_session.active",
        "capture_session_id": "cap-1",
        "data": {"rtstreams": [{"id": "rts-1"}]},
    }
    other = {"channel": "transcript", "rtstream_id": "rts-2", "data": {"text": "another meeting"}}
    await recorded(site, backend, SPEECH, other, active, SPEECH)
    for command in ("query", "tail"):
        found = await objects(site, command, "--session", "cap-1", "--format", "json")
        assert [event.get("event", event.get("rtstream_id")) for event in found] == [
            "rts-1",
            "capture_session.active",
            "rts-1",
        ]
    assert await objects(site, "query", "--session", "cap-2", "--format", "json") == []


async def test_text_in_a_pipe_is_plain_and_nothing_in_it_steers_a_terminal(site: Site, backend: Backend) -> None:
    await recorded(site, backend, SPEECH, NASTY)
    for command in ("query", "tail"):
        done = await site.run(command)
        first, second = done.stdout.splitlines()
        assert first.endswith("transcript mic:default the budget")
        assert second.endswith("a\\x1b[2Jb\\u202ec")
        assert "\x1b" not in done.stdout


async def test_csv_has_a_header_and_a_row_an_event(site: Site, backend: Backend) -> None:
    await recorded(site, backend, SPEECH, ALERT)
    done = await site.run("query", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["channel"] for row in rows] == ["transcript", "alert"]
    assert (rows[0]["stream_name"], rows[0]["start"], rows[0]["final"]) == (
        "mic:default",
        "2024-03-09T16:00:01.234Z",
        "true",
    )
    assert rows[1]["label"] == "fire"


async def test_tail_shows_the_last_and_follows(site: Site, backend: Backend) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        for number in range(20):
            await peer.event({"channel": "alert", "n": number})
        await site.written(20)
        assert [event["n"] for event in await objects(site, "tail", "-n", "3", "--format", "json")] == [17, 18, 19]
        args = ("tail", "--dir", str(site.directory), "-n", "1", "-f", "--format", "json")
        async with Daemon(site, *args, entry="bare", directory=None) as follower:
            await follower.stdout_line('"n": 19')
            await peer.event({"channel": "alert", "n": 20})
            await follower.stdout_line('"n": 20')
            site.files.events.rename(site.directory / "aside")
            daemon.signal(signal.SIGHUP)
            await file_matches(site.files.events, lambda data: data == b"")
            await peer.event({"channel": "alert", "n": 21})
            await follower.stdout_line('"n": 21')
            assert [json.loads(line)["n"] for line in follower.stdout.splitlines()] == [19, 20, 21]
        assert await daemon.stop() == 0


async def test_a_reader_that_leaves_ends_a_command_without_a_word(site: Site, backend: Backend) -> None:
    await recorded(site, backend, *[{"n": n, "text": "x" * 1000} for n in range(500)])
    reading, writing = os.pipe()
    args = ("query", "--dir", str(site.directory), "--format", "json")
    async with Daemon(site, *args, entry="bare", directory=None, stdout=writing) as command:
        os.close(writing)
        os.close(reading)
        assert (await command.exit_status(), command.stderr) == (0, "")


async def test_a_full_output_is_an_error_and_moves_no_cursor(site: Site, backend: Backend) -> None:
    await recorded(site, backend, ALERT)
    full = os.open("/dev/full", os.O_WRONLY)
    for words in (["query"], ["tail"], ["read", "--cursor", "a"]):
        command, *rest = words
        args = (command, "--dir", str(site.directory), *rest)
        async with Daemon(site, *args, entry="bare", directory=None, stdout=full) as process:
            assert await process.exit_status() == 73
            assert "standard output cannot be written" in process.stderr
    os.close(full)
    assert len(await objects(site, "read", "--cursor", "a")) == 1


async def test_no_file_at_all_is_73_and_says_what_to_do(site: Site) -> None:
    for words in (["query"], ["tail"], ["read", "--cursor", "a"]):
        done = await site.run(*words)
        assert done.status == 73
        assert "start a listener" in done.stderr


async def test_damaged_lines_are_left_out_and_counted(site: Site) -> None:
    site.directory.mkdir(mode=0o700)
    site.files.events.write_bytes(b'{"unix_ts":1.0,"n":1}\n{half\n\xff\n{"unix_ts":2.0,"n":2}\n')
    done = await site.run("query", "--format", "json")
    assert [json.loads(line)["n"] for line in done.stdout.splitlines()] == [1, 2]
    assert "2 damaged lines were left out" in done.stderr


async def test_a_file_of_the_old_script_is_read_as_well(site: Site) -> None:
    site.directory.mkdir(mode=0o700)
    stamps = {"ts": "2026-03-02T10:15:30.123456+00:00", "unix_ts": 1772446530.123456}
    site.files.events.write_text("".join(json.dumps({**event, **stamps}) + "\n" for event in (SPEECH, ALERT)))
    assert [event["channel"] for event in await objects(site, "query", "--format", "json")] == ["transcript", "alert"]
    assert len(await objects(site, "query", "--format", "json", "--since", "2026-03-02T10:15:30Z")) == 2
    assert (await site.run("query", "--since", "2026-03-02T10:15:31Z")).stdout == ""
    assert len(await objects(site, "tail", "--format", "json")) == 2


# -- cursors --


async def test_read_prints_what_is_new_and_only_once(site: Site, backend: Backend) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        read = ("read", "--cursor", "agent")
        for number in range(5):
            await peer.event({"n": number})
        await site.written(5)
        assert [event["n"] for event in await objects(site, *read, "--max-events", "2")] == [0, 1]
        assert [event["n"] for event in await objects(site, *read, "--max-bytes", "1")] == [2]
        assert [event["n"] for event in await objects(site, "read", "--cursor", "other")] == [0, 1, 2, 3, 4]
        assert [event["n"] for event in await objects(site, *read)] == [3, 4]
        assert await objects(site, *read) == []
        assert await daemon.stop() == 0


async def test_a_cleared_file_is_said_and_read_from_its_new_beginning(site: Site, backend: Backend) -> None:
    await recorded(site, backend, {"n": 0}, {"n": 1})
    assert len(await objects(site, "read", "--cursor", "agent")) == 2
    async with site.daemon("--clear") as daemon:
        await daemon.ws_id()
        await (await backend.greeted(1)).event({"n": 2})
        await site.written(1)
        done = await site.run("read", "--cursor", "agent")
        assert "cleared or replaced" in done.stderr
        assert [json.loads(line)["n"] for line in done.stdout.splitlines()] == [2]
        assert await objects(site, "read", "--cursor", "agent") == []


EVENTS = 20_000


def event(number: int) -> bytes:
    return b'{"channel":"transcript","n":%d,"data":{"text":"%s"}}' % (number, b"word " * 10)


async def burst(peer: Peer) -> None:
    await peer.hello()
    await peer.burst(map(event, range(EVENTS)))


async def test_a_cursor_gets_every_event_once_and_in_order_across_rotations(lone_site: Site) -> None:
    async with Backend([burst]) as backend:
        lone_site.backend = backend
        flags = ("--rotate-size", "150K", "--rotate-keep", "1000", "--rotate-gzip", "--output", "none")
        async with lone_site.daemon(*flags) as daemon:
            await daemon.ws_id()
            seen: list[int] = []
            while len(seen) < EVENTS:
                new = await objects(lone_site, "read", "--cursor", "agent", "--max-events", "3000")
                seen += [event["n"] for event in new]
            assert await daemon.stop() == 0
        assert seen == list(range(EVENTS))
        assert len(list(lone_site.directory.glob("videodb_events.2*"))) > 5
