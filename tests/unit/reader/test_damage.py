"""Damage is found where it is, and nothing else is taken for it."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videodb_listen.line import encode_line
from videodb_listen.reader.damage import Chain, Spot, excerpt_of, lines_in, scan, stamp_of
from videodb_listen.text import visible

NOW_S = 1772446530.0


def line(number: int) -> bytes:
    return encode_line(b'{"n":%d}' % number, NOW_S + number)


def kinds(*lines: bytes, run_from: int | None = None, chain: Chain | None = None) -> list[list[str]]:
    """What one chain says of each of `lines`, which stand in one file."""
    chain = chain or Chain()
    found, offset = [], 0
    for each in lines:
        found.append(chain.judge(each, offset, run_from=run_from))
        offset += len(each)
    return found


def scanned(data: bytes, *cuts: int) -> list[tuple[str, int, int]]:
    """Kind, line and offset of what is found in `data`, which comes in chunks cut at `cuts`."""
    spots = scan("f", pieces(data, cuts), partial(Chain().judge, run_from=0))
    return [(spot.kind, spot.line, spot.offset) for spot in spots]


def pieces(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    ends = sorted({0, *(cut for cut in cuts if cut < len(data)), len(data)})
    return [data[begin:end] for begin, end in itertools.pairwise(ends)]


# -- one line after another --


@pytest.mark.parametrize(
    "damaged",
    [b"\n", b'{"half\n', b"[1]\n", b"5\n", b"\0\0\0\n", b'{"a":NaN}\n', b'{"a":"\xff"}\n', b"{}{}\n"],
    ids=repr,
)
def test_what_is_no_json_object_is_torn(damaged: bytes) -> None:
    assert kinds(line(1), damaged, line(2)) == [[], ["torn"], []]


@pytest.mark.parametrize(
    ("event", "stamp"),
    [
        ({"ts": "2026-03-02T10:15:30.000Z", "unix_ts": NOW_S}, NOW_S),
        ({"channel": "a", "unix_ts": NOW_S, "ts": "2026-03-02T10:15:30.000Z"}, NOW_S),
        ({"ts": "2026-03-02T10:15:30.000Z"}, NOW_S),
        ({"unix_ts": NOW_S}, NOW_S),
        ({"unix_ts": "?", "ts": "2026-03-02T10:15:30.000Z"}, NOW_S),
        ({"unix_ts": True, "ts": "soon"}, None),
        ({"data": {"unix_ts": NOW_S}}, None),
        ({}, None),
    ],
)
def test_either_stamp_will_do_wherever_it_stands_in_the_object(event: dict[str, Any], stamp: float | None) -> None:
    assert stamp_of(event) == stamp
    assert kinds(json.dumps(event).encode() + b"\n") == [[] if stamp else ["unstamped"]]


def test_equal_stamps_are_in_order() -> None:
    assert kinds(encode_line(b'{"a":1}', NOW_S), encode_line(b'{"a":2}', NOW_S)) == [[], []]


def test_a_stamp_is_compared_with_the_one_before_it_whatever_stands_between() -> None:
    assert kinds(line(5), b"{\n", b'{"a":1}\n', line(4), line(4_000)) == [
        [],
        ["torn"],
        ["unstamped"],
        ["out_of_order"],
        [],
    ]


@pytest.mark.parametrize(
    ("run_from_line", "kind"),
    [(None, "out_of_order"), (0, "out_of_order_in_run"), (1, "out_of_order_in_run"), (2, "out_of_order")],
)
def test_a_clock_may_be_set_back_before_a_run_but_not_in_it(run_from_line: int | None, kind: str) -> None:
    run_from = None if run_from_line is None else run_from_line * len(line(0))
    assert kinds(line(7), line(8), line(3), line(4), run_from=run_from) == [[], [], [kind], []]


def test_the_order_goes_on_across_files() -> None:
    chain = Chain()
    assert kinds(line(5), chain=chain) == [[]]
    assert kinds(line(4), chain=chain) == [["out_of_order"]]
    assert kinds(line(3), chain=chain, run_from=0) == [["out_of_order"]]
    assert kinds(line(2), chain=chain, run_from=0) == [["out_of_order_in_run"]]


def test_a_line_that_is_there_twice_is_a_duplicate_stamps_included() -> None:
    later = encode_line(b'{"n":1}', NOW_S + 2)
    assert kinds(line(1), later, later, later) == [[], [], ["duplicate"], ["duplicate"]]


@given(st.lists(st.integers(0, 30), max_size=200), st.integers(1, 20))
def test_duplicates_are_looked_for_among_the_last_different_lines(numbers: list[int], window: int) -> None:
    different: list[int] = []
    expected = []
    for number in numbers:
        expected.append(number in different[-window:])
        if not expected[-1]:
            different.append(number)
    found = kinds(*(b'{"n":%d}\n' % number for number in numbers), chain=Chain(window))
    assert ["duplicate" in each for each in found] == expected


# -- one file --


@given(st.lists(st.sampled_from([b"\n", b"\r", b"a"])).map(b"".join), st.lists(st.integers(0, 50)))
def test_the_lines_are_the_same_however_the_file_is_cut_into_chunks(data: bytes, cuts: list[int]) -> None:
    assert list(lines_in(pieces(data, cuts))) == io.BytesIO(data).readlines()


damage = st.binary(min_size=0, max_size=40).map(lambda data: b"?" + data.replace(b"\n", b""))


@given(st.integers(0, 12), st.integers(0, 12), damage, st.lists(st.integers(0, 900)))
def test_damage_in_any_line_of_a_good_file_is_found_exactly_there(
    before: int, after: int, damaged: bytes, cuts: list[int]
) -> None:
    good = [line(number) for number in range(before + after)]
    begin = b"".join(good[:before])
    data = begin + damaged + b"\n" + b"".join(good[before:])
    assert scanned(data, *cuts) == [("torn", before + 1, len(begin))]


@given(st.integers(1, 6), st.data())
def test_a_file_that_is_cut_anywhere_is_whole_up_to_its_last_line(count: int, data: st.DataObject) -> None:
    whole = b"".join(line(number) for number in range(count))
    size = data.draw(st.integers(0, len(whole)))
    lines, rest = whole[:size].count(b"\n"), size - (whole[:size].rfind(b"\n") + 1)
    kind = "unterminated" if whole[size : size + 1] == b"\n" else "unfinished"
    assert scanned(whole[:size]) == ([(kind, lines + 1, size - rest)] if rest else [])


def test_a_disk_that_fails_is_a_break_behind_the_last_whole_line() -> None:
    def chunks() -> Iterator[bytes]:
        yield line(1) + b"half"
        raise OSError(5, "Input/output error")

    (spot,) = scan("f", chunks(), partial(Chain().judge, run_from=None))
    assert spot == Spot("broken", "f", 2, len(line(1)), "[Errno 5] Input/output error")


@given(st.binary(max_size=2000))
def test_an_excerpt_is_short_and_safe_whatever_the_bytes(data: bytes) -> None:
    shown = excerpt_of(data)
    assert len(shown) <= 60
    assert shown == visible(shown)


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b'{"half\n', '{"half'),
        (b"a\x1b[2Jb\n", "a\\x1b[2Jb"),
        (b"\xff\n", "\\xff"),
        ("wörter\n".encode(), "wörter"),
        (b"x" * 61 + b"\n", "x" * 59 + "…"),
    ],
)
def test_an_excerpt_is_the_beginning_of_the_line(data: bytes, shown: str) -> None:
    assert excerpt_of(data) == shown
