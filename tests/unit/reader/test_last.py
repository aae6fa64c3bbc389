"""The last events, from the end backwards, across generations."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.history import HandMade, Heard, line
from videodb_listen.reader import query
from videodb_listen.reader.history import History
from videodb_listen.reader.last import last_events
from videodb_listen.reader.losses import Losses


def last(site: HandMade, count: int, where: query.Where = query.ANY) -> list[int]:
    history = History(site.directory)
    return [event["n"] for _, event in last_events(history, history.end(), where, count, Losses())]


@given(st.lists(st.integers(0, 6), max_size=5), st.integers(0, 40), st.booleans(), st.booleans())
def test_the_last_n_are_the_end_of_all(sizes: list[int], count: int, packed: bool, long: bool) -> None:
    with tempfile.TemporaryDirectory() as directory:
        site = HandMade(Path(directory))
        for size in sizes:
            site.append(size, text="x" * (300_000 if long else 3))
            site.rotate()
        site.append(3)
        if packed:
            site.compress()
        everything = list(range(site.written))
        assert last(site, count) == everything[max(0, len(everything) - count) :]


def test_only_what_satisfies_the_filter_counts(site: HandMade) -> None:
    for number in range(20):
        site.append(1, channel="alert" if number % 5 == 0 else "transcript")
        if number == 9:
            site.rotate()
    assert last(site, 3, query.channel("alert")) == [5, 10, 15]
    assert last(site, 99, query.channel("alert")) == [0, 5, 10, 15]


def test_what_comes_after_the_end_that_was_asked_for_is_left_out(site: HandMade) -> None:
    site.append(5)
    history = History(site.directory)
    end = history.end()
    site.append(5)
    site.rotate()
    site.append(5)
    assert [event["n"] for _, event in last_events(history, end, query.ANY, 3, Losses())] == [2, 3, 4]


@pytest.mark.parametrize("count", [0, 3])
def test_there_is_nothing_at_the_end_of_nothing(site: HandMade, count: int) -> None:
    assert last(site, count) == []


def test_a_last_line_without_its_newline_counts_when_nobody_writes(site: HandMade) -> None:
    site.append(2)
    site.events.write_bytes(site.events.read_bytes()[:-1])
    assert last(site, 5) == [0, 1]
    site.rotate()
    assert last(site, 1) == [1]


@pytest.mark.parametrize("packed", [False, True])
def test_what_cannot_be_read_at_the_end_of_a_generation_is_told(site: HandMade, packed: bool) -> None:
    site.append(2)
    with site.events.open("ab") as file:
        file.write(b'{"half')
    site.rotate()
    site.append(2)
    site.rotate()
    if packed:
        site.compress()
    losses, history = Heard(), History(site.directory)
    assert len(last_events(history, history.end(), query.ANY, 9, losses)) == 4
    assert (losses.lines, losses.breaks) == ([b'{"half'], [])


def test_a_generation_that_breaks_is_told_only_when_it_is_reached(site: HandMade) -> None:
    for _ in range(2):
        site.append(500)
        site.rotate()
    site.compress()
    packed = next(site.directory.glob("*.gz"))
    packed.write_bytes(packed.read_bytes()[:-30])
    losses, history = Heard(), History(site.directory)
    last_events(history, history.end(), query.ANY, 500, losses)
    assert losses == Heard()
    found = last_events(history, history.end(), query.ANY, 1000, losses)
    (told,) = losses.breaks
    assert told.file == packed.name
    assert told.offset == sum(len(line(n)) for n in range(len(found) - 500))
