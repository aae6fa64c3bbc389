"""One frame is one line: two stamps, then what the server said."""

from __future__ import annotations

import json
import re
import time
from datetime import datetime

from support.backend import Backend
from support.daemon import Site
from support.lines import after_stamps, raw_line

AS_THEY_ARE = {
    "plain": b'{"channel":"visual_index","data":{"text":"..."}}',
    "key order and unknown fields": b'{"z":1,"a":[{"y":2,"b":3}]}',
    "number spelling": b'{"a":1.0,"b":1e2,"c":-0.0,"d":0.1000}',
    "an integer of any size": b'{"a":123456789012345678901234567890}',
    "duplicate keys": b'{"a":1,"a":2}',
    "escapes as they were spelled": b'{"a":"\\u00e9\\/\\u0000"}',
    "utf-8": '{"a":"héllo 你好 🎬"}'.encode(),
    "inner blanks": b'{ "a" : [ 1 , 2 ] }',
    "stamps of deeper levels": b'{"data":{"ts":1,"unix_ts":2}}',
    "a hello-like event": b'{"connection_id":"another"}',
}
WITHOUT_BREAKS = {
    "leading white space goes": (b' \r\n\t{"a":1}', b'{"a":1}'),
    "raw line breaks become blanks": (b'{"a":\r\n1,\n"b":2}', b'{"a":  1, "b":2}'),
}
NOT_OBJECTS = {
    "text": b"hello world",
    "empty": b"",
    "number": b"42",
    "null": b"null",
    "array": b"[1,2,3]",
    "string": b'"quoted"',
    "NaN": b'{"a":NaN}',
    "too large a number": b'{"a":1e400}',
    "half an object": b'{"a":1',
    "two objects": b'{"a":1}{"b":2}',
    "text of several lines": b"one\r\ntwo\n",
}


async def test_the_golden_lines(site: Site, backend: Backend) -> None:
    """Every kind of frame becomes the line that the contract gives it, in the order sent."""
    frames = {
        **AS_THEY_ARE,
        **{name: frame for name, (frame, _) in WITHOUT_BREAKS.items()},
        **NOT_OBJECTS,
    }
    expected = {
        **AS_THEY_ARE,
        **{name: line for name, (_, line) in WITHOUT_BREAKS.items()},
        **{name: raw_line(frame) for name, frame in NOT_OBJECTS.items()},
    }
    async with site.daemon() as daemon:
        await daemon.ws_id()
        await (await backend.peer()).burst(frames.values())
        await site.written(len(frames))
        assert await daemon.stop() == 0
    got = dict(zip(frames, map(after_stamps, site.lines()), strict=True))
    comparable = {name: json.loads(line) if name in NOT_OBJECTS else line for name, line in got.items()}
    assert comparable == {name: json.loads(line) if name in NOT_OBJECTS else line for name, line in expected.items()}


async def test_an_empty_object_is_a_line_of_its_stamps(site: Site, backend: Backend) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        await (await backend.peer()).event(b"{}")
        (record,) = await site.written(1)
        assert list(record) == ["ts", "unix_ts"]
        assert await daemon.stop() == 0


async def test_ts_and_unix_ts_are_one_instant_and_never_go_back(site: Site, backend: Backend) -> None:
    before = time.time()
    async with site.daemon() as daemon:
        await daemon.ws_id()
        peer = await backend.peer()
        await peer.burst(b'{"n":%d}' % n for n in range(500))
        records = await site.written(500)
        assert await daemon.stop() == 0
    for record in records:
        assert list(record) == ["ts", "unix_ts", "n"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["ts"])
        assert abs(datetime.fromisoformat(record["ts"]).timestamp() - record["unix_ts"]) < 0.001
    stamps = [record["unix_ts"] for record in records]
    assert stamps == sorted(stamps)
    assert [record["n"] for record in records] == list(range(500))
    assert before - 0.001 <= stamps[0] <= stamps[-1] <= time.time()


async def test_an_event_with_its_own_stamps_keeps_them_as_source(site: Site, backend: Backend) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        peer = await backend.peer()
        await peer.event(b'{"ts":"theirs","a":123456789012345678901234567890,"unix_ts":5}')
        await peer.event(b'{"unix_ts":null}')
        await peer.event(b'{"raw":"theirs","raw_base64":"theirs"}')
        own, one, raw = await site.written(3)
        assert await daemon.stop() == 0
    assert (own["source_ts"], own["source_unix_ts"], own["a"]) == ("theirs", 5, 123456789012345678901234567890)
    assert own["ts"] != "theirs"
    assert own["unix_ts"] != 5
    assert "source_ts" not in one
    assert one["source_unix_ts"] is None
    assert (raw["raw"], raw["raw_base64"]) == ("theirs", "theirs")


async def test_bytes_that_are_not_utf_8_are_kept_as_base64(site: Site, backend: Backend) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        peer = await backend.peer()
        await peer.text(b'{"a":"\xff"}')
        await peer.binary(b"\xff\xfe\x00")
        await peer.binary(b'{"binary":"and yet an object"}')
        first, second, third = await site.written(3)
        assert await daemon.stop() == 0
    assert first["raw_base64"] == "eyJhIjoi/yJ9"
    assert second["raw_base64"] == "//4A"
    assert third["binary"] == "and yet an object"
