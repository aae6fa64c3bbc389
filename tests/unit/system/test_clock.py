"""Stamps never go back, and a step of the clock is noticed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videodb_listen.system.clock import Clock, Reminder


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
