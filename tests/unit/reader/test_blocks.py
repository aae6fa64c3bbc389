"""Every line once and in order, from any place on, whatever is done to the files meanwhile."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.history import HandMade, Heard, line
from videodb_listen.reader.blocks import CLEARED, LOST_PLACE, Reader
from videodb_listen.reader.history import History, Place
from videodb_listen.reader.losses import Break, Losses


def numbers(reader: Reader) -> list[int]:
    """What is new, as the numbers of the lines."""
    return [json.loads(text)["n"] for block in reader.blocks() for text in block.lines()]


class NoLosses(Losses):
    """Fails when it is told of a loss."""

    def restarted(self, why: str) -> None:
        pytest.fail(why)

    def damaged(self, line: bytes) -> None:
        pytest.fail(repr(line))

    def broken(self, at: Break) -> None:
        pytest.fail(str(at))


def test_a_history_without_files_has_nothing_to_read(site: HandMade) -> None:
    with Reader(History(site.directory)) as reader:
        assert reader.read() is None
        site.append(2)
        assert numbers(reader) == [0, 1]


@pytest.mark.usefixtures("held")
def test_while_somebody_writes_a_line_is_there_when_its_newline_is(site: HandMade) -> None:
    with Reader(History(site.directory), losses=NoLosses()) as reader:
        site.events.write_bytes(line(0)[:-1])
        assert numbers(reader) == []
        with site.events.open("ab") as file:
            file.write(b"\n" + line(1)[:9])
        assert numbers(reader) == [0]


def test_a_last_line_without_its_newline_is_there_when_nobody_writes(site: HandMade) -> None:
    site.events.write_bytes(line(0) + line(1)[:-1])
    for source in (site.directory, site.events):
        with Reader(History(source), losses=NoLosses()) as reader:
            assert numbers(reader) == [0, 1]
            assert reader.place.offset == site.events.stat().st_size
            assert numbers(reader) == []


@pytest.mark.parametrize("before", [b"", line(0)], ids=["the first line", "another"])
def test_a_newline_that_comes_later_ends_that_line_and_is_none_of_its_own(site: HandMade, before: bytes) -> None:
    site.events.write_bytes(before + line(1)[:-1])
    with Reader(History(site.directory), losses=NoLosses()) as reader:
        numbers(reader)
        place = reader.place
        with site.events.open("ab") as file:
            file.write(b"\n")
        assert numbers(reader) == []
        with site.events.open("ab") as file:
            file.write(line(2))
        assert numbers(reader) == [2]
    with Reader(History(site.directory), place, losses=NoLosses()) as reader:
        assert numbers(reader) == [2]


@pytest.mark.parametrize("rotated", [False, True])
def test_a_fragment_at_the_end_is_told_once_and_not_passed_while_it_may_be_mended(
    site: HandMade, rotated: bool
) -> None:
    losses = Heard()
    with Reader(History(site.directory), losses=losses) as reader:
        site.append(1)
        with site.events.open("ab") as file:
            file.write(b'{"half')
        if rotated:
            site.rotate()
            site.append(1)
        assert numbers(reader) == list(range(site.written))
        assert numbers(reader) == []
        assert losses.lines == [b'{"half']
        assert reader.place.offset == len(line(0))


def test_a_blank_line_in_the_middle_is_given_as_it_is(site: HandMade) -> None:
    site.events.write_bytes(line(0) + b"\n" + line(1))
    with Reader(History(site.directory)) as reader:
        first = reader.read(len(line(0)))
        assert first is not None
        rest = reader.read()
    assert rest is not None
    assert first.data + rest.data == site.events.read_bytes()


def test_a_line_longer_than_a_block_is_read_whole(site: HandMade) -> None:
    site.append(2, text="x" * 10_000)
    with Reader(History(site.directory)) as reader:
        block = reader.read(100)
        assert block is not None
        assert [json.loads(text)["n"] for text in block.lines()] == [0]
        assert numbers(reader) == [1]


def test_a_rotated_file_is_finished_before_the_next_is_begun(site: HandMade) -> None:
    with Reader(History(site.directory)) as reader:
        site.append(2)
        assert numbers(reader) == [0, 1]
        site.append(2)
        site.rotate()
        site.append(2)
        assert numbers(reader) == [2, 3, 4, 5]


def test_a_moved_file_is_read_on_while_there_is_no_other(site: HandMade) -> None:
    with Reader(History(site.directory)) as reader:
        site.append(1)
        assert numbers(reader) == [0]
        moved = site.directory / "moved"
        site.events.rename(moved)
        with moved.open("ab") as file:
            file.write(line(1))
        assert numbers(reader) == [1]
        with moved.open("ab") as file:
            file.write(line(2))
        site.written = 3
        site.append(1)
        assert numbers(reader) == [2, 3]


def test_a_file_deleted_and_made_anew_is_read_from_its_beginning(site: HandMade) -> None:
    with Reader(History(site.directory)) as reader:
        site.append(2)
        assert numbers(reader) == [0, 1]
        site.append(1)
        site.replace()
        site.append(2)
        assert numbers(reader) == [2, 3, 4]


@pytest.mark.parametrize("filled", [0, 1, 5], ids=["empty", "shorter", "longer than before"])
def test_a_cleared_file_is_said_and_read_from_its_beginning(site: HandMade, filled: int) -> None:
    losses = Heard()
    with Reader(History(site.directory), losses=losses) as reader:
        site.append(3)
        assert numbers(reader) == [0, 1, 2]
        site.clear()
        site.append(filled)
        assert numbers(reader) == list(range(3, 3 + filled))
        assert losses.restarts == [CLEARED]
        site.append(1)
        assert numbers(reader) == [3 + filled]
    assert losses == Heard([CLEARED])


def test_an_inode_that_comes_back_with_other_content_is_another_file(site: HandMade) -> None:
    site.append(2)
    with Reader(History(site.directory)) as reader:
        assert numbers(reader) == [0, 1]
        place, inode = reader.place, site.events.stat().st_ino
    site.events.unlink()
    site.append(5)
    same = site.events.stat().st_ino == inode
    losses = Heard()
    with Reader(History(site.directory), place, losses=losses) as reader:
        assert numbers(reader) == [2, 3, 4, 5, 6], f"the same inode: {same}"
    assert losses == Heard([CLEARED])


def test_a_place_in_a_generation_that_was_removed_goes_on_with_the_next(site: HandMade) -> None:
    site.append(2)
    with Reader(History(site.directory)) as reader:
        assert numbers(reader) == [0, 1]
        place = reader.place
    for _ in range(2):
        site.rotate()
        site.append(2)
    (site.directory / f"videodb_events.{site.stamps[0]}.jsonl").unlink()
    losses = Heard()
    with Reader(History(site.directory), place, losses=losses) as reader:
        assert numbers(reader) == [2, 3, 4, 5]
    assert losses == Heard([LOST_PLACE])


def test_generations_of_both_forms_are_read_as_one_with_the_live_file(site: HandMade) -> None:
    for _ in range(4):
        site.append(3)
        site.rotate()
        site.compress()
    site.append(3)
    assert sum(path.suffix == ".gz" for path in site.directory.iterdir()) == 3
    with Reader(History(site.directory)) as reader:
        assert numbers(reader) == list(range(15))


def test_a_generation_that_is_there_in_both_forms_is_read_once(site: HandMade) -> None:
    site.append(2)
    site.rotate()
    plain = site.directory / f"videodb_events.{site.stamps[0]}.jsonl"
    plain.with_name(plain.name + ".gz").write_bytes(b"being made")
    with Reader(History(site.directory)) as reader:
        assert numbers(reader) == [0, 1]


def test_a_broken_generation_ends_where_it_breaks_and_that_is_told(site: HandMade) -> None:
    for _ in range(2):
        site.append(5000)
        site.rotate()
    site.compress()
    packed = site.directory / f"videodb_events.{site.stamps[0]}.jsonl.gz"
    packed.write_bytes(packed.read_bytes()[:-100])
    losses = Heard()
    with Reader(History(site.directory), losses=losses) as reader:
        found = numbers(reader)
    good = len(found) - 5000
    assert found == [*range(good), *range(5000, 10_000)]
    assert good > 4000
    (told,) = losses.breaks
    assert (told.file, told.offset, losses.lines) == (packed.name, len(b"".join(map(line, range(good)))), [])
    assert told.why


@pytest.mark.parametrize(
    "content", [b"", b"\x1f\x8b", b"plain text\n"], ids=["empty", "cut in its header", "not packed"]
)
def test_a_generation_of_which_nothing_can_be_read_is_told_as_well(site: HandMade, content: bytes) -> None:
    site.append(1)
    site.rotate()
    site.append(1)
    plain = site.directory / f"videodb_events.{site.stamps[0]}.jsonl"
    plain.unlink()
    plain.with_name(plain.name + ".gz").write_bytes(content)
    losses = Heard()
    with Reader(History(site.directory), losses=losses) as reader:
        assert numbers(reader) == [1]
    assert [(told.file, told.offset) for told in losses.breaks] == [(plain.name + ".gz", 0)]


def test_a_cursor_in_a_generation_that_broke_since_passes_the_hole_and_says_so(site: HandMade) -> None:
    for count in (5000, 10):
        site.append(count)
        site.rotate()
    with Reader(History(site.directory)) as reader:
        assert reader.read(1000) is not None
        place = reader.place
    site.compress()
    packed = site.directory / f"videodb_events.{site.stamps[0]}.jsonl.gz"
    packed.write_bytes(packed.read_bytes()[:-100])
    losses = Heard()
    with Reader(History(site.directory), place, losses=losses) as reader:
        found = numbers(reader)
        assert numbers(reader) == []
    assert found[-10:] == list(range(5000, 5010))
    assert (losses.restarts, [told.file for told in losses.breaks]) == ([], [packed.name])


def test_one_file_alone_has_no_generations(site: HandMade) -> None:
    site.append(1)
    site.rotate()
    site.append(1)
    with Reader(History(site.events)) as reader:
        assert numbers(reader) == [1]


def test_a_fifo_in_place_of_the_file_does_not_hang(site: HandMade) -> None:
    os.mkfifo(site.events)
    with Reader(History(site.directory)) as reader, pytest.raises(OSError, match="not a regular file"):
        reader.read()


ACTIONS = st.lists(
    st.sampled_from(["append", "append", "rotate", "compress", "read", "read a little", "resume"]), max_size=30
)


@given(ACTIONS, st.integers(1, 400))
def test_no_order_of_rotations_and_reads_loses_or_doubles_a_line(actions: list[str], size: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        site = HandMade(Path(directory))
        reader = Reader(History(site.directory))
        seen: list[int] = []
        for action in [*actions, "read"]:
            match action:
                case "append":
                    site.append(3)
                case "rotate" if site.events.exists():
                    site.rotate()
                case "compress":
                    site.compress()
                case "read":
                    seen += numbers(reader)
                case "read a little":
                    if (block := reader.read(size)) is not None:
                        seen += [json.loads(text)["n"] for text in block.lines()]
                case "resume":
                    place = Place(**json.loads(json.dumps(dataclasses.asdict(reader.place))))
                    reader.close()
                    reader = Reader(History(site.directory), place, losses=NoLosses())
        reader.close()
        assert seen == list(range(site.written))
