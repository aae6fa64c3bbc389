"""What can be wrong with lines, and what is only worth knowing: pure, from bytes to places.

What is found has a kind, and the kind decides whether it is damage. Memory grows with the longest line, not with the
number of lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from videodb_listen.event import Event, received_of, seconds
from videodb_listen.line import decode_line
from videodb_listen.text import one_line, shorten, visible

WINDOW_LINES = 10_000  # equal lines are looked for among so many: what a server says twice, it says soon

_EXCERPT_COLUMNS = 60

Judge = Callable[[bytes, int], list[str]]
"""Gets a whole line and its offset in bytes, and names the kinds of what is found there."""


DAMAGE = {  # kinds of damage, and what they say of a line
    "torn": "is no JSON object",
    "unfinished": "has no end, and nobody is writing it",
    "broken": "cannot be read, nor can what follows",
    "out_of_order_in_run": "is older than the line before it, in one run",
}

NOTED = {  # kinds that are worth knowing, and no damage
    "out_of_order": "is older than the line before it: a clock was set back, or files were joined",
    "unstamped": "has no stamp of ours",
    "duplicate": "is the same as one shortly before it",
    "torn_journal": "is no record of the journal: a crash cut it short",
}


@dataclass(frozen=True, slots=True)
class Spot:
    """Where something was found: in line `line` (from 1) of `file`; it begins at byte `offset` (uncompressed)."""

    kind: str
    file: str
    line: int
    offset: int
    excerpt: str  # safe to print; of a file that breaks, the reason


class Chain:
    """Judges each line by the lines before it, in its own file and in the older ones."""

    def __init__(self, window_lines: int = WINDOW_LINES) -> None:
        self.lines = self.bytes = 0
        self._window_lines = window_lines
        self._known: dict[int, None] = {}  # hashes of the last lines, oldest first
        self._before: tuple[float, bool] | None = None  # stamp of the line before, and whether that was in the run

    def judge(self, line: bytes, offset: int, *, run_from: int | None) -> list[str]:
        """The kinds of what is found in `line`, none for nearly every one.

        `run_from`: where the lines of the last run begin in this file, in bytes; None: it holds none.
        """
        self.lines += 1
        self.bytes += len(line)
        try:
            event = decode_line(line)
        except ValueError:
            return ["torn"]
        kinds = ["duplicate"] if self._is_known(hash(line)) else []
        stamp = stamp_of(event)
        if stamp is None:
            return [*kinds, "unstamped"]
        in_run = run_from is not None and offset >= run_from
        if self._before is not None and stamp < self._before[0]:
            kinds.append("out_of_order_in_run" if in_run and self._before[1] else "out_of_order")
        self._before = (stamp, in_run)
        return kinds

    def _is_known(self, key: int) -> bool:
        if key in self._known:
            return True
        self._known[key] = None
        if len(self._known) > self._window_lines:
            del self._known[next(iter(self._known))]
        return False


def stamp_of(event: Event) -> float | None:
    """When the event was received, by either of our stamps, unix seconds; None when it has none."""
    found = received_of(event)
    return seconds(event.get("ts")) if found is None else found


def lines_in(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a file that comes in `chunks`, each with its newline; the last as it is."""
    partial: list[bytes] = []
    for chunk in chunks:
        first, *more = chunk.split(b"\n")
        partial.append(first)
        for following in more:
            yield b"".join(partial) + b"\n"
            partial = [following]
    if rest := b"".join(partial):
        yield rest


def scan(file: str, chunks: Iterable[bytes], judge: Judge, *, tail: str = "unfinished") -> Iterator[Spot]:
    """What is found in one file that comes in `chunks`. A last line without its end is a `tail`, whatever it holds.

    Chunks that end in an OSError or an EOFError are a file that breaks there.
    """
    offset = number = 0
    try:
        for number, line in enumerate(lines_in(chunks), 1):
            for kind in judge(line, offset) if line.endswith(b"\n") else [tail]:
                yield Spot(kind, file, number, offset, excerpt_of(line))
            offset += len(line)
    except (OSError, EOFError) as exc:
        yield Spot("broken", file, number + 1, offset, one_line(exc))


def excerpt_of(line: bytes) -> str:
    """The beginning of `line`, safe to print, whatever its bytes are."""
    beginning = line[: 4 * _EXCERPT_COLUMNS].rstrip(b"\n").decode(errors="backslashreplace")
    return shorten(visible(beginning), _EXCERPT_COLUMNS)
