"""A directory is looked at whole: every file, every byte, and nothing is changed."""

from __future__ import annotations

import contextlib
import gzip
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from videodb_listen.line import encode_line
from videodb_listen.paths import Layout
from videodb_listen.reader import verify as module
from videodb_listen.reader.damage import DAMAGE, NOTED, Chain, Spot, scan
from videodb_listen.reader.history import History, OpenPart, Part
from videodb_listen.reader.verify import SHOWN, Report, verify

NOW_S = 1772446530.0
OLD, OLDER = "20260302T101530.000Z", "20260302T091530.000Z"


def line(number: int) -> bytes:
    return encode_line(b'{"n":%d}' % number, NOW_S + number)


# -- one compressed file --

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
    return verify(History(layout.directory))


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


def test_a_last_line_without_its_end_is_damage_when_nobody_writes_it(layout: Layout) -> None:
    append(layout.events, line(9)[:-2])
    append(layout.journal, b'{"event":"conn')
    report = verified(layout)
    assert [(found.kind, found.file, found.line) for found in report.damage] == [
        ("unfinished", layout.events.name, 4),
        ("unfinished", layout.journal.name, 1),
    ]
    assert (report.events, report.tails) == (9, [])


@pytest.mark.parametrize("name", ["events", "generation"])
def test_a_last_line_that_lacks_only_its_newline_is_an_event_and_noted(layout: Layout, name: str) -> None:
    path = layout.events if name == "events" else layout.generation(OLD)
    path.write_bytes(path.read_bytes()[:-1])
    report = verified(layout)
    assert (report.damaged, report.events) == (0, 9)
    assert report.noted["unterminated"].file == path.name
    assert report.counts == {"unterminated": 1}


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
    monkeypatch.setattr(History, "is_written", lambda _: next(answers))
    append(layout.events, b'{"half')
    assert verified(layout).damaged == 0


def test_torn_records_of_the_journal_are_worth_knowing(layout: Layout) -> None:
    layout.journal.write_bytes(b'{"event":"connected"}\n{"ev\n{"event":"gap"}\n')
    report = verified(layout)
    assert report.noted == {"torn_journal": Spot("torn_journal", layout.journal.name, 2, 22, '{"ev')}
    assert report.damaged == 0
    assert report.events == 9


def test_fragments_that_repair_cut_off_are_counted(layout: Layout) -> None:
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


def test_the_report_is_one_json_object_with_every_kind(layout: Layout) -> None:
    append(layout.events, b"{half\n")
    layout.journal.write_text('{"event":"gap"}\n{"event":"gap"}\n{"event":"recovered"}\n')
    said = verified(layout).as_dict()
    assert json.loads(json.dumps(said)) == said
    assert {kind: said[kind] for kind in (*DAMAGE, *NOTED) if said[kind]} == {"torn": 1}
    assert (said["whole"], said["damaged"], said["damage"][0]["excerpt"]) == (False, 1, "{half")
    assert (said["gaps"], said["gaps_recovered"], said["gaps_unrecoverable"]) == (2, 1, 0)


def test_one_file_alone_is_looked_at_alone(layout: Layout) -> None:
    append(layout.events, b'{"half')
    layout.journal.write_bytes(b"{half\n")
    report = verify(History(layout.events))
    assert (report.files, report.events, report.counts) == (1, 3, {"unfinished": 1})


def test_an_empty_file_is_whole(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.events.touch()
    assert verified(layout) == Report(files=1)
