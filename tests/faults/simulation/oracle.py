"""The oracle: what the server's ledger says was to be recorded, against what the listener has left on its disk.

It looks at nothing else of the listener: not at its code, not at its memory.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from faults.simulation.evidence import Evidence, Recorded, full_since, gathered
from faults.simulation.honesty import requests, untruths, wrong_changes
from faults.simulation.ledger import Frame, Result, Session
from faults.simulation.liveness import too_long_away
from faults.simulation.world import EPOCH

if TYPE_CHECKING:
    from faults.simulation.scenario import Listener, Run

Expects = Literal["live only", "everything"]
"""`live only`: what came over a connection is there, and the rest may be lost. `everything`: each final result is."""

LASTING = ("active", "stopped", "failed", "exported")
"""The states of a session that can still be known after they were missed."""

Key = tuple[str, str, int, int, str]


@dataclass
class Verdict:
    """What came of one run for one listener. `lost` are final results that are not in the file."""

    listener: str
    finals: int = 0
    live: int = 0
    backfilled: int = 0
    requests: int = 0  # besides those for a connection
    lost: list[Result] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.listener}: {self.finals} finals, {self.live} lines live and {self.backfilled} later, "
            f"{len(self.lost)} lost, {self.requests} requests, {len(self.problems)} problems"
        )


def judge(run: Run, expects: Expects) -> list[Verdict]:
    """Judge a run, once for each of its listeners."""
    return [_Court(run, listener, expects).verdict() for listener in run.listeners.values()]


def live_only(run: Run, listener: Listener) -> list[Result]:
    """The final results that a loop keeps which only reads its connections, and asks for nothing: what the seed does.

    It is given the same connections at the same times, and the best of luck: what it has read it has written.
    """
    frames = [frame for frame in _frames(run, listener) if frame.read_at is not None]
    return list(dict.fromkeys(frame.result for frame in frames if frame.result is not None))


def _frames(run: Run, listener: Listener) -> Iterator[Frame]:
    """Everything that was sent to a listener."""
    for line in run.service.ledger.connections.values():
        if line.machine == listener.name:
            yield from line.frames


def _ours(run: Run, listener: Listener) -> list[Result]:
    """The final results that are the listener's: those of sessions that were bound to it."""
    streams = [stream for session in _sessions(run, listener) for stream in session.streams]
    return [result for stream in streams for pipeline in stream.pipelines for result in pipeline.results]


def _sessions(run: Run, listener: Listener) -> list[Session]:
    """The sessions that are the listener's."""
    mine = [play for play in run.occasions if play.meeting.listener == listener.name]
    return [play.session for play in mine if play.session is not None]


class _Court:
    def __init__(self, run: Run, listener: Listener, expects: Expects) -> None:
        self._run = run
        self._listener = listener
        self._expects = expects
        self._evidence: Evidence = gathered(listener)
        self._frames = list(_frames(run, listener))
        self._results = _ours(run, listener)
        self._floor = max(listener.cleared_at, default=0.0)
        self._verdict = Verdict(listener.name, finals=len(self._results))

    def verdict(self) -> Verdict:
        """Look at everything."""
        verdict, evidence = self._verdict, self._evidence
        verdict.live = sum(not line.backfilled for line in evidence.lines)
        verdict.backfilled = sum(line.backfilled for line in evidence.lines)
        verdict.requests = len(requests(self._listener))
        verdict.problems += [f"torn: {damage}" for damage in evidence.damage]
        verdict.problems += [*self._frames_against_lines(), *self._results_against_lines(), *self._order()]
        verdict.problems += self._sessions_against_lines()
        verdict.problems += ["does not end on SIGTERM"] * self._listener.lingers
        verdict.problems += too_long_away(self._listener)
        verdict.problems += untruths(self._listener, evidence, verdict.lost, self._expects)
        verdict.problems += wrong_changes(self._listener, allowed=self._expects == "everything")
        return verdict

    # -- what came over a connection: each frame is a line --

    def _frames_against_lines(self) -> Iterator[str]:
        lines = Counter(line.payload for line in self._evidence.lines if not line.backfilled)
        read = Counter(frame.payload for frame in self._frames if frame.read_at is not None)
        due = Counter(frame.payload for frame in self._frames if self._is_due(frame))
        for payload in lines.keys() | due.keys():
            if lines[payload] > read[payload]:
                yield f"{'invented' if not read[payload] else 'written twice'}: {payload.decode()}"
            if lines[payload] < due[payload]:
                yield f"read and not written: {payload.decode()}"

    def _is_due(self, frame: Frame) -> bool:
        """Whether this frame must be a line: it was read by a daemon that had the time and the room to write it."""
        if frame.read_at is None or frame.read_at < self._floor:
            return False
        for process in self._listener.processes:
            if process.ended is not None and process.started <= frame.read_at <= process.ended:
                full_since_s = full_since(self._listener, process.ended)
                return process.ended_well or frame.read_at < (process.ended if full_since_s is None else full_since_s)
        return True

    # -- what is known of results: each final once --

    def _results_against_lines(self) -> Iterator[str]:
        lines = self._lines_of_results()
        results: dict[Key, list[Result]] = defaultdict(list)
        for result in self._results:
            results[_key_of_result(result)].append(result)
        for key, found in lines.items():
            if key not in results:
                yield from (f"invented: {line.payload.decode()}" for line in found)
        for key, known in results.items():
            yield from self._count(known, lines.get(key, []))

    def _lines_of_results(self) -> dict[Key, list[Recorded]]:
        lines: dict[Key, list[Recorded]] = defaultdict(list)
        for line in self._evidence.lines:
            if (key := _key_of_line(line.event)) is not None:
                lines[key].append(line)
        return lines

    def _count(self, known: list[Result], found: list[Recorded]) -> Iterator[str]:
        """Compare the results of one time of one pipeline (of several, if they say the same) with their lines."""
        result = known[0]
        sent = sum(frame.read_at is not None for one in known for frame in one.frames if self._is_mine(frame))
        later = [line for line in found if line.backfilled]
        if len(found) > max(len(known), sent):
            yield f"{len(found)} lines instead of {len(known)}: {result}"
        texts = {text for one in known for text in (one.text, one.stored_text)}
        yield from (
            f"invented: {line.payload.decode()}" for line in later if line.event["data"].get("text") not in texts
        )
        if later and result.live_at < self._floor:
            yield f"fetched from before --clear: {result}"
        if len(found) < len(known) and result.live_at >= self._floor:
            self._verdict.lost += known[len(found) :]
            if self._expects == "everything":
                yield from (f"missing: {one}" for one in known[len(found) :])

    # -- what is known of sessions: each state that lasts, once --

    def _sessions_against_lines(self) -> Iterator[str]:
        told: Counter[tuple[str, str]] = Counter()
        for line in self._evidence.lines:
            if line.event.get("channel") == "capture_session":
                told[str(line.event.get("capture_session_id")), str(line.event.get("status"))] += 1
        history = {session.id: session.history for session in _sessions(self._run, self._listener)}
        known = {(session, status): at for session, states in history.items() for at, status in states}
        for (session, status), times in told.items():
            if (session, status) not in known or times > 1:
                yield f"{times} lines say that session {session} is {status}"
        for (session, status), at in known.items():
            if status in LASTING and at >= self._floor and not told[session, status] and self._expects == "everything":
                yield f"no line says that session {session} is {status}"

    def _is_mine(self, frame: Frame) -> bool:
        return self._run.service.ledger.connections[frame.connection].machine == self._listener.name

    def _order(self) -> Iterator[str]:
        """Stamps ascend within one run of the daemon: they can go back only where another run begins."""
        stamps = [line.unix_ts for line in self._evidence.lines]
        back = sum(later < earlier for earlier, later in pairwise(stamps))
        if back >= len(self._listener.processes):
            yield f"stamps go back {back} times in {len(self._listener.processes)} runs"


def _key_of_result(result: Result) -> Key:
    pipeline = result.pipeline
    text = "" if pipeline.index is None else result.text
    return (pipeline.stream.id, pipeline.kind, _ms(result.start), _ms(result.end), text)


def _key_of_line(event: dict[str, Any]) -> Key | None:
    """The key of the final result that an event is, None when it is none."""
    data, kind = event.get("data"), str(event.get("channel"))
    if not isinstance(data, dict) or kind not in ("transcript", "visual_index", "audio_index"):
        return None
    if kind == "transcript" and data.get("is_final") is not True:
        return None
    text = "" if kind == "transcript" else str(data.get("text"))
    return (str(event.get("rtstream_id")), kind, _ms(data["start"]), _ms(data["end"]), text)


def _ms(at: float) -> int:
    """A time in milliseconds, whichever unit it is in."""
    return round(at if at > EPOCH * 100 else at * 1000)
