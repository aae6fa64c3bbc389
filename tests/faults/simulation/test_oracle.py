"""The oracle has teeth: whatever is done to what a good run has left, it is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from faults.simulation.faults import At, Disconnect
from faults.simulation.ledger import Manners, Pipeline, Request, Result, Session, Start
from faults.simulation.meeting import Meeting
from faults.simulation.oracle import Expects, judge
from faults.simulation.scenario import Run, Scenario, play
from faults.simulation.story import problems

CALM = Scenario(meetings=(Meeting(minutes=3),), calm_s=120)
DROPPED = replace(CALM, faults=(At(60, Disconnect("reset", "refused", 10)),))

EVENTS, JOURNAL = "videodb_events.jsonl", "videodb_ws_connections.jsonl"


@pytest.fixture
def calm() -> Run:
    return play(CALM, seed=1)


@pytest.fixture
def dropped() -> Run:
    return play(DROPPED, seed=1)


def _problems(run: Run, expects: Expects = "everything") -> list[str]:
    return [problem for verdict in judge(run, expects) for problem in verdict.problems]


def _pipeline(run: Run) -> Pipeline:
    """Return the transcription of the microphone."""
    [occasion] = run.occasions
    assert occasion.session is not None
    return occasion.session.streams[0].pipelines[0]


def _edit(run: Run, name: str, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Change the lines of a file behind the daemon's back."""
    [listener] = run.listeners.values()
    inode = listener.machine.disk.find(f"{listener.directory}/{name}")
    lines = inode.data.splitlines(keepends=True)
    inode.data[:] = b"".join(change([bytes(line) for line in lines]))


def _final(lines: list[bytes]) -> int:
    """Which line is the tenth final result."""
    return [at for at, line in enumerate(lines) if b'"is_final": true' in line][10]


def _without(lines: list[bytes]) -> list[bytes]:
    at = _final(lines)
    return [*lines[:at], *lines[at + 1 :]]


def _twice(lines: list[bytes]) -> list[bytes]:
    at = _final(lines)
    return [*lines[: at + 1], *lines[at:]]


def _again_as_fetched(lines: list[bytes]) -> list[bytes]:
    line = lines[_final(lines)]
    head, channel, rest = line.partition(b'"channel"')
    return [*lines, head + b'"backfilled":true,' + channel + rest]


def _changed(lines: list[bytes]) -> list[bytes]:
    at = _final(lines)
    return [*lines[:at], lines[at].replace(b'"text": "', b'"text": "not '), *lines[at + 1 :]]


def _torn(lines: list[bytes]) -> list[bytes]:
    return [*lines[:-1], lines[-1][:-10]]


def _backwards(lines: list[bytes]) -> list[bytes]:
    return [*lines[:-2], lines[-1], lines[-2]]


def test_what_a_good_run_has_left_is_good(calm: Run) -> None:
    assert _problems(calm) == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (_without, "read and not written"),
        (_without, "missing"),
        (_twice, "written twice"),
        (_again_as_fetched, "2 lines instead of 1"),
        (_changed, "invented"),
        (_torn, "torn"),
        (_backwards, "stamps go back"),
    ],
)
def test_a_line_that_is_missing_doubled_changed_torn_or_moved_is_found(
    calm: Run, change: Callable[[list[bytes]], list[bytes]], found: str
) -> None:
    _edit(calm, EVENTS, change)
    assert any(found in problem for problem in _problems(calm))


def _record(**fields: object) -> bytes:
    return json.dumps(fields).encode() + b"\n"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda lines: [*lines, _record(event="connected", ws_id="elsewhere")], "which never was"),
        (lambda lines: [*lines, lines[0]], "times"),
        (lambda lines: [line for line in lines if b'"gap"' not in line], "no gap is told"),
        (lambda lines: [line for line in lines if b'"lost"' not in line], "is not told"),
        (lambda lines: [line for line in lines if b'"connected"' not in line], "does not name"),
        (lambda lines: [line.replace(b'"from_unix_ts":18', b'"from_unix_ts":19') for line in lines], "cannot be"),
        (lambda lines: [*lines[:-1], lines[-1][:-9]], "torn"),
    ],
)
def test_a_journal_that_says_what_is_not_so_or_does_not_say_what_is_is_found(
    dropped: Run, change: Callable[[list[bytes]], list[bytes]], found: str
) -> None:
    assert _problems(dropped, "live only") == []
    _edit(dropped, JOURNAL, change)
    assert any(found in problem for problem in _problems(dropped, "live only"))


def test_complete_is_not_said_of_a_stream_of_which_something_is_missing(dropped: Run) -> None:
    stream = _pipeline(dropped).stream.id
    _edit(dropped, JOURNAL, lambda lines: [*lines, _record(event="complete", stream=stream)])
    assert any("complete was said" in problem for problem in _problems(dropped, "live only"))


def test_a_false_alarm_is_found(calm: Run) -> None:
    stream = _pipeline(calm).stream.id
    _edit(calm, JOURNAL, lambda lines: [*lines, _record(event="silent", stream=stream)])
    assert any("a false alarm" in problem for problem in _problems(calm))


def test_complete_is_not_said_before_the_last_line_of_a_stream(calm: Run) -> None:
    stream = _pipeline(calm).stream.id
    _edit(calm, JOURNAL, lambda lines: [_record(event="complete", stream=stream), *lines])
    assert any("came afterwards" in problem for problem in _problems(calm))


@pytest.mark.parametrize("unit", ["ms", "s"])
def test_a_file_that_was_made_whole_later_is_good(unit: str) -> None:
    run = play(replace(DROPPED, manners=Manners(unit=unit, edited=0.5)), seed=1)
    [verdict] = judge(run, "everything")
    [occasion] = run.occasions
    assert occasion.session is not None
    fetched = [*map(_fetched, verdict.lost), *(_state(occasion.session, status) for status in ("stopped", "exported"))]
    _edit(run, EVENTS, lambda lines: [*lines, *fetched])
    assert len(fetched) > 20
    assert [problem for problem in _problems(run) if "not named" not in problem] == []


def _fetched(result: Result) -> bytes:
    """Return the line of a result that was fetched later."""
    final = {"is_final": True} if result.pipeline.index is None else {}
    data = {"text": result.stored_text, **final, "start": result.start * 1000, "end": result.end * 1000}
    return _late({"channel": result.pipeline.kind, "rtstream_id": result.pipeline.stream.id, "data": data})


def _state(session: Session, status: str) -> bytes:
    """Return the line of a state of a session that was fetched later."""
    return _late({"channel": "capture_session", "capture_session_id": session.id, "status": status, "data": {}})


def _late(event: dict[str, object]) -> bytes:
    stamps = b'{"ts":"2027-01-15T08:59:00.000Z","unix_ts":1800003540.000,"backfilled":true,'
    return stamps + json.dumps(event).encode()[1:] + b"\n"


def test_what_a_reconnect_loses_is_missing_and_the_silent_pipelines_were_not_named(dropped: Run) -> None:
    told = _problems(dropped)
    assert sum("missing" in problem for problem in told) > 10
    assert sum("not named within" in problem for problem in told) == 4
    assert sum("no line says that session" in problem for problem in told) == 2


def test_a_daemon_that_stays_away_is_found(dropped: Run) -> None:
    first, second = list(dropped.service.ledger.connections.values())
    assert first.ended is not None
    second.opened = first.ended + 300
    assert any("not connected from" in problem for problem in _problems(dropped, "live only"))


@pytest.mark.parametrize(
    ("start", "found"),
    [
        ({}, None),
        ({"was": "stopped"}, "switched on"),
        ({"engine": "another"}, "engine another"),
        ({"bound": ("somebody's",)}, "never ours"),
        ({"target": "somebody's"}, "no connection of ours"),
        ({"after": 1.0}, "without waiting"),
    ],
)
def test_a_start_that_breaks_its_rule_is_found(dropped: Run, start: dict[str, object], found: str | None) -> None:
    first, second = list(dropped.service.ledger.connections.values())
    asked = {"engine": "default", "target": second.id, "was": "running", "bound": (first.id,), "accepted": True} | start
    after = asked.pop("after", 5.0)
    assert isinstance(after, float)
    change = Start(_pipeline(dropped), **asked)  # type: ignore[arg-type]
    dropped.service.ledger.requests.append(Request(second.opened + after, "laptop", "POST", "/x", 200, change))
    told = [problem for problem in _problems(dropped) if "start of" in problem]
    assert len(told) == (found is not None)
    assert all(str(found) in problem for problem in told)
    assert any("changed on the server" in problem for problem in _problems(dropped, "live only"))


def test_a_second_start_for_one_connection_is_found(dropped: Run) -> None:
    first, second = list(dropped.service.ledger.connections.values())
    change = Start(_pipeline(dropped), "default", second.id, "running", (first.id,), accepted=True)
    asked = Request(second.opened + 5, "laptop", "POST", "/x", 200, change)
    dropped.service.ledger.requests += [asked, replace(asked, at=asked.at + 9)]
    assert any("started twice" in problem for problem in _problems(dropped))


def test_more_requests_than_the_budget_has_are_found(calm: Run) -> None:
    asked = [Request(100 + number, "laptop", "GET", "/rtstream", 200) for number in range(50)]
    calm.service.ledger.requests += asked
    assert any("more than 40 requests" in problem for problem in _problems(calm))


def test_a_fault_that_has_not_come_true_is_told() -> None:
    run = play(DROPPED, seed=1)
    run.strikes[0].fired.clear()
    assert problems(run, []) == [f"PROBLEM  has not come true: {DROPPED.faults[0].fault}"]
