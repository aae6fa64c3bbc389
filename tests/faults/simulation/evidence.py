"""What a listener has left on its disk: the lines of its events files, and its journal."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from faults.simulation.faults import FullDisk

if TYPE_CHECKING:
    from faults.simulation.scenario import Listener

_STAMPS = re.compile(rb'\{"ts":"(?P<ts>[^"]{24})","unix_ts":(?P<unix>\d+\.\d{3})(?:,(?P<rest>.*))?\}', re.DOTALL)
_MARK = b'"backfilled":true,'
_EVENTS = re.compile(r"videodb_events\.(?:\d{8}T\d{6}\.\d{3}Z\.)?jsonl(?:\.gz|\.\d{3})?")


@dataclass(frozen=True)
class Recorded:
    """One line of the events: its stamp, the event as it was sent, and whether it was fetched later."""

    unix_ts: float
    payload: bytes
    event: dict[str, Any]
    backfilled: bool


@dataclass(frozen=True)
class Evidence:
    """Everything that a listener has left. `damage` says what is no line of an events file, nor of the journal."""

    lines: list[Recorded]
    journal: list[dict[str, Any]]
    damage: list[str]


def gathered(listener: Listener) -> Evidence:
    """Read what `listener` has left, oldest first."""
    disk = listener.machine.disk
    damage: list[str] = []
    lines: list[Recorded] = []
    for name in sorted(filter(_EVENTS.fullmatch, disk.names(listener.directory)), key=_age):
        data = disk.read(f"{listener.directory}/{name}")
        if name.endswith(".gz"):
            data = gzip.decompress(data)
        if data and not data.endswith(b"\n"):
            damage.append(f"{name} ends in {data[-60:]!r}")
        for line in data.splitlines():
            recorded = _recorded(line)
            if recorded is None:
                damage.append(f"a line of {name}: {line[:120]!r}")
            else:
                lines.append(recorded)
    journal = []
    for line in disk.read(f"{listener.directory}/videodb_ws_connections.jsonl").splitlines():
        try:
            journal.append(json.loads(line))
        except ValueError:
            if not was_full(listener):  # on a full disk a record can be cut short, and a kill keep it so
                damage.append(f"a record of the journal: {line[-120:]!r}")
    return Evidence(lines, journal, damage)


def was_full(listener: Listener) -> bool:
    """Whether its disk was ever full: then a kill can leave the journal without its last records."""
    return any(isinstance(strike.fault, FullDisk) and strike.fired for strike in listener.run.strikes)


def _age(name: str) -> tuple[str, str]:
    """What sorts files by age: rotation by the daemon has the time in the name, logrotate a number behind it."""
    return ("~" if name == "videodb_events.jsonl" else "", name)


def _recorded(line: bytes) -> Recorded | None:
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
    return Recorded(float(found["unix"]), payload, event, backfilled)
