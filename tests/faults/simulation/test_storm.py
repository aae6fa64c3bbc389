"""Storms: everything that can go wrong in half an hour, thrown from a seed, in each mode of the server."""

from __future__ import annotations

import re

import pytest

from faults.simulation.oracle import judge
from faults.simulation.product import EXPECTS
from faults.simulation.scenario import Run, play
from faults.simulation.storm import MODES, storm
from faults.simulation.story import check, told
from support.ledger import Ledger


@pytest.mark.parametrize("mode", MODES)
def test_after_a_storm_nothing_is_torn_and_nothing_untrue_was_said(seed: int, mode: str, ledger: Ledger) -> None:
    run = play(storm(seed, mode), seed)
    verdicts = judge(run, EXPECTS)
    finals, lost = sum(one.finals for one in verdicts), sum(len(one.lost) for one in verdicts)
    fired = ", ".join(f"{name} {times}" for name, times in sorted(run.world.fired.items()))
    ledger.row("storm", f"{len(run.strikes)} faults, rebind {mode}", sent=finals, on_disk=finals - lost, fired=fired)
    print(f"seed {seed}, {mode}: {finals} finals, {lost} lost")
    check(run, EXPECTS)


_PID = re.compile(rb'"previous_pid":\d+,?')  # process ids go on counting


def _left(run: Run) -> list[tuple[str, bytes]]:
    """Every file that the daemons have left."""
    return [
        (name, _PID.sub(b"", listener.machine.disk.read(f"{listener.directory}/{name}")))
        for listener in run.listeners.values()
        for name in listener.machine.disk.names(listener.directory)
        if name not in ("videodb_ws_pid", "videodb_ws_state.json")
    ]


def test_a_seed_makes_the_same_run_again() -> None:
    first, again = play(storm(5, "allow"), 5), play(storm(5, "allow"), 5)
    assert told(first, judge(first, EXPECTS)).count("\n") > 300
    assert [note.at for note in first.world.story] == [note.at for note in again.world.story]
    assert _left(first) == _left(again)


def test_another_seed_makes_another_run() -> None:
    first, other = play(storm(5, "allow"), 5), play(storm(6, "allow"), 6)
    assert _left(first) != _left(other)
