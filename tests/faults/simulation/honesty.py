"""Honesty: what the journal says is so, what it should say it says, and nothing was changed on the server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from faults.simulation.evidence import Evidence, Record, may_be_unsaid
from faults.simulation.ledger import Connection, Pipeline, Request, Result, Start
from faults.simulation.world import EPOCH

if TYPE_CHECKING:
    from faults.simulation.scenario import Listener

NAMED_WITHIN_S = 30.0
"""How soon the journal names a pipeline that has gone silent, counted from when that can be known."""

KNOWABLE_S = 12.0
"""How long a record must have been there without its event to prove anything: the hold-back, and a look."""

PATIENCE_S = 3.0
"""How long a listener waits for a live event before it starts a transcription anew."""

REQUESTS_A_MINUTE, BURST = 30, 10
"""How many requests a listener may send, besides those for a connection: so many a minute, and so many at once."""


def untruths(listener: Listener, evidence: Evidence, lost: list[Result], expects: str) -> Iterator[str]:
    """Say where the journal is wrong, or silent on what it should say."""
    journal = evidence.journal
    yield from _connections(listener, journal)
    yield from _gaps(listener, journal, lost)
    yield from _unexpected(listener)
    yield from _completes(evidence, lost)
    yield from _false_alarms(listener, journal)
    if expects == "everything":
        yield from _unnamed(listener, journal)
        yield from _over_budget(listener)


def _connections_of(listener: Listener) -> dict[str, Connection]:
    known = listener.run.service.ledger.connections
    return {ws_id: connection for ws_id, connection in known.items() if connection.machine == listener.name}


def _connections(listener: Listener, journal: list[Record]) -> Iterator[str]:
    """Every connection that the journal names was one, and was named once."""
    known = _connections_of(listener)
    named = Counter(record.fields["ws_id"] for record in journal if record.event == "connected")
    yield from (f"the journal names {ws_id}, which never was" for ws_id in named if ws_id not in known)
    yield from (f"the journal names {ws_id} {times} times" for ws_id, times in named.items() if times > 1)
    ends = {process.ended for process in listener.processes}
    for connection in known.values():
        at = connection.greeted
        if at is not None and at not in ends and connection.id not in named and not may_be_unsaid(listener, at):
            yield f"the journal does not name {connection.id}, which said hello at {at:.1f}"


def _gaps(listener: Listener, journal: list[Record], lost: list[Result]) -> Iterator[str]:
    """A reconnect is told as `lost`, `connected`, `gap`; and nothing was lost before the first gap of its run.

    Of a daemon that was killed between `connected` and `gap` there is only the first.
    """
    ends = {process.ended for process in listener.processes}
    for at, record in enumerate(journal):
        if record.at in ends or may_be_unsaid(listener, record.at):
            continue
        old = record.fields.get("previous_ws_id")
        if record.event == "connected" and old is not None:
            yield from _told(journal, at, old, record.fields["ws_id"])
    yield from _not_covered(listener, journal, lost)


def _told(journal: list[Record], at: int, old: str, new: str) -> Iterator[str]:
    """Whether the reconnect from `old` to `new`, whose `connected` is record `at`, is told in full."""
    gap = next((record for record in journal[at:] if record.event == "gap" and record.fields["new_ws_id"] == new), None)
    if gap is None:
        yield f"no gap is told between {old} and {new}"
    elif gap.fields["old_ws_id"] != old or gap.fields["from_unix_ts"] > gap.fields["to_unix_ts"]:
        yield f"a gap that cannot be: {gap.fields}"
    since = next((n for n, record in enumerate(journal) if record.fields.get("ws_id") == old), 0)
    ends = [record for record in journal[since:at] if record.event in ("lost", "crashed", "stopped")]
    if not any(record.event == "stopped" or record.fields["ws_id"] == old for record in ends):
        yield f"the loss of {old} is not told"


def _not_covered(listener: Listener, journal: list[Record], lost: list[Result]) -> Iterator[str]:
    """What was lost while a run went on was lost behind the beginning of its first gap, or was it never connected.

    Not asked where clocks were set: the stamps of the journal do not tell then when something was.
    """
    machine = listener.machine
    if any(strike.fired and type(strike.fault).__name__ in ("StepClock", "Sleep") for strike in listener.run.strikes):
        return
    gaps = [record.fields["from_unix_ts"] for record in journal if record.event == "gap"]
    first = min(gaps, default=float("inf")) - EPOCH - machine.skew_s
    ends = [process.ended for process in listener.processes[:-1] if process.ended is not None]
    for result in lost:
        if result.live_at < first - 1.0 and not any(end - 1.0 <= result.live_at for end in ends):
            yield f"lost outside of any gap: {result}"


def _unexpected(listener: Listener) -> Iterator[str]:
    """Nothing that the daemon did not foresee has happened to it."""
    for note in listener.run.world.story:
        if note.who == listener.name and "unexpected" in note.what:
            yield note.what


def _completes(evidence: Evidence, lost: list[Result]) -> Iterator[str]:
    """`complete` was never said of a stream of which something was missing then, or is now."""
    for record in evidence.journal:
        if record.event != "complete":
            continue
        stream = record.fields.get("stream")
        missing = [result for result in lost if result.pipeline.stream.id == stream]
        late = [one for one in evidence.lines if _is_final_of(one.event, stream) and one.at > record.at]
        if missing or late:
            yield f"complete was said of {stream}: {len(missing)} are missing, {len(late)} came afterwards"


def _is_final_of(event: dict[str, Any], stream: object) -> bool:
    data = event.get("data")
    return event.get("rtstream_id") == stream and isinstance(data, dict) and data.get("is_final", True) is True


def _false_alarms(listener: Listener, journal: list[Record]) -> Iterator[str]:
    """No stream was called silent of which nothing had been missed."""
    for record in journal:
        for stream in listener.run.service.ledger.streams.values():
            if record.event != "silent" or stream.id not in str(record.fields):
                continue
            results = [result for pipeline in stream.pipelines for result in pipeline.results]
            if not any(result.stored_at <= record.at and not result.was_read for result in results):
                yield f"a false alarm at {record.at:.1f}: {record.fields}"


def _unnamed(listener: Listener, journal: list[Record]) -> Iterator[str]:
    """Every pipeline that had gone silent was named in time: its stream, in a record `silent`."""
    for play in listener.run.occasions:
        for stream in play.session.streams if play.session and play.meeting.listener == listener.name else ():
            for pipeline in stream.pipelines:
                yield from _named_late(listener, pipeline, journal)


def _named_late(listener: Listener, pipeline: Pipeline, journal: list[Record]) -> Iterator[str]:
    since = _knowable(listener, pipeline)
    if since is None:
        return
    named = [record.at for record in journal if record.event == "silent" and pipeline.stream.id in str(record.fields)]
    if not any(at <= since + NAMED_WITHIN_S for at in named):
        yield f"{pipeline} was silent from {since:.1f} and not named within {NAMED_WITHIN_S:.0f} s"


def _knowable(listener: Listener, pipeline: Pipeline) -> float | None:
    """Since when a listener that was connected all the while could know that a pipeline is silent; None: never.

    Its connection has stood for some time then, and a record has been there as long whose event never came.
    """
    for connection in _connections_of(listener).values():
        end = connection.ended if connection.ended is not None else listener.run.world.now
        if end - connection.opened < KNOWABLE_S + NAMED_WITHIN_S:
            continue
        for result in pipeline.results:
            known_at = max(connection.opened, result.stored_at) + KNOWABLE_S
            if connection.opened < result.live_at and not result.was_read and known_at + NAMED_WITHIN_S < end:
                return known_at
    return None


def requests(listener: Listener) -> list[Request]:
    """What a listener has asked for, besides connections."""
    asked = listener.run.service.ledger.requests
    return [one for one in asked if one.machine == listener.name and one.path and not one.path.endswith("/websocket")]


def _over_budget(listener: Listener) -> Iterator[str]:
    """No minute has more requests than may be sent in one."""
    times = [request.at for request in requests(listener)]
    for first, last in zip(times, times[REQUESTS_A_MINUTE + BURST :], strict=False):
        if last - first < 60:
            yield f"more than {REQUESTS_A_MINUTE + BURST} requests from {first:.1f} to {last:.1f}"


def wrong_changes(listener: Listener, *, allowed: bool) -> Iterator[str]:
    """Say what a listener has changed on the server and should not have. `allowed`: one start under its rule may be."""
    accepted: Counter[tuple[Pipeline, str | None]] = Counter()
    for request in listener.run.service.ledger.changes(listener.name):
        start = request.changes
        if not isinstance(start, Start) or not allowed:
            yield f"changed on the server at {request.at:.1f}: {start}"
            continue
        accepted[start.pipeline, start.target] += start.accepted
        if accepted[start.pipeline, start.target] > 1:
            yield f"started twice at {request.at:.1f}: {start}"
        yield from (f"{why} at {request.at:.1f}: {start}" for why in _against_the_rule(listener, request, start))


def _against_the_rule(listener: Listener, request: Request, start: Start) -> Iterator[str]:
    ours = _connections_of(listener)
    connection = ours.get(start.target or "")
    if start.was != "running":
        yield "switched on what its owner had switched off"
    if start.engine != start.pipeline.engine:
        yield f"asked for the engine {start.engine}"
    if not ours.keys() & set(start.bound):
        yield "adopted what was never ours"
    if (
        connection is None
        or connection.id not in ours
        or (connection.ended is not None and connection.ended < request.at)
    ):
        yield "bound to no connection of ours"
    elif any(f.sent_at < request.at and f.result and f.result.pipeline is start.pipeline for f in connection.frames):
        yield "bound anew what was live"
    elif request.at < connection.opened + PATIENCE_S:
        yield "bound anew without waiting"
