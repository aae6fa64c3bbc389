"""Stamps never go back, and a step of the clock is noticed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.clock import Clock as Seconds
from videodb_listen.system.clock import LOOK_AGAIN_S, Clock, Deadline, Reminder, nap, until


class Times:
    """A wall clock and a monotonic one that the test moves."""

    def __init__(self) -> None:
        self.wall_s = 1_000_000.0
        self.monotonic_s = 50.0

    def clock(self) -> Clock:
        return Clock(wall=lambda: self.wall_s, monotonic=lambda: self.monotonic_s)

    def passes(self, wall_s: float, monotonic_s: float) -> None:
        self.wall_s += wall_s
        self.monotonic_s += monotonic_s


@given(st.lists(st.floats(-1e6, 1e6)))
def test_whatever_is_done_to_the_wall_clock_stamps_never_go_back(steps: list[float]) -> None:
    times = Times()
    clock = times.clock()
    seen = [clock.now()]
    for step_s in steps:
        times.passes(step_s, 1.0)
        seen.append(clock.now())
    assert seen == sorted(seen)


def test_time_stands_after_a_step_back_until_the_clock_has_caught_up() -> None:
    times = Times()
    clock = times.clock()
    start = clock.now()
    times.passes(-10.0, 0.0)
    assert clock.now() == start
    times.passes(9.0, 9.0)
    assert clock.now() == start
    times.passes(2.0, 2.0)
    assert clock.now() == start + 1.0


@pytest.mark.parametrize(
    ("wall_s", "monotonic_s", "step_s"),
    [(5.0, 5.0, 0.0), (3600.0, 1.0, 3599.0), (-60.0, 1.0, -61.0), (0.0, 10.0, -10.0)],
)
def test_a_step_is_what_the_wall_clock_ran_ahead_of_the_monotonic_one(
    wall_s: float, monotonic_s: float, step_s: float
) -> None:
    times = Times()
    clock = times.clock()
    times.passes(wall_s, monotonic_s)
    assert clock.step() == pytest.approx(step_s)


def test_a_step_is_told_once() -> None:
    times = Times()
    clock = times.clock()
    times.passes(100.0, 1.0)
    assert clock.step() == pytest.approx(99.0)
    times.passes(1.0, 1.0)
    assert clock.step() == pytest.approx(0.0)


def test_what_lasts_is_said_once_a_minute_and_at_once_when_it_comes_back() -> None:
    now_s = 100.0
    reminder = Reminder(lambda: now_s)
    lasting, said = [reminder.lasts], []
    for _ in range(121):
        said.append(reminder.due())
        now_s += 1
    assert [second for second, due in enumerate(said) if due] == [0, 60, 120]
    lasting.append(reminder.lasts)
    reminder.over()
    lasting.append(reminder.lasts)
    assert lasting == [False, True, False]
    assert reminder.due()


# -- waiting


@pytest.mark.parametrize(
    ("timeout_s", "passed_s", "left_s", "passed"),
    [
        (5.0, 0.0, 5.0, False),
        (5.0, 4.0, 1.0, False),
        (5.0, 5.0, 0.0, True),
        (5.0, 9.0, 0.0, True),
        (0.0, 0.0, 0.0, True),
    ],
)
def test_a_deadline_comes_nearer_and_stays_passed(
    timeout_s: float, passed_s: float, left_s: float, passed: bool
) -> None:
    seconds = Seconds()
    deadline = Deadline(timeout_s, seconds)
    seconds.sleep(passed_s)
    assert (deadline.left_s, deadline.passed) == (left_s, passed)


def test_no_deadline_never_passes() -> None:
    seconds = Seconds()
    deadline = Deadline(None, seconds)
    seconds.sleep(1e9)
    assert not deadline.passed
    assert deadline.left_s == float("inf")


def test_what_is_there_at_once_is_not_waited_for() -> None:
    seconds = Seconds()
    assert until(lambda: "it", Deadline(0.0, seconds), seconds.sleep) == "it"
    assert seconds.slept == []


def test_waiting_ends_with_what_was_waited_for() -> None:
    seconds = Seconds()
    deadline = Deadline(10.0, seconds)
    assert until(lambda: "it" if seconds.now_s >= 3 else None, deadline, lambda _: seconds.sleep(1.0)) == "it"
    assert seconds.now_s == 3.0


def test_after_the_deadline_there_is_one_more_look() -> None:
    seconds, looked = Seconds(), []
    deadline = Deadline(2.0, seconds)
    assert until(lambda: looked.append(seconds.now_s), deadline, lambda _: seconds.sleep(1.5)) is None
    assert looked == [0.0, 1.5, 3.0]


def test_a_pause_is_told_how_long_it_may_be() -> None:
    seconds = Seconds()
    until(lambda: False, Deadline(2.0, seconds), seconds.sleep)
    assert seconds.slept == [2.0]


def test_what_a_look_raises_ends_the_waiting() -> None:
    def look() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        until(look, Deadline(None))


@pytest.mark.parametrize(("left_s", "slept_s"), [(float("inf"), LOOK_AGAIN_S), (0.0, 0.0), (0.001, 0.001)])
def test_a_nap_is_short_and_not_longer_than_what_is_left(
    left_s: float, slept_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    nap(left_s)
    assert slept == [slept_s]
