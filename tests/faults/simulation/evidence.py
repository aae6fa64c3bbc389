"""What a listener has left on its disk: the lines of its events files, and its journal."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from faults.simulation.faults import Fault, FullDisk, Sleep

if TYPE_CHECKING:
    from faults.simulation.scenario import Listener

_STAMPS = re.compile(rb'\{"ts":"(?P<ts>[^"]{24})","unix_ts":(?P<unix>\d+\.\d{3})(?:,(?P<rest>.*))?\}', re.DOTALL)
_MARK = b'"backfilled":true,'
_JOURNAL = "videodb_ws_connections.jsonl"
_EVENTS = re.compile(r"videodb_events\.(?:\d{8}T\d{6}\.\d{3}Z\.)?jsonl(?:\.gz|\.\d{3})?")


@dataclass(frozen=True)
class Recorded:
    """One line of the events. `at` is when it was written, in the world's time, whatever its stamp says."""

    at: float
    unix_ts: float
    payload: bytes  # the event as it was sent
    event: dict[str, Any]
    backfilled: bool  # whether it was fetched later


@dataclass(frozen=True)
class Record:
    """One record of the journal. `at` is when it was written, in the world's time, whatever its stamp says."""

    at: float
    event: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class Evidence:
    """Everything that a listener has left. `damage` says what is no line of an events file, nor of the journal."""

    lines: list[Recorded]
    journal: list[Record]
    damage: list[str]


def gathered(listener: Listener) -> Evidence:
    """Read what `listener` has left, oldest first."""
    damage: list[str] = []
    lines: list[Recorded] = []
    names = filter(_EVENTS.fullmatch, listener.machine.disk.names(listener.directory))
    for name in sorted(names, key=_age):
        for _, at, line in _lines(listener, name, damage):
            recorded = _recorded(at, line)
            if recorded is None:
                damage.append(f"a line of {name}: {line[:120]!r}")
            else:
                lines.append(recorded)
    return Evidence(lines, list(_journal(listener, damage)), damage)


def full_since(listener: Listener, at: float) -> float | None:
    """Since when the disk had been full at this time, or a second before of being awake; None: it was not."""
    for since, until in _spans(listener, FullDisk):
        if since <= at and at - until - _slept_s(listener, until, at) <= 1.0:
            return since
    return None


def _spans(listener: Listener, kind: type[Fault]) -> list[tuple[float, float]]:
    """When faults of this kind struck a listener, and until when; those that never ended, until the end."""
    return [
        (strike.struck_at, listener.run.world.now if strike.over_at is None else strike.over_at)
        for strike in listener.run.strikes
        if isinstance(strike.fault, kind) and strike.listener is listener and strike.struck_at is not None
    ]


def _slept_s(listener: Listener, since: float, until: float) -> float:
    """How long the listener's machine slept between two times."""
    return sum(max(0.0, min(until, end) - max(since, begin)) for begin, end in _spans(listener, Sleep))


def may_be_unsaid(listener: Listener, at: float) -> bool:
    """Whether the journal may lack what happened at this time: the daemon ended while its disk was full."""
    for process in listener.processes:
        if process.ended is not None and process.started <= at <= process.ended:
            return full_since(listener, process.ended) is not None
    return False


def _lines(listener: Listener, name: str, damage: list[str]) -> Iterator[tuple[float, float, bytes]]:
    """The lines of a file, each with the times when it was begun and when it was whole.

    These are the world's; in a file that was compressed since they are 0.
    """
    path = f"{listener.directory}/{name}"
    data = listener.machine.disk.read(path)
    at = listener.machine.disk.written(path)
    if name.endswith(".gz"):
        data, at = gzip.decompress(data), lambda _: 0.0
    if data and not data.endswith(b"\n"):
        damage.append(f"{name} ends in {data[-60:]!r}")
    offset = 0
    for line in data.splitlines(keepends=True):
        begun_at, offset = at(offset + 1), offset + len(line)
        yield begun_at, at(offset), line.rstrip(b"\n")


def _journal(listener: Listener, damage: list[str]) -> Iterator[Record]:
    """The records of the journal. On a full disk one can be cut short, and a kill keep it so: then it is left out."""
    if _JOURNAL not in listener.machine.disk.names(listener.directory):
        return
    for at, _, line in _lines(listener, _JOURNAL, damage):
        try:
            fields = json.loads(line)
        except ValueError:
            if not may_be_unsaid(listener, at):
                damage.append(f"a record of the journal: {line[-120:]!r}")
        else:
            yield Record(at, fields["event"], fields)


def _age(name: str) -> tuple[str, str]:
    """What sorts files by age: rotation by the daemon has the time in the name, logrotate a number behind it."""
    return ("~" if name == "videodb_events.jsonl" else "", name)


def _recorded(at: float, line: bytes) -> Recorded | None:
    found = _STAMPS.fullmatch(line)
    if found is None:
        return None
    rest = found["rest"] or b""
    backfilled = rest.startswith(_MARK)
    payload = b"{" + rest.removeprefix(_MARK) + b"}"
    try:
        event = json.loads(payload)
    except ValueError:
        return None
    return Recorded(at, float(found["unix"]), payload, event, backfilled)
