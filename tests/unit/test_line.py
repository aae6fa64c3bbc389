"""Any frame becomes exactly one line."""

import base64
import contextlib
import functools
import json
import math
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from support.spelled import Member, any_keys, any_values, blanks, broken, frames, members, objects, scalars
from videodb_listen import line
from videodb_listen.line import (
    LARGE_BYTES,
    LEAST_ID,
    MAX_HELLO_BYTES,
    decode_beginning,
    decode_frame,
    decode_line,
    encode_in_steps,
    encode_line,
    hello_id,
    id_of,
    seconds_in,
)
from videodb_listen.pieces import MAX_DEPTH, PIECE_BYTES, pieces

NOW_S = 1772446530.123
HEAD = b'{"ts":"2026-03-02T10:15:30.123Z","unix_ts":1772446530.123'


def strictly(line: bytes) -> Any:
    """Parse JSON that has no NaN and no infinities."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    return json.loads(line, parse_constant=refuse)


def pairs(text: bytes) -> list[tuple[str, Any]]:
    """Parse an object with every duplicate key and with numbers as they are spelled."""
    parsed: list[tuple[str, Any]] = json.loads(text, object_pairs_hook=list, parse_int=str, parse_float=str)
    return parsed


# -- every frame -----------------------------------------------------------------------------------------------------


@given(st.one_of(st.binary(), st.text().map(str.encode), frames, any_values.map(str.encode)))
@example(b"")
@example(b"\n")
@example(b"NaN")
@example(b'{"a":NaN}')
@example(b'{"a":"\n"}')
@example(b'{"a":1}{"b":2}')
@example(b"\xff\x00")
@example(b"\xef\xbb\xbf{}")
def test_any_frame_becomes_one_line_of_strict_json_that_starts_with_its_stamps(frame: bytes) -> None:
    line = encode_line(frame, NOW_S)
    assert line.index(b"\n") == len(line) - 1
    assert b"\r" not in line
    assert line.startswith(HEAD)
    assert line[len(HEAD) :].lstrip(b" \t")[:1] in (b",", b"}")
    event = strictly(line)
    assert list(event)[:2] == ["ts", "unix_ts"]
    assert event["ts"] == "2026-03-02T10:15:30.123Z"
    assert decode_line(line).keys() == event.keys() or event["raw"].startswith("\ufeff")


@given(st.floats(0, 4e9))
@example(0.0005)
@example(1772446530.9995)
@example(1772446530.9999999)
def test_both_stamps_are_the_same_millisecond_nearest_to_the_moment(received_s: float) -> None:
    event = json.loads(encode_line(b"{}", received_s), parse_float=Decimal)
    spelled = datetime.strptime(event["ts"], "%Y-%m-%dT%H:%M:%S.%f%z")
    assert Decimal(int(spelled.timestamp())) + Decimal(spelled.microsecond) / 10**6 == event["unix_ts"]
    assert len(event["ts"]) == len("2026-03-02T10:15:30.123Z")
    assert math.isclose(float(event["unix_ts"]), received_s, rel_tol=0, abs_tol=0.000501)


@given(st.lists(st.floats(1.7e9, 1.7e9 + 3), min_size=2, max_size=20).map(sorted))
def test_stamps_never_go_back_while_the_clock_does_not(moments: list[float]) -> None:
    events = [json.loads(encode_line(b"{}", moment)) for moment in moments]
    for before, after in pairwise(events):
        assert before["ts"] <= after["ts"]
        assert before["unix_ts"] <= after["unix_ts"]


# -- objects are spliced ---------------------------------------------------------------------------------------------


@given(frames)
@example(b'{"a":-0,"a":1E5,"b":1208925819614629174706176}')
@example(b' \r\n{"a"\r:\n1 } \n')
@example(b"{}")
@example(b"{ }")
@example(b'{"raw":"mine"}')
@example(b'{"source_ts":1,"nested":{"ts":2,"unix_ts":3}}')
def test_an_object_stands_byte_for_byte_behind_the_stamps(frame: bytes) -> None:
    body = frame.lstrip(b" \t\r\n").replace(b"\r", b" ").replace(b"\n", b" ")
    comma = b"," if json.loads(frame) else b""
    assert encode_line(frame, NOW_S) == HEAD + comma + body[1:] + b"\n"


@given(frames)
def test_what_a_parser_reads_from_the_line_is_what_it_reads_from_the_frame(frame: bytes) -> None:
    line = encode_line(frame, NOW_S)
    event = strictly(line)
    del event["ts"], event["unix_ts"]
    assert event == json.loads(frame)
    assert pairs(line)[2:] == pairs(frame)


@pytest.mark.parametrize(
    ("frame", "line"), [(b"{}", HEAD + b"}\n"), (b"{ }", HEAD + b" }\n"), (b"\n{\r}", HEAD + b" }\n")]
)
def test_an_empty_object_is_a_line_of_stamps_only(frame: bytes, line: bytes) -> None:
    assert encode_line(frame, NOW_S) == line


# -- depth -----------------------------------------------------------------------------------------------------------


def nested(depth: int, kind: str) -> bytes:
    """Return an object that is `depth` levels deep, itself being the first."""
    inner = depth - 1
    match kind:
        case "arrays":
            return b'{"a":' + b"[" * inner + b"]" * inner + b"}"
        case "objects":
            return b'{"a":' * inner + b"{}" + b"}" * inner
        case "mixed":
            return (
                b'{"a":'
                + b"".join((b"[", b'{"b":')[i % 2] for i in range(inner))
                + b"0"
                + b"".join((b"]", b"}")[i % 2] for i in reversed(range(inner)))
                + b"}"
            )
        case _:
            return b'{"a":' + b"[" * inner + b"]" * inner + b',"a":1}'


@pytest.mark.parametrize("kind", ["arrays", "objects", "mixed", "hidden by a duplicate key"])
def test_nesting_is_spliced_down_to_the_limit_and_kept_as_text_below_it(kind: str) -> None:
    at_limit, deeper = nested(MAX_DEPTH, kind), nested(MAX_DEPTH + 1, kind)
    json.loads(at_limit), json.loads(deeper)
    assert encode_line(at_limit, NOW_S) == HEAD + b"," + at_limit[1:] + b"\n"
    assert strictly(encode_line(deeper, NOW_S))["raw"] == deeper.decode()


def test_the_limit_is_250_levels() -> None:
    assert MAX_DEPTH == 250


@pytest.mark.parametrize("inner", [b"", b"[],", b'{"b":[]},{"b":{}},', b'"[",'])
@pytest.mark.parametrize("outer", [b"[", b'{"b":'])
@pytest.mark.parametrize("core", [b"", b"0", b"[]", b"{}", b"[{}]", b'{"b":[]}'])
def test_depth_is_counted_whatever_stands_beside_it(inner: bytes, outer: bytes, core: bytes) -> None:
    def deep(levels: int) -> bytes:
        closer = b"]" if outer == b"[" else b"}"
        innermost = core or (b"0" if outer != b"[" else b"")
        return b'{"x":[' + inner * 200 + b"0]," + b'"a":' + outer * levels + innermost + closer * levels + b"}"

    levels = MAX_DEPTH - 1 - max(0, core.count(b"[") + core.count(b"{"))
    at_limit, deeper = deep(levels), deep(levels + 1)
    json.loads(at_limit), json.loads(deeper)
    assert encode_line(at_limit, NOW_S) == HEAD + b"," + at_limit[1:] + b"\n"
    assert strictly(encode_line(deeper, NOW_S))["raw"] == deeper.decode()


@pytest.mark.parametrize(
    "frame",
    [
        b'{"a":"' + b"[" * 300 + b'"}',
        b'{"a":"\\"' + b"[{" * 300 + b'","b":[[]]}',
        b'{"a":[' + b",".join([b"[]"] * 300) + b"]}",
        b'{"a":[' + b",".join([b'{"b":[1]}'] * 300) + b"]}",
    ],
    ids=["in a string", "behind an escaped quote", "side by side", "side by side, two levels"],
)
def test_many_brackets_that_do_not_nest_are_no_depth(frame: bytes) -> None:
    assert encode_line(frame, NOW_S) == HEAD + b"," + frame[1:] + b"\n"


def test_nesting_beyond_every_parser_is_still_one_line() -> None:
    frame = b'{"a":' * 100_000
    assert strictly(encode_line(frame, NOW_S))["raw"] == frame.decode()


# -- everything else is wrapped --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n",
        "hello",
        "{",
        '{"a":1,}',
        '{"a":1} x',
        "{'a':1}",
        '{"a":NaN}',
        '{"a":Infinity}',
        '{"a":-Infinity}',
        '{"a":1e400}',
        '{"a":-1e400}',
        '{"a":"\\ud800"}',
        '{"\\udfff":1}',
        '{"a":01}',
        '{"a":"line\nbreak"}',
        "[]",
        '[{"a":1}]',
        "1",
        "-0",
        '"text"',
        "true",
        "null",
        "\ufeff{}",
        "\ufeff",
        "漢字 \u2028 \x00 \x1b[2J",
    ],
)
def test_a_text_that_is_no_acceptable_object_is_kept_exactly_under_raw(text: str) -> None:
    event = strictly(encode_line(text.encode(), NOW_S))
    assert list(event) == ["ts", "unix_ts", "raw"]
    assert event["raw"] == text


@given(st.text())
def test_a_wrapped_text_comes_back_exactly(text: str) -> None:
    event = strictly(encode_line(("x" + text).encode(), NOW_S))
    assert event["raw"] == "x" + text


def is_not_utf8(frame: bytes) -> bool:
    try:
        frame.decode()
    except UnicodeDecodeError:
        return True
    return False


@given(st.binary(min_size=1).filter(is_not_utf8))
@example(b"\xff")
@example(b'{"a":"\xff"}')
@example(b'{"a":"\xed\xa0\x80"}')  # a surrogate, encoded
@example(b'{"a":"\xc0\xaf"}')  # an overlong form
def test_bytes_that_are_not_utf8_are_kept_in_base64(frame: bytes) -> None:
    event = strictly(encode_line(frame, NOW_S))
    assert list(event) == ["ts", "unix_ts", "raw_base64"]
    assert base64.b64decode(event["raw_base64"], validate=True) == frame


# -- an object's own stamps ------------------------------------------------------------------------------------------

STAMP_KEYS = ('"ts"', '"t\\u0073"', '"\\u0074s"', '"unix_ts"', '"unix\\u005fts"', '"source_ts"', '"source_unix_ts"')


@given(st.lists(members(st.sampled_from((*STAMP_KEYS, '"a"', '"ts "')), any_values), min_size=1, max_size=6), blanks)
def test_own_stamps_move_to_source_names_and_every_other_byte_stays(own: list[Member], lead: str) -> None:
    names = {json.loads(member.key) for member in own}
    moved = {}
    for stamp in ("ts", "unix_ts"):
        key = stamp
        while key in names:
            moved[key] = key = f"source_{key}"
    frame = lead + "{" + ",".join(member.text() for member in own) + "}"
    expected = ",".join(
        member.text(f'"{moved[name]}"' if (name := json.loads(member.key)) in moved else None) for member in own
    )
    body = expected.replace("\r", " ").replace("\n", " ").encode()
    assert encode_line(frame.encode(), NOW_S) == HEAD + b"," + body + b"}\n"


@pytest.mark.parametrize(
    ("frame", "body"),
    [
        (b'{"ts":"then"}', b'"source_ts":"then"}'),
        (b'{"a":"ts","ts":2}', b'"a":"ts","source_ts":2}'),
        (b'{"unix_ts":1.50}', b'"source_unix_ts":1.50}'),
        (b'{"\\u0074s":1}', b'"source_ts":1}'),
        (b'{"ts":1,"ts":2}', b'"source_ts":1,"source_ts":2}'),
        (b'{"ts":' + str(2**80).encode() + b"}", b'"source_ts":1208925819614629174706176}'),
        (b'{"ts":1,"n":-0,"e":1E5}', b'"source_ts":1,"n":-0,"e":1E5}'),
        (b'{"source_ts":0,"ts":1}', b'"source_source_ts":0,"source_ts":1}'),
        (b'{"ts":{"ts":[{"ts":1}]},"a":["ts",{"ts":1}]}', b'"source_ts":{"ts":[{"ts":1}]},"a":["ts",{"ts":1}]}'),
        (b'{"a":"\\"ts\\":","ts":1}', b'"a":"\\"ts\\":","source_ts":1}'),
    ],
)
def test_no_value_of_an_object_with_own_stamps_is_lost(frame: bytes, body: bytes) -> None:
    assert encode_line(frame, NOW_S) == HEAD + b"," + body + b"\n"


@given(st.lists(members(st.sampled_from(STAMP_KEYS), scalars), min_size=1, max_size=6))
def test_the_line_never_has_two_keys_where_the_frame_had_one(own: list[Member]) -> None:
    frame = "{" + ",".join(member.text() for member in own) + "}"
    keys = [key for key, _ in pairs(encode_line(frame.encode(), NOW_S))]
    assert keys.count("ts") == keys.count("unix_ts") == 1
    assert len(set(keys)) == len({json.loads(member.key) for member in own}) + 2


# -- large frames ----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def pieces_of(size: int) -> Iterator[None]:
    """Look at frames of any size as at large ones, in pieces of this many bytes, a multiple of 3."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line, "PIECE_BYTES", size)
        patch.setattr(line, "pieces", functools.partial(pieces, size=size))
        yield


def in_steps(frame: bytes) -> tuple[bytes, int]:
    """The line, and in how many steps it came."""
    steps = encode_in_steps(frame, NOW_S)
    for count in range(10**9):
        try:
            next(steps)
        except StopIteration as done:
            return done.value, count
    raise AssertionError


own_frames = objects(any_keys, any_values).map(str.encode)


@given(st.one_of(frames, own_frames, broken(frames), broken(own_frames), st.binary()), st.sampled_from((18, 24, 48)))
@example(b'{"a":"' + b"\\ud83d\\ude00" * 9 + b'"}', 18)
@example(b'{"a":"' + b"\\\\" * 30 + b'\\"","ts":1}', 18)
@example('{"ts":"🎥🎥🎥🎥🎥🎥🎥🎥🎥","b":[{"ts":0}],"unix_ts":1}'.encode(), 18)
@example(b'{"abcdefghijklmnopqrstuvwxyz":[[1,2],{"ts":1}],"t\\u0073":2,"source_ts":3}', 18)
@example(b'{"a":' + b" " * 60 + b"[" + b"1" * 60 + b"]" + b" " * 60 + b',"ts":2}', 18)
@example(b"{" + b" " * 60 + b"}", 18)
@example(b'{"a":"\xe6\xbc' + b"\xa2" * 40 + b'"}', 18)
@example(b'{"a":1}{"b":"2"}', 18)
def test_a_frame_that_is_looked_at_in_pieces_gives_the_same_line(frame: bytes, size: int) -> None:
    with pieces_of(size):
        got, _ = in_steps(frame)
    whole = encode_line(frame, NOW_S)
    if b'"raw_base64":' in got[:80] and b'"raw":' in whole[:80]:  # escapes would have more than doubled the text
        assert strictly(whole)["raw"] == base64.b64decode(strictly(got)["raw_base64"]).decode()
    else:
        assert got == whole


@pytest.mark.parametrize(
    "frame",
    [
        b'{"%bts":1,"ts":2}',
        b'{"%bts":1,"source_ts":2}',
        b'{"ts":1,"source_%bts":2}',
        b'{"a":"%bts","ts":2}',
        b'{"a":"%bts","source_ts":2}',
    ],
)
def test_the_end_of_a_string_that_is_cut_is_no_stamp(frame: bytes) -> None:
    with pieces_of(24), pytest.MonkeyPatch.context() as patch:
        patch.setattr("videodb_listen.pieces._LONGEST_KEY", 24)
        for length in range(1, 90):
            one = frame % (b"k" * length)
            assert in_steps(one)[0] == encode_line(one, NOW_S)


@given(st.lists(members(st.sampled_from((*STAMP_KEYS, '"a"')), any_values), min_size=1, max_size=9))
def test_own_stamps_in_pieces_move_to_the_same_names(own: list[Member]) -> None:
    frame = ("{" + ",".join(member.text() for member in own) + "}").encode()
    with pieces_of(24):
        assert in_steps(frame)[0] == encode_line(frame, NOW_S)


LARGE: dict[str, tuple[bytes, bytes]] = {
    "an object": (
        b'{"a":[' + b"[1," * 200 + b"2" + b"]" * 200 + b'],"t":"' + b"\\n" * LARGE_BYTES + b'"}',
        b'"a":[' + b"[1," * 200 + b"2" + b"]" * 200 + b'],"t":"' + b"\\n" * LARGE_BYTES + b'"}',
    ),
    "its own stamps": (
        b'{"ts":0,"a":[' + b'{"ts":1},' * LARGE_BYTES + b'2],"unix_ts":3}',
        b'"source_ts":0,"a":[' + b'{"ts":1},' * LARGE_BYTES + b'2],"source_unix_ts":3}',
    ),
    "too deep": (b'{"a":' + b"[" * 250 + b"[]," * LARGE_BYTES + b"0" + b"]" * 250 + b"}", b'"raw":"{'),
    "half an object": (b'{"a":' + b"[1,2]," * LARGE_BYTES, b'"raw":"{'),
    "an array": (b"[" + b"1," * LARGE_BYTES + b"1]", b'"raw":"[1,'),
    "text": (b"x" * 2 * LARGE_BYTES, b'"raw":"xxx'),
    "text with quotes": (b'"' * 2 * LARGE_BYTES, rb'"raw":"\"\"\"'),
    "text with many controls": (b"ab\x01" * LARGE_BYTES, b'"raw_base64":"' + base64.b64encode(b"ab\x01" * 9)),
    "no text": (b"a" * 2 * LARGE_BYTES + b"\xff", b'"raw_base64":"' + base64.b64encode(b"a" * 9)),
    "a character that is cut off": (
        b"a" * 2 * LARGE_BYTES + b"\xe6\xbc",
        b'"raw_base64":"' + base64.b64encode(b"a" * 9),
    ),
}


@pytest.mark.parametrize("kind", LARGE)
def test_a_large_frame_is_kept_like_a_small_one(kind: str) -> None:
    frame, begins = LARGE[kind]
    assert len(frame) > LARGE_BYTES
    got = encode_line(frame, NOW_S)
    assert got.startswith(HEAD + b"," + begins)
    assert got.index(b"\n") == len(got) - 1
    event = json.loads(got)
    kept = {"raw": lambda text: text.encode(), "raw_base64": base64.b64decode}
    if (name := list(event)[2]) in kept:
        assert kept[name](event[name]) == frame


def test_a_large_text_doubles_at_most() -> None:
    """Escaped, each of its controls would take six bytes."""
    frame = b"\x01" * 2 * LARGE_BYTES
    assert len(encode_line(frame, NOW_S)) < 2 * len(frame)


def test_a_large_frame_leaves_time_for_other_things() -> None:
    frame = b'{"a":[' + b"[]," * LARGE_BYTES + b"0]}"
    got, steps = in_steps(frame)
    assert steps >= 2 * len(frame) // PIECE_BYTES
    assert got == encode_line(frame, NOW_S)


def test_what_a_large_line_says_is_told_by_its_beginning() -> None:
    got = decode_beginning(
        encode_line(b'{"channel":"transcript","data":{"text":"' + b"ab" * LARGE_BYTES + b'"}}', NOW_S)
    )
    assert (got["channel"], got["unix_ts"]) == ("transcript", NOW_S)
    assert 0 < len(got["data"]["text"]) < PIECE_BYTES
    assert set(got["data"]["text"]) == {"a", "b"}


@pytest.mark.parametrize("text", [b"[" + b"1," * LARGE_BYTES + b"1]", b"x" * 2 * LARGE_BYTES])
def test_what_does_not_begin_an_object_says_nothing(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_beginning(text)


# -- the hello -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (b'{"connection_id":"abc"}', "abc"),
        (b'{"status":"connected","connection_id":"a-b_c=/+~!"}', "a-b_c=/+~!"),
        (b'{"connection_id":"' + b"x" * 256 + b'"}', "x" * 256),
        (b'{"connection_id":""}', None),
        (b'{"connection_id":5}', None),
        (b'{"connection_id":null}', None),
        (b'{"connection_id":["a"]}', None),
        (b'{"data":{"connection_id":"abc"}}', None),
        (b'[{"connection_id":"abc"}]', None),
        (b'"connection_id"', None),
        (b"{}", None),
        (b"", None),
        (b"\xff", None),
        (b"connection_id=abc", None),
        (b'\xef\xbb\xbf{"connection_id":"abc"}', "abc"),
        (b'{"connection_id":"abc"' + b" " * MAX_HELLO_BYTES + b"}", None),
    ],
)
def test_a_hello_is_an_object_with_a_connection_id_and_all_else_is_an_event(frame: bytes, expected: str | None) -> None:
    assert hello_id(frame) == expected


@pytest.mark.parametrize("bad", ["a b", "a\tb", "a\n", " ", "x" * 257, "é", "\x1b[2J", "\x7f", "\u202e"])
def test_an_id_that_no_file_and_no_shell_should_hold_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="not printable ASCII without blanks") as failure:
        hello_id(json.dumps({"connection_id": bad}).encode())
    assert str(failure.value).isprintable()
    assert len(str(failure.value)) < 1000


@given(st.binary() | frames)
def test_no_frame_makes_the_hello_fail_in_another_way(frame: bytes) -> None:
    try:
        found = hello_id(frame)
    except ValueError:
        return
    assert found is None or (found.isascii() and found.isprintable() and " " not in found)


@pytest.mark.parametrize(
    ("frame", "event"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b"{}", {}),
        (b"[1]", {"raw": "[1]"}),
        (b"null", {"raw": "null"}),
        (b"half a \n {", {"raw": "half a \n {"}),
        (b"", {"raw": ""}),
        (b"\xff", {"raw_base64": "/w=="}),
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
    ],
)
def test_a_program_gets_any_frame_as_a_dictionary(frame: bytes, event: dict[str, Any]) -> None:
    assert decode_frame(frame) == event


# -- reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"1", b"null", b'"a"', b"\xff", b'{"a":1} {"b":2}'])
def test_a_line_that_is_no_object_is_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_line(line)


def test_a_byte_order_mark_that_an_editor_left_costs_no_event() -> None:
    assert decode_line(b'\xef\xbb\xbf{"a":1}\n') == {"a": 1}


@given(objects(any_keys, any_values).map(str.encode))
def test_a_byte_order_mark_that_a_server_sends_is_kept_and_hides_no_event(frame: bytes) -> None:
    kept = encode_line(b"\xef\xbb\xbf" + frame, NOW_S)
    assert strictly(kept)["raw"].encode() == b"\xef\xbb\xbf" + frame
    assert list(decode_line(kept).items()) == list(decode_line(encode_line(frame, NOW_S)).items())


@pytest.mark.parametrize("raw", ["\ufeff", "\ufeff[]", '\ufeff{"a":1', "\ufeff\ufeff{}", "x\ufeff{}"])
def test_a_byte_order_mark_in_front_of_anything_else_is_a_character(raw: str) -> None:
    assert decode_line(encode_line(raw.encode(), NOW_S))["raw"] == raw


@given(st.integers(0, 2**32), st.binary(max_size=40))
def test_an_id_tells_the_second_of_its_line_and_so_does_its_beginning(second: int, frame: bytes) -> None:
    line = encode_line(frame, second + 0.25)
    assert second in (seconds_in(id_of(line)) or [])
    assert second in (seconds_in(id_of(line)[:LEAST_ID].upper()) or [])


def test_ids_ascend_with_the_time_and_differ_within_a_second() -> None:
    lines = [encode_line(b'{"n":%d}' % n, 1_772_446_530 + n / 100) for n in range(1000)]
    ids = [id_of(line) for line in lines]
    assert len(set(ids)) == 1000
    assert [id[:6] for id in ids] == sorted(id[:6] for id in ids)
    assert {len(id) for id in ids} == {12}


@pytest.mark.parametrize("text", ["", "5s0", "5sa1b2", "everything", "5s0a1b2c3d4e5", "2026-03-02", "5s0a1b2\n"])
def test_what_is_no_id_tells_no_second(text: str) -> None:
    assert seconds_in(text) is None


def test_a_line_without_a_stamp_has_an_id_as_well() -> None:
    assert id_of(b"not json\n") != id_of(b"nor this\n")
