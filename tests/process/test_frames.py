"""Frames as no document describes them: each is one line, and none ends the daemon."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from support.backend import Backend, Peer
from support.daemon import Site
from support.frames import Op
from support.lines import after_stamps

MIB = 1 << 20


def nested(depth: int) -> bytes:
    """Return an object that is `depth` levels deep, itself included."""
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


SPLICED: dict[str, bytes] = {
    "data: null": b'{"data":null}',
    "data: a list": b'{"channel":"x","data":[1]}',
    "text: a number": b'{"channel":"transcript","data":{"text":7}}',
    "channel: a number": b'{"channel":7,"data":{}}',
    "channel: null": b'{"channel":null}',
    "raw of its own": b'{"raw":"theirs","raw_base64":"theirs"}',
    "an empty key": b'{"":1}',
    "a paired surrogate": b'{"a":"\\ud83d\\ude00"}',
    "250 levels": nested(250),
    "a huge integer": b'{"n":' + b"9" * 300 + b"}",
    "a long string": b'{"a":"' + b"x" * 100_000 + b'"}',
    "U+2028": '{"a":"\u2028\u2029\x7f\x9b"}'.encode(),
}
RAW: dict[str, bytes] = {
    "text": b"hello world",
    "number": b"42",
    "boolean": b"true",
    "array": b"[1,2,3]",
    "null": b"null",
    "string": b'"quoted"',
    "empty": b"",
    "blanks": b" \n ",
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":-Infinity}',
    "1e400": b'{"a":1e400}',
    "an integer beyond any float": b'{"n":' + b"9" * 400 + b"}",
    "a lone surrogate": b'{"a":"\\ud800"}',
    "251 levels": nested(251),
    "5,000 levels": nested(5000),
    "200,000 brackets": b"[" * 200_000,
    "cut off": b'{"a":',
    "raw control character": b'{"a":"\x01"}',
    "raw newline in a string": b'{"a":"one\ntwo"}',
    "raw newlines in text": b"one\r\ntwo\n\nthree",
    "NUL": b"\x00",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "single quotes": b"{'a':1}",
}
BASE64: dict[str, bytes] = {
    "invalid UTF-8": b'{"a":"\xff\xfe"}',
    "a surrogate in UTF-8": b'{"a":"\xed\xa0\x80"}',
    "an overlong NUL": b"\xc0\x80",
}


async def recorded(site: Site, backend: Backend, frames: dict[str, bytes]) -> dict[str, bytes]:
    """Send the frames on one connection and return the line of each; the connection must outlive them all."""
    async with site.daemon() as daemon:
        await daemon.ws_id()
        peer = await backend.peer()
        for frame in frames.values():
            await peer.text(frame)
        await peer.event(b'{"last":1}')
        await site.written(len(frames) + 1)
        assert await daemon.stop() == 0
        assert "Traceback" not in daemon.stderr
    assert len(backend.peers) == 1
    *lines, last = map(after_stamps, site.lines())
    assert last == b'{"last":1}'
    return dict(zip(frames, lines, strict=True))


def strict(line: bytes) -> Any:
    """Parse as strict JSON: no NaN, no Infinity."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(line, parse_constant=refuse)


async def test_odd_objects_are_lines_byte_for_byte(site: Site, backend: Backend) -> None:
    assert await recorded(site, backend, SPLICED) == SPLICED


async def test_text_that_is_no_acceptable_object_is_kept_exactly(site: Site, backend: Backend) -> None:
    lines = await recorded(site, backend, RAW)
    assert {name: strict(line) for name, line in lines.items()} == {
        name: {"raw": frame.decode()} for name, frame in RAW.items()
    }


async def test_bytes_that_are_no_text_are_kept_exactly(site: Site, backend: Backend) -> None:
    lines = await recorded(site, backend, BASE64)
    kept = {name: base64.b64decode(strict(line)["raw_base64"]) for name, line in lines.items()}
    assert kept == BASE64


async def test_good_frames_behind_a_bad_one_are_not_lost(site: Site, backend: Backend) -> None:
    frames = [b'{"n":%d}' % n for n in range(50)]
    async with site.daemon() as daemon:
        await daemon.ws_id()
        peer = await backend.peer()
        await peer.burst([*frames, b"\xff\xfe", *frames])
        await site.written(101)
        assert await daemon.stop() == 0
    lines = [after_stamps(line) for line in site.lines()]
    assert lines[:50] == lines[51:] == frames


async def test_binary_frames_and_fragments_are_lines_too(site: Site, backend: Backend) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        peer = await backend.peer()
        await peer.binary(b"\x00\xff")
        await peer.fragments(b'{"a":', '"é'.encode()[:2], '"é"}'.encode()[2:])
        await peer.fragments(b'{"b":1', b"}", op=Op.BINARY)
        first, second, third = await site.written(3)
        assert await daemon.stop() == 0
    assert base64.b64decode(first["raw_base64"]) == b"\x00\xff"
    assert (second["a"], third["b"]) == ("é", 1)


async def test_stamps_of_the_server_are_kept_under_another_name(site: Site, backend: Backend) -> None:
    own = {
        "both": b'{"ts":"2020","unix_ts":1.5,"n":1}',
        "null": b'{"ts":null}',
        "duplicate": b'{"ts":1,"ts":2}',
        "escaped name": b'{"\\u0074s":"sneaky"}',
        "huge integer": b'{"ts":1,"n":123456789012345678901234567890}',
    }
    async with site.daemon() as daemon:
        await daemon.ws_id()
        await (await backend.peer()).burst(own.values())
        await site.written(len(own))
        assert await daemon.stop() == 0
    records = dict(zip(own, site.records(), strict=True))
    assert (records["both"]["source_ts"], records["both"]["source_unix_ts"], records["both"]["n"]) == ("2020", 1.5, 1)
    assert records["null"]["source_ts"] is None
    assert records["duplicate"]["source_ts"] == 2
    assert records["escaped name"]["source_ts"] == "sneaky"
    assert records["huge integer"]["n"] == 123456789012345678901234567890
    for record in records.values():
        assert record["ts"].endswith("Z")
        assert isinstance(record["unix_ts"], float | int)


async def test_events_before_the_hello_are_lines(lone_site: Site) -> None:
    early = [b'{"n":0}', b"[1]", b"\xff", b'{"connection_id":""}', b'{"connection_id":null}']

    async def script(peer: Peer) -> None:
        await peer.burst(early)
        await peer.hello()
        await peer.event(b'{"late":1}')

    async with Backend([script]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon() as daemon:
            await daemon.ws_id()
            records = await lone_site.written(len(early) + 1)
            assert await daemon.stop() == 0
        assert len(backend.peers) == 1
    assert records[0]["n"] == 0
    assert records[1]["raw"] == "[1]"
    assert records[-1]["late"] == 1


async def test_a_frame_of_5_mib_is_one_line_on_the_same_connection(site: Site, backend: Backend) -> None:
    frame = b'{"channel":"visual_index","data":{"text":"' + b"x" * (5 * MIB) + b'"}}'
    async with site.daemon() as daemon:
        await daemon.ws_id()
        peer = await backend.peer()
        await peer.event(frame)
        await peer.event(b'{"next":1}')
        await site.written(2)
        assert await daemon.stop() == 0
    assert [after_stamps(line) for line in site.lines()] == [frame, b'{"next":1}']
    assert len(backend.peers) == 1
    assert all(len(line) < 1000 for line in daemon.stdout.splitlines())


async def test_a_frame_of_40_mib_is_journalled_as_refused_and_followed_by_a_reconnect(
    site: Site, backend: Backend
) -> None:
    async with site.daemon("--min-backoff", "10ms") as daemon:
        first = await daemon.ws_id()
        peer = await backend.peer()
        await peer.event(b'{"n":0}')
        await peer.event(b'{"a":"' + b"x" * (40 * MIB) + b'"}')
        second = await daemon.ws_id()
        assert second != first
        await (await backend.peer(1)).event(b'{"n":1}')
        await site.written(2)
        assert await daemon.stop() == 0
    assert [record["n"] for record in site.records()] == [0, 1]
    (refused,) = site.journal("refused")
    assert refused["ws_id"] == first
    assert [entry["event"] for entry in site.journal()].count("lost") == 1
    frame = peer.close_frame
    assert frame is not None
    assert frame.close_code == 1009


async def test_the_frame_limit_is_a_setting(site: Site, backend: Backend) -> None:
    fits, too_large = b'{"a":"' + b"x" * 992 + b'"}', b'{"a":"' + b"x" * 993 + b'"}'
    assert len(fits) == 1000
    async with site.daemon("--max-frame-size", "1000", "--min-backoff", "10ms") as daemon:
        await daemon.ws_id()
        peer = await backend.peer()
        await peer.event(fits)
        await site.written(1)
        await peer.event(too_large)
        await daemon.ws_id()
        assert await daemon.stop() == 0
    assert len(site.lines()) == len(site.journal("refused")) == 1


async def test_a_poison_frame_after_every_hello_does_not_make_a_loop(lone_site: Site) -> None:
    """An event that was delivered starts the delays over, but not on a connection that a refused frame ended."""

    async def poison(peer: Peer) -> None:
        await peer.hello()
        await peer.event(b"{}")
        await peer.event(b"x" * 2000)

    async with Backend([poison]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon(
            "--max-frame-size", "1000", "--max-retries", "3", "--min-backoff", "10ms"
        ) as daemon:
            assert await daemon.exit_status() == 69
        assert len(backend.peers) == 4
    assert len(lone_site.journal("refused")) == 4


@pytest.mark.parametrize("count", [1, 1000])
async def test_events_right_before_an_abrupt_end_are_kept_when_they_were_read(lone_site: Site, count: int) -> None:
    async def script(peer: Peer) -> None:
        await peer.hello()
        await peer.burst(b'{"n":%d}' % n for n in range(count))
        await peer.fin()

    async def next_one(peer: Peer) -> None:
        await peer.hello()

    async with Backend([script, next_one]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon("--min-backoff", "10ms") as daemon:
            await daemon.ws_id()
            await daemon.ws_id()
            assert await daemon.stop() == 0
    assert [record["n"] for record in lone_site.records()] == list(range(count))
