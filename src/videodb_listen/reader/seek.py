"""Where to begin when only what came since some time is wanted: by bisection, where the stamps are known to ascend.

Nothing is known of the lines before the last run (see `run`): clocks were set back between runs, files were joined. So
what stands before it is read through, and only in the run itself the place is looked for: first the file, by the stamp
of each one's first line, then the line, between `low`, before which all is too old, and `high`, from which on nothing
is. The answer is that of a full scan, as long as nobody but listeners writes to the file.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import replace

from videodb_listen.event import received_of
from videodb_listen.line import decode_line
from videodb_listen.reader.blocks import Block, Reader
from videodb_listen.reader.history import History, OpenPart, Place
from videodb_listen.reader.run import Run

_STAMP_BYTES = 128  # where the two stamps of a line stand
_STAMP = re.compile(rb'\{"ts":"[^"]*","unix_ts":(\d+(?:\.\d+)?)[,}]')


def read_since(reader: Reader, run: Run | None, since_s: float | None) -> Iterator[Block]:
    """Blocks that hold every line received since `since_s` (unix seconds, None: all), in order, and few others.

    `reader` stands at the beginning of the history, and afterwards at what was its end.
    """
    begin = None if run is None or since_s is None else place_since(reader.history, run, since_s)
    if run is None or begin is None:
        yield from reader.blocks()
        return
    for block in reader.blocks():
        run_begin = run.begins_in(block.stamp, block.begin.after)
        older = len(block.data) if run_begin is None else run_begin - block.begin.offset
        if older > 0:
            yield replace(block, data=block.data[:older])
        if run_begin is not None and older <= len(block.data):
            break
    reader.jump(begin)
    yield from reader.blocks()


def place_since(history: History, run: Run, since_s: float) -> Place | None:
    """The place before the first line of `run` that was received since `since_s`, the end of it when none was.

    None when the run cannot be found: its file was rotated, and the state file does not say so yet, or cut.
    """
    chosen: OpenPart | None = None
    with contextlib.closing(history.open_each(run.after)) as parts:
        for part in parts:
            if chosen is not None:
                first = _stamp_at(part, 0)
                if first is None or first >= since_s:
                    part.close()
                    break  # what is wanted begins in the file before it, or just behind that
                chosen.close()
            chosen = part
    if chosen is None:
        return Place(run.after)
    try:
        begin = run.begins_in(chosen.stamp, chosen.after)
        if begin is None or (begin and (chosen.stamp is not None or chosen.ends_before(begin))):
            return None
        return Place(chosen.after, chosen.head(), _bisect(chosen, begin, since_s))
    finally:
        chosen.close()


def received_before(history: History, place: Place) -> float | None:
    """When the line before `place` was received, unix seconds; None when none is there, or it does not say."""
    with contextlib.closing(history.open_each(place.after)) as parts:
        for part in parts:
            with contextlib.closing(part):
                if place.offset and part.head() == place.head and not part.ends_before(place.offset):
                    start = part.line_start(place.offset - 1)
                    with contextlib.suppress(ValueError):
                        return received_of(decode_line(part.read_at(start, place.offset - start)))
    return None


def _bisect(part: OpenPart, low: int, since_s: float) -> int:
    """The offset of the first line at or behind `low` received since `since_s`; `low` where only reading can tell."""
    high = part.seekable_size
    if high is None:
        return low
    while low < high:
        start = part.line_start((low + high) // 2, low)
        stamp, end = _stamp_at(part, start), part.line_end(start)
        if end is not None and stamp is not None and stamp < since_s:
            low = end
        else:
            high = start
    return low


def _stamp_at(part: OpenPart, offset: int) -> float | None:
    """The stamp of the line at `offset`, unix seconds; None when no line of ours is there."""
    found = _STAMP.match(part.read_at(offset, _STAMP_BYTES))
    return float(found[1]) if found else None
