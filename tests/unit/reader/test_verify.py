"""Damage is found where it is, and nothing else is taken for it."""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import io
import itertools
import json
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videodb_listen.line import encode_line
from videodb_listen.paths import Layout
from videodb_listen.reader import verify as module
from videodb_listen.reader.damage import DAMAGE, NOTED, Chain, Spot, excerpt_of, lines_in, scan, stamp_of
from videodb_listen.reader.history import History, OpenPart, Part
from videodb_listen.reader.seek import Run
from videodb_listen.reader.verify import SHOWN, Report, run_begins, verify
from videodb_listen.text import visible

NOW_S = 1772446530.0
OLD, OLDER = "20260302T101530.000Z", "20260302T091530.000Z"


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
    assert scanned(whole[:size]) == ([("unfinished", lines + 1, size - rest)] if rest else [])


PACKED = gzip.compress(b"".join(line(number) for number in range(40)), 1)


def of_gzip(path: Path, content: bytes) -> tuple[list[tuple[str, str]], int]:
    """Kinds and excerpts of what is found in a compressed file with this content, and how many lines were read."""
    path.write_bytes(content)
    chain = Chain()
    with contextlib.closing(OpenPart(Part("stamp", (path,)), None)) as part:
        spots = list(scan(path.name, module._chunks(part), partial(chain.judge, run_from=None)))
    return [(spot.kind, spot.excerpt) for spot in spots], chain.lines


def test_a_compressed_file_that_is_cut_anywhere_is_broken(tmp_path: Path) -> None:
    for size in range(len(PACKED)):
        found, lines = of_gzip(tmp_path / "f.gz", PACKED[:size])
        assert [kind for kind, _ in found] == ["broken"]
        assert found[0][1]
        assert lines <= 40
    assert of_gzip(tmp_path / "f.gz", PACKED) == ([], 40)


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (PACKED[:-8], 40),
        (PACKED[:-8] + b"\1" * 8, 40),
        (PACKED + b"more", 40),
        (b"plain text\n", 0),
        (PACKED[:20] + b"\xff" * 40, 0),
    ],
    ids=["no checksum", "wrong checksum", "something behind it", "not compressed", "overwritten"],
)
def test_what_can_be_read_before_a_break_is_read(tmp_path: Path, content: bytes, lines: int) -> None:
    found, read = of_gzip(tmp_path / "f.gz", content)
    assert ([kind for kind, _ in found], read) == (["broken"], lines)


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


# -- where the run is --


@pytest.mark.parametrize(
    ("run", "stamp", "begun", "begin"),
    [
        (None, None, False, None),
        (Run(None, 7), OLD, False, 7),
        (Run(None, 7), None, True, 0),
        (Run(OLD, 7), OLDER, False, None),
        (Run(OLD, 7), OLD, False, None),
        (Run(OLD, 7), None, False, 7),
        (Run(OLDER, 7), OLD, False, 7),
        (Run(OLDER, 7), None, True, 0),
    ],
)
def test_a_run_begins_in_the_first_file_behind_its_generation(
    run: Run | None, stamp: str | None, begun: bool, begin: int | None
) -> None:
    assert run_begins(run, stamp, begun=begun) == begin


# -- the report --


def spot(kind: str, number: int = 1) -> Spot:
    return Spot(kind, "f", number, 0, "")


def test_the_first_damage_is_listed_and_the_rest_counted() -> None:
    report = Report()
    report.take(spot("torn", number) for number in range(100))
    assert report.damaged == 100
    assert [found.line for found in report.damage] == list(range(SHOWN))


@pytest.mark.parametrize("kind", [*DAMAGE, *NOTED])
def test_a_kind_is_damage_or_only_noted(kind: str) -> None:
    report = Report()
    report.take([spot(kind, 1), spot(kind, 2)])
    assert report.counts == {kind: 2}
    assert report.damaged == (2 if kind in DAMAGE else 0)
    assert [*report.damage, *report.noted.values()][0] == spot(kind, 1)


# -- a directory --


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Nine good events: three compressed, three rotated, three in the events file."""
    layout = Layout(tmp_path)
    packed = layout.generation(OLDER)
    packed.with_name(packed.name + ".gz").write_bytes(gzip.compress(line(0) + line(1) + line(2)))
    layout.generation(OLD).write_bytes(line(3) + line(4) + line(5))
    layout.events.write_bytes(line(6) + line(7) + line(8))
    return layout


def verified(layout: Layout) -> Report:
    return verify(History(layout.directory), layout)


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def say_run(layout: Layout, after: str | None, offset: int) -> None:
    layout.state.write_text(json.dumps({"run_after": after, "run_from": offset}))


def test_a_whole_directory_is_whole(layout: Layout) -> None:
    report = verified(layout)
    assert (report.files, report.events, report.bytes) == (3, 9, sum(len(line(n)) for n in range(9)))
    assert (report.damaged, report.counts, report.tails) == (0, {}, [])


def test_nothing_is_changed(layout: Layout) -> None:
    append(layout.events, b"{half\n{half")
    layout.journal.write_bytes(b"{half")
    say_run(layout, None, 0)

    def everything() -> dict[str, tuple[bytes, int]]:
        return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in layout.directory.iterdir()}

    before = everything()
    assert verified(layout).damaged == 3
    assert everything() == before


def test_damage_is_named_by_its_file_whatever_its_form(layout: Layout) -> None:
    packed = next(layout.directory.glob("*.gz"))
    packed.write_bytes(gzip.compress(line(0) + b"{a\n"))
    append(layout.generation(OLD), b"{b\n")
    append(layout.events, b"{c\n")
    size = len(line(0))
    assert verified(layout).damage == [
        Spot("torn", packed.name, 2, size, "{a"),
        Spot("torn", layout.generation(OLD).name, 4, 3 * size, "{b"),
        Spot("torn", layout.events.name, 4, 3 * size, "{c"),
    ]


def test_a_broken_generation_is_damage_and_the_files_behind_it_are_read(layout: Layout) -> None:
    packed = next(layout.directory.glob("*.gz"))
    packed.write_bytes(packed.read_bytes()[:-8])
    report = verified(layout)
    assert (report.damaged, report.events) == (1, 9)
    assert report.damage[0].kind == "broken"


def test_the_last_run_is_known_across_generations(layout: Layout) -> None:
    say_run(layout, OLDER, 1)  # behind the beginning of the generation that came next
    layout.generation(OLD).write_bytes(encode_line(b"{}", NOW_S) + line(5) + line(4))
    layout.events.write_bytes(line(3))
    report = verified(layout)
    assert report.counts == {"out_of_order": 1, "out_of_order_in_run": 2}
    assert report.noted["out_of_order"].file == layout.generation(OLD).name
    assert [found.line for found in report.damage] == [3, 1]


@pytest.fixture
def held(layout: Layout) -> Iterator[None]:
    """A listener holds the directory."""
    with layout.lock.open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_a_last_line_without_its_end_is_damage_when_nobody_writes_it(layout: Layout) -> None:
    append(layout.events, line(9)[:-1])
    append(layout.journal, b'{"event":"conn')
    report = verified(layout)
    assert [(found.kind, found.file, found.line) for found in report.damage] == [
        ("unfinished", layout.events.name, 4),
        ("unfinished", layout.journal.name, 1),
    ]
    assert (report.events, report.tails) == (9, [])


@pytest.mark.usefixtures("held")
def test_a_last_line_without_its_end_is_being_written_while_a_listener_runs(layout: Layout) -> None:
    append(layout.events, line(9)[:-1])
    append(layout.journal, b'{"event":"conn')
    report = verified(layout)
    assert (report.damaged, report.events) == (0, 9)
    assert [tail.file for tail in report.tails] == [layout.events.name, layout.journal.name]


@pytest.mark.usefixtures("held")
def test_a_generation_is_written_by_nobody(layout: Layout) -> None:
    append(layout.generation(OLD), b'{"half')
    assert [found.kind for found in verified(layout).damage] == ["unfinished"]


def test_a_listener_that_comes_while_we_read_may_be_writing_too(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([False, True])
    monkeypatch.setattr(module, "is_held", lambda _: next(answers))
    append(layout.events, b'{"half')
    assert verified(layout).damaged == 0


def test_torn_records_of_the_journal_are_worth_knowing(layout: Layout) -> None:
    layout.journal.write_bytes(b'{"event":"connected"}\n{"ev\n{"event":"gap"}\n')
    report = verified(layout)
    assert report.noted == {"torn_journal": Spot("torn_journal", layout.journal.name, 2, 22, '{"ev')}
    assert report.damaged == 0
    assert report.events == 9


def test_fragments_that_repair_set_aside_are_counted(layout: Layout) -> None:
    for number in range(3):
        layout.torn(f"20260302T10153{number}.000000Z").write_bytes(b"x" * number)
    report = verified(layout)
    assert (report.fragments, report.fragment_bytes, report.damaged) == (3, 3, 0)


def test_a_file_that_is_cleared_while_it_is_read_is_looked_at_again(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    cleared: list[bytes] = [line(10)]

    def in_the_middle(part: OpenPart) -> Iterator[bytes]:
        if part.stamp is None and cleared:
            yield part.read_at(0, 10)
            layout.events.write_bytes(cleared.pop())
            yield b"\n"
        yield part.read_at(0, 1 << 20)

    monkeypatch.setattr(module, "_chunks", in_the_middle)
    report = verified(layout)
    assert (report.damaged, report.events) == (0, 7)


def test_what_comes_while_the_file_is_read_is_not_looked_at(layout: Layout) -> None:
    (part,) = History(layout.events).open_each(None)
    chunks = module._chunks(part)
    first = next(chunks)
    append(layout.events, line(9))
    assert (first, list(chunks)) == (line(6) + line(7) + line(8), [])
    part.close()


def test_an_empty_file_is_whole(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.events.touch()
    assert verified(layout) == Report(files=1)
