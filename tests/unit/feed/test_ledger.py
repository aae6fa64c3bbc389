"""Who has what, and what is done: rules over a small state."""

from __future__ import annotations

import pytest

from videodb_listen.errors import Usage
from videodb_listen.feed.ledger import Ledger, Out
from videodb_listen.reader.history import Place


def ledger() -> Ledger:
    """Two batches: `a` has one until 100, `b` one until 200."""
    out = [Out("t1", "a", 100.0, "mic", ["h:0", "h:9"], None), Out("t2", "b", 200.0, "sys", ["h:5"], None)]
    return Ledger([Place(), Place()], {"h:3"}, out)


def test_it_comes_back_as_it_was_written() -> None:
    written = ledger()
    written.places = [Place("20260302T101530.123Z", "0123456789abcdef", 42), Place()]
    written.out.append(Out("t3", "c", 5.0, None, ["h:0"], [Place(None, "0123456789abcdef", 43), Place()]))
    assert Ledger.of(written.as_dict()) == written


@pytest.mark.parametrize("content", [{}, {"places": []}, {"places": [{}], "out": [], "done": [], "acked": []}, []])
def test_what_is_no_ledger_is_not_taken_for_one(content: dict[str, object]) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        Ledger.of(content)


def test_a_batch_that_is_acknowledged_is_done() -> None:
    it = ledger()
    assert it.acknowledge("a", "t1")
    assert it.done == {"h:0", "h:3", "h:9"}
    assert it.handed == {"h:5"}


def test_an_acknowledgement_that_is_said_twice_is_no_mistake() -> None:
    it = ledger()
    it.acknowledge("a", "t1")
    assert not it.acknowledge("a", "t1")


@pytest.mark.parametrize("token", ["", "t2", "t3"])
def test_a_token_of_nobody_or_of_somebody_else_is_refused_with_what_to_do(token: str) -> None:
    it = ledger()
    with pytest.raises(Usage, match="without --ack"):
        it.acknowledge("a", token)
    assert it == ledger()


def test_whoever_asks_again_is_owed_its_own_batch() -> None:
    it = ledger()
    owed = it.owed("b", 0.0)
    assert owed is it.out[1]
    it.lend(owed, "b", "new", 300.0)
    assert it.out[1] == Out("t2", "b", 300.0, "sys", ["h:5"], None)


def test_nobody_is_owed_what_somebody_else_still_has() -> None:
    assert ledger().owed("c", 99.9) is None


def test_a_batch_whose_lease_is_over_goes_to_another_under_another_token() -> None:
    it = ledger()
    owed = it.owed("c", 100.0)
    assert owed is it.out[0]
    it.lend(owed, "c", "t4", 400.0)
    with pytest.raises(Usage):
        it.acknowledge("a", "t1")
    assert it.acknowledge("c", "t4")


def test_a_late_acknowledgement_of_what_nobody_else_got_counts() -> None:
    assert ledger().acknowledge("a", "t1")


def test_only_so_many_tokens_are_remembered() -> None:
    it = Ledger([])
    for number in range(100):
        it.out.append(Out(f"t{number}", "a", 0.0, "mic", [], None))
        it.acknowledge("a", f"t{number}")
    assert it.acked == [f"t{number}" for number in range(36, 100)]


def test_one_who_shares_with_nobody_goes_on_behind_what_it_acknowledged() -> None:
    ends = [Place(None, "h", 50), Place()]
    it = Ledger([Place(), Place()], out=[Out("t1", "a", 0.0, None, ["h:0", "h:9"], ends)])
    it.acknowledge("a", "t1")
    assert (it.places, it.done, it.out) == (ends, set(), [])
