"""The states of a session, and what follows what."""

import itertools

import pytest

from videodb_listen import lifecycle
from videodb_listen.lifecycle import ENDS, STATES, TERMINAL, event_name, may_come, may_follow, reached, state_in

GOOD_WAY = ["created", "starting", "active", "stopping", "stopped", "exported"]


def test_the_good_way_is_that_of_the_reference() -> None:
    assert list(lifecycle.NEXT) == GOOD_WAY
    assert [lifecycle.NEXT[state] for state in GOOD_WAY] == [*GOOD_WAY[1:], None]


@pytest.mark.parametrize("before", STATES)
@pytest.mark.parametrize("after", STATES)
def test_only_the_next_state_or_a_failure_can_follow(before: str, after: str) -> None:
    on_the_way = (before, after) in itertools.pairwise(GOOD_WAY)
    fails = after == "failed" and before not in {"exported", "failed"}
    assert may_follow(before, after) is (on_the_way or fails)


def test_nothing_follows_a_terminal_state() -> None:
    assert {"exported", "failed"} == TERMINAL
    assert not any(may_follow(state, after) for state in TERMINAL for after in STATES)


def test_an_unknown_state_is_passed_through() -> None:
    assert may_follow("active", "paused")
    assert may_follow("paused", "active")
    assert event_name("paused") == "capture_session.paused"
    assert state_in("capture_session.paused") == "paused"
    assert reached("paused", "paused")
    assert not reached("paused", "active")
    assert not reached("active", "paused")


@pytest.mark.parametrize("state", STATES)
def test_the_name_of_an_event_and_its_state_are_the_same_thing(state: str) -> None:
    assert event_name(state) == f"capture_session.{state}"
    assert state_in(event_name(state)) == state


@pytest.mark.parametrize("name", ["transcript", "capture_session", "capture_session.", "", "xcapture_session.active"])
def test_another_event_announces_no_state(name: str) -> None:
    assert state_in(name) is None


@pytest.mark.parametrize("wanted", GOOD_WAY)
@pytest.mark.parametrize("state", GOOD_WAY)
def test_a_state_that_lies_behind_was_reached(state: str, wanted: str) -> None:
    assert reached(state, wanted) is (GOOD_WAY.index(state) >= GOOD_WAY.index(wanted))


@pytest.mark.parametrize("wanted", GOOD_WAY)
def test_a_failed_session_has_reached_nothing_for_certain(wanted: str) -> None:
    assert not reached("failed", wanted)
    assert not reached(wanted, "failed")
    assert reached("failed", "failed")
    assert not reached(None, wanted)


@pytest.mark.parametrize(
    ("state", "wanted", "may"),
    [
        ("active", "stopped", True),
        ("stopped", "exported", True),
        ("stopped", "active", False),
        ("stopped", "stopped", False),
        ("stopped", "failed", True),
        ("exported", "failed", False),
        ("failed", "exported", False),
        ("paused", "active", True),
        ("stopped", "archived", True),
    ],
)
def test_what_may_come_yet(state: str, wanted: str, may: bool) -> None:
    assert may_come(state, wanted) is may


def test_nothing_is_recorded_after_an_end() -> None:
    assert {"stopped", "exported", "failed"} == ENDS
