"""The whole daemon in a simulated world: one fault at a time, and what it may cost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from faults.simulation.faults import (
    At,
    Disconnect,
    Fault,
    FullDisk,
    Kill,
    KillInCall,
    RealtimeFails,
    RestFails,
    Rotate,
    Sleep,
    Stall,
    StepClock,
    Terminate,
)
from faults.simulation.ledger import Manners
from faults.simulation.meeting import Meeting
from faults.simulation.oracle import judge, live_only
from faults.simulation.product import BUGS, EXPECTS
from faults.simulation.scenario import Run, Scenario, play
from faults.simulation.story import check

MEETING = Meeting(minutes=5)
CALM = Scenario(meetings=(MEETING,), calm_s=200)

ONE_BY_ONE = [
    Disconnect("clean"),
    Disconnect("reset", "dns", 30),
    Disconnect("reset", "refused", 30),
    Disconnect("reset", "unreachable", 5),
    Disconnect("frozen"),
    Disconnect("frozen", "silent", 90),
    Stall(20),
    Stall(90),
    RestFails(1.0, 40),
    RestFails(1.0, 40, ways=("401",)),
    RealtimeFails("refused", 20),
    RealtimeFails("silent", 20),
    Kill(),
    Kill(clear=True),
    KillInCall(1),
    KillInCall(25),
    Terminate(),
    Terminate(clear=True),
    Sleep(8),
    Sleep(200),
    StepClock(300),
    StepClock(-300),
    FullDisk(20),
    FullDisk(20, room=1000),
    Rotate(),
]


def test_a_meeting_in_which_nothing_goes_wrong_is_recorded_whole_and_nothing_is_asked_for() -> None:
    [verdict] = check(play(CALM, seed=1), "everything")
    assert verdict.finals > 100
    assert verdict.requests == 0


@pytest.mark.parametrize("fault", ONE_BY_ONE, ids=str)
def test_after_any_fault_it_is_connected_and_has_kept_what_it_could_read(fault: Fault) -> None:
    faults = [At(100, fault), *([At(101, Disconnect("clean"))] if isinstance(fault, RestFails) else [])]
    run = play(replace(CALM, faults=tuple(faults)), seed=1)
    [verdict] = check(run, EXPECTS)
    assert len(run.service.ledger.connections) > (1 if _costs_the_connection(fault) else 0)
    assert verdict.finals > 100


def _costs_the_connection(fault: Fault) -> bool:
    return not isinstance(fault, Rotate | StepClock | FullDisk) and fault not in (Stall(20), Sleep(8))


def _kept(run: Run) -> tuple[int, int]:
    """How many final results the daemon has kept, and how many a loop keeps that only reads."""
    [verdict] = check(run, "live only")
    [listener] = run.listeners.values()
    return verdict.finals - len(verdict.lost), len(live_only(run, listener))


def test_a_reconnect_loses_what_a_loop_that_only_reads_loses() -> None:
    scenario = replace(CALM, faults=(At(150, Disconnect("reset", "refused", 20)),))
    ours, theirs = _kept(play(scenario, seed=1))
    finals = judge(play(scenario, seed=1), "live only")[0].finals
    print(f"of {finals} final results {ours} are in the file, {theirs} with a loop that only reads")
    assert theirs <= ours < finals or EXPECTS == "everything"


def test_what_a_script_binds_anew_goes_on() -> None:
    bound = replace(CALM, manners=Manners(rebind="allow"), faults=(At(100, Disconnect("reset")),))
    anew = replace(bound, meetings=(replace(MEETING, rebinds_after=1.0),))
    assert _kept(play(anew, seed=1))[0] > _kept(play(bound, seed=1))[0]


def test_what_is_bound_twice_is_written_twice_since_it_was_sent_twice() -> None:
    twice = replace(
        CALM,
        manners=Manners(rebind="duplicate"),
        meetings=(replace(MEETING, rebinds_after=1.0),),
        faults=(At(100, Disconnect("reset")), At(101, Rotate())),
    )
    check(play(twice, seed=1), "live only")


def test_two_listeners_of_one_account_record_what_is_theirs() -> None:
    two = replace(
        CALM,
        meetings=(MEETING, replace(MEETING, listener="desk")),
        faults=(At(100, Disconnect("reset", "dns", 30), "desk"),),
    )
    laptop, desk = reversed(check(play(two, seed=1), "live only"))
    assert not laptop.lost
    assert desk.lost


def test_files_that_the_daemon_rotates_itself_hold_everything_in_order() -> None:
    run = play(replace(CALM, options={"ROTATE_SIZE": "4K", "ROTATE_KEEP": "100"}), seed=1)
    check(run, "everything")
    [listener] = run.listeners.values()
    assert len(listener.machine.disk.names(listener.directory)) > 10


@pytest.mark.parametrize("skew_s", [300.0, -300.0])
def test_a_clock_that_is_wrong_costs_nothing(skew_s: float) -> None:
    check(play(replace(CALM, skew_s=skew_s), seed=1), "everything")


def test_it_waits_for_a_network_that_is_not_there_at_the_start() -> None:
    run = play(replace(CALM, faults=(At(0.0, RestFails(1.0, 30)),)), seed=1)
    check(run, "everything")


@pytest.mark.parametrize(
    ("bug", "fault", "found"),
    [
        ("a frozen connection is never doubted", Disconnect("frozen"), "not connected from"),
        ("delays have no bound", Disconnect("clean"), "not connected from"),
        ("a full disk drops what waits", FullDisk(20), "read and not written"),
        ("gaps are not told", Disconnect("clean"), "no gap is told"),
        ("stamps follow a clock that is set back", StepClock(-300), "stamps go back"),
        ("a line is written twice", Rotate(), "written twice"),
    ],
)
def test_a_bug_that_is_put_into_the_daemon_is_found(bug: str, fault: Fault, found: str) -> None:
    with BUGS[bug]():
        run = play(replace(CALM, faults=(At(100, fault),)), seed=1)
    assert any(found in problem for verdict in judge(run, EXPECTS) for problem in verdict.problems)
