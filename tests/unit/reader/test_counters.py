"""What a listener has counted, and what came since it said so."""

from __future__ import annotations

import dataclasses

import pytest

from support.history import NOW_S, HandMade, line
from videodb_listen.presence import State
from videodb_listen.reader.counters import up_to_date
from videodb_listen.reader.history import History


def published(site: HandMade, *, before: int = 0) -> State:
    """The state that a listener publishes now; its run began with line number `before` of the first file."""
    run_from = sum(len(line(number)) for number in range(before))
    lines = [line(number) for number in range(before, site.written)]
    return State(run_from=run_from, events=len(lines), bytes=sum(map(len, lines)), last_event_unix_ts=1.0)


def counted(state: State, site: HandMade) -> tuple[int, int, float | None]:
    fresh = up_to_date(state, History(site.directory))
    return fresh.events - state.events, fresh.bytes - state.bytes, fresh.last_event_unix_ts


@pytest.mark.parametrize("before", [0, 2])
@pytest.mark.parametrize("new", [0, 1, 5])
def test_what_was_written_since_is_counted(site: HandMade, before: int, new: int) -> None:
    site.append(3)
    state = published(site, before=before)
    site.append(new)
    size = sum(len(line(number)) for number in range(3, 3 + new))
    assert counted(state, site) == (new, size, NOW_S + 2 + new if new else 1.0)


@pytest.mark.parametrize("packed", [False, True])
def test_it_is_counted_across_rotations(site: HandMade, packed: bool) -> None:
    site.append(3)
    site.rotate()
    site.append(3)
    state = published(site)
    site.append(2)
    site.rotate()
    site.append(4)
    site.rotate()
    if packed:
        site.compress()
    site.append(1)
    assert counted(state, site)[0] == 7


def test_it_is_counted_behind_an_empty_generation(site: HandMade) -> None:
    state = published(site)
    site.events.touch()
    site.rotate()
    site.append(2)
    assert counted(state, site)[0] == 2


def test_a_line_that_is_being_written_is_not_counted(site: HandMade) -> None:
    site.append(3)
    state = published(site)
    site.append(1)
    with site.events.open("ab") as file:
        file.write(b'{"half')
    assert counted(state, site)[0] == 1


def test_the_counters_stand_where_files_were_taken_away(site: HandMade) -> None:
    site.append(3)
    state = published(site)
    site.events.unlink()
    assert up_to_date(state, History(site.directory)) == state
    gone = dataclasses.replace(state, run_after="20260302T101530.000Z")
    assert up_to_date(gone, History(site.directory)) == gone


def test_in_its_first_second_what_came_since_its_start_is_counted(site: HandMade) -> None:
    site.append(3)
    assert counted(State(started_unix_ts=NOW_S + 1), site) == (2, 2 * len(line(1)), NOW_S + 2)
    assert up_to_date(State(), History(site.directory)) == State()


def test_nothing_there_is_nothing_new(site: HandMade) -> None:
    assert counted(State(started_unix_ts=1.0), site)[0] == counted(State(run_from=0), site)[0] == 0
