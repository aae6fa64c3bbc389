"""Whether everything that was recorded can still be read. Looks at every byte, and changes none."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

from videodb_listen.line import decode_line
from videodb_listen.paths import Layout
from videodb_listen.presence import is_held, read_state
from videodb_listen.reader.damage import DAMAGE, NOTED, Chain, Spot, scan
from videodb_listen.reader.history import History, OpenPart
from videodb_listen.reader.journal import Journal, read_journal
from videodb_listen.reader.run import Run

SHOWN = 20  # damage beyond these places is only counted: whoever has more wants the number, not a list


@dataclass(slots=True)
class Report:
    """Everything that was found. `events` counts the lines that can be read, `bytes` those and the damaged ones."""

    files: int = 0
    events: int = 0
    bytes: int = 0
    counts: Counter[str] = field(default_factory=Counter)  # by kind
    damage: list[Spot] = field(default_factory=list)  # the first SHOWN
    noted: dict[str, Spot] = field(default_factory=dict)  # the first of each kind that is no damage
    tails: list[Spot] = field(default_factory=list)  # last lines without their end, which a listener is writing
    fragments: int = 0  # files with what repair cut off after crashes
    fragment_bytes: int = 0
    journal: Journal = field(default_factory=Journal)

    @property
    def damaged(self) -> int:
        """How many places are damaged."""
        return sum(self.counts[kind] for kind in DAMAGE)

    def take(self, spots: Iterable[Spot]) -> None:
        """Add what was found."""
        for spot in spots:
            if spot.kind == "growing":
                self.tails.append(spot)
                continue
            self.counts[spot.kind] += 1
            if spot.kind in NOTED:
                self.noted.setdefault(spot.kind, spot)
            elif len(self.damage) < SHOWN:
                self.damage.append(spot)

    def give_up_tails(self) -> None:
        """No listener writes: what has no end will get none."""
        self.take([replace(spot, kind="unfinished") for spot in self.tails])
        self.tails.clear()

    def as_dict(self) -> dict[str, Any]:
        """The object that `verify --json` prints."""
        return {
            "whole": self.damaged == 0,
            "files": self.files,
            "events": self.events,
            "bytes": self.bytes,
            "being_written": bool(self.tails),
            **{kind: self.counts[kind] for kind in (*DAMAGE, *NOTED)},
            "fragments": self.fragments,
            "fragment_bytes": self.fragment_bytes,
            "gaps": self.journal.counts["gap"],
            "gaps_recovered": self.journal.counts["recovered"],
            "gaps_unrecoverable": self.journal.counts["unrecoverable"],
            "damaged": self.damaged,
            "damage": [asdict(spot) for spot in self.damage],
            "noted": [asdict(spot) for spot in self.noted.values()],
        }


def verify(history: History) -> Report:
    """What is found in `history`, in its journal and beside them, as it is now.

    Raises OSError when a file cannot be opened; one that cannot be read to its end is damage.
    """
    while (report := _look(history)) is None:
        pass  # a file was cleared while it was read: half of what was found is gone
    return report


def _look(history: History) -> Report | None:
    """One look at everything; None when a file was emptied meanwhile."""
    report, chain, held = Report(), Chain(), _is_written(history)
    if not _take_events(report, chain, history):
        return None
    report.events, report.bytes = chain.lines - report.counts["torn"], chain.bytes
    if history.layout is not None:
        _take_rest(report, history.layout)
    if not held and not _is_written(history):  # one that came or went while we read may have had the last line
        report.give_up_tails()
    return report


def _is_written(history: History) -> bool:
    return history.layout is not None and is_held(history.layout)


def _take_events(report: Report, chain: Chain, history: History) -> bool:
    """Look at the events file and its generations; whether none was emptied meanwhile."""
    run = None if history.layout is None else Run.of(read_state(history.layout))
    for part in _parts(history):
        run_from = None if run is None else run.begins_in(part.stamp, part.after)
        head = part.head()
        tail = "unfinished" if part.stamp else "growing"
        judge = partial(chain.judge, run_from=run_from)
        report.take(scan(part.name, _chunks(part), judge, tail=tail))
        if head not in (None, part.head()):
            return False
        report.files += 1
    return True


def _take_rest(report: Report, layout: Layout) -> None:
    """Look at the journal, and at what repair cut off."""
    for part in _parts(History(layout.journal)):
        report.take(scan(layout.journal.name, _chunks(part), _judge_record, tail="growing"))
    report.journal = read_journal(layout.journal)
    for path in layout.directory.glob(layout.torn("*").name):
        with contextlib.suppress(OSError):
            report.fragment_bytes += path.stat().st_size
            report.fragments += 1


def _parts(history: History) -> Iterator[OpenPart]:
    with contextlib.closing(history.open_each(None)) as parts:
        for part in parts:
            with contextlib.closing(part):
                yield part


def _chunks(part: OpenPart) -> Iterator[bytes]:
    """All of `part`. What comes later is not looked at: a flood would keep us. Raises EOFError where it breaks."""
    yield from part.chunks(part.seekable_size)
    if part.broken:
        raise EOFError(part.broken)


def _judge_record(line: bytes, _offset: int) -> list[str]:
    try:
        decode_line(line)
    except ValueError:
        return ["torn_journal"]
    return []
