"""Bisection answers what a full scan answers, whatever was recorded before the run and rotated since."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from support.history import NOW_S, HandMade
from videodb_listen.reader import query
from videodb_listen.reader.blocks import Reader
from videodb_listen.reader.history import History
from videodb_listen.reader.query import select
from videodb_listen.reader.run import Run
from videodb_listen.reader.seek import place_since, read_since, received_before

LONG = "x" * 9000


def stamped(at_s: int, *, long: bool = False) -> bytes:
    event = {"ts": "2026-03-02T10:15:30.123Z", "unix_ts": float(at_s), "text": LONG if long else ""}
    return json.dumps(event, separators=(",", ":")).encode() + b"\n"


def damaged(line: bytes) -> None:
    raise AssertionError(line)


def lines_since(reader: Reader, run: Run | None, since_s: float) -> list[bytes]:
    blocks = read_since(reader, run, since_s)
    return [line for block in blocks for line, _ in select(block.data, query.since(since_s), damaged)]


stamps = st.lists(st.integers(0, 50), max_size=12)
ascending = st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=25)
rotations = st.lists(st.sampled_from([False, False, False, True]), min_size=25, max_size=25)


@given(stamps, stamps, ascending, rotations, st.integers(-1, 130), st.booleans(), st.integers(0, 3))
def test_bisection_and_a_full_scan_give_the_same_lines(
    generation: list[int],
    before: list[int],
    steps: list[tuple[int, bool]],
    rotated: list[bool],
    since_s: int,
    packed: bool,
    removed: int,
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        site = HandMade(Path(directory))
        site.events.write_bytes(b"".join(map(stamped, generation)))
        site.rotate()
        site.events.write_bytes(b"".join(map(stamped, before)))
        run = Run(site.stamps[-1], site.events.stat().st_size)
        at_s = 0
        for (step, long), now_rotated in zip(steps, rotated, strict=False):
            at_s += step
            with site.events.open("ab") as file:
                file.write(stamped(at_s, long=long))
            if now_rotated:
                site.rotate()
                run = Run(site.stamps[-1], 0) if run.offset else run
        if packed:
            site.compress()
        for stamp in site.stamps[:removed]:
            for path in site.directory.glob(f"*{stamp}*"):
                path.unlink()
        with Reader(History(site.directory)) as reader:
            everything = lines_since(reader, None, since_s)
        with Reader(History(site.directory)) as reader:
            assert lines_since(reader, run, since_s) == everything
            assert reader.read() is None, "the reader stands at the end"


def test_a_run_whose_file_was_rotated_without_a_word_is_read_through(site: HandMade) -> None:
    site.append(3)
    run = Run(None, site.events.stat().st_size)
    site.append(3)
    site.rotate()
    site.append(3)
    assert place_since(History(site.directory), run, 0.0) is None
    with Reader(History(site.directory)) as reader:
        assert len(lines_since(reader, run, 0.0)) == 9


def test_only_the_end_is_read_when_only_the_end_is_wanted(site: HandMade) -> None:
    site.append(20_000)
    since_s = json.loads(site.events.read_bytes().splitlines()[-3])["unix_ts"]
    place = place_since(History(site.directory), Run(None, 0), since_s)
    assert place is not None
    with Reader(History(site.directory), place) as reader:
        block = reader.read()
        assert block is not None
        assert len(block.lines()) == 3


def test_when_the_line_before_a_place_was_received_is_known(site: HandMade) -> None:
    site.append(2)
    site.rotate()
    site.append(2)
    with Reader(History(site.directory)) as reader:
        assert received_before(reader.history, reader.place) is None
        for _ in reader.blocks():
            pass
    assert received_before(reader.history, reader.place) == NOW_S + 3
    site.clear()
    assert received_before(reader.history, reader.place) is None
