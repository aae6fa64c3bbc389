"""What happens when, whatever the order in which it was planned."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videodb_emulator.pure.agenda import Action, Agenda, Delivery


def _noting(happened: list[tuple[float, int]], number: int) -> Action:
    return lambda due_s: happened.append((due_s, number))


@given(st.lists(st.integers(0, 50)), st.integers(0, 60))
def test_what_is_due_happens_in_the_order_of_time_and_nothing_else_does(dues_s: list[int], now_s: int) -> None:
    agenda, happened = Agenda(), list[tuple[float, int]]()
    for number, due_s in enumerate(dues_s):
        agenda.at(due_s, _noting(happened, number))
    agenda.advance(now_s)
    planned = sorted((due_s, number) for number, due_s in enumerate(dues_s))
    assert happened == [one for one in planned if one[0] <= now_s]
    assert agenda.next_due_s() == next((due_s for due_s, _ in planned if due_s > now_s), None)


def test_what_an_action_plans_for_the_same_time_happens_at_once() -> None:
    agenda, happened = Agenda(), list[float]()
    agenda.at(1.0, lambda due_s: agenda.at(due_s + 1, happened.append))
    agenda.advance(2.0)
    assert happened == [2.0]


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
def test_a_speed_that_is_not_positive_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="speed"):
        Agenda(speed)


def test_speed_divides_a_pause() -> None:
    agenda = Agenda(speed=4.0)
    agenda.after(2.0, 10.0, lambda _due_s: None)
    assert agenda.next_due_s() == 10.5


def test_what_is_sent_comes_out_once_and_in_order_and_nobody_is_sent_nothing() -> None:
    agenda = Agenda()
    agenda.send("a", {"n": 1})
    agenda.send(None, {"n": 2})
    agenda.send("b", {"n": 3})
    assert agenda.advance(0.0) == [Delivery("a", {"n": 1}), Delivery("b", {"n": 3})]
    assert agenda.advance(0.0) == []
