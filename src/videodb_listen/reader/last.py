"""The last events of a history, found from its end."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from videodb_listen.reader.blocks import BLOCK_BYTES
from videodb_listen.reader.history import History, OpenPart, Part, Place
from videodb_listen.reader.query import Found, Where, select


def last_events(history: History, end: Place, where: Where, count: int) -> list[Found]:
    """The last `count` events before `end` that satisfy `where`, oldest first."""
    found: deque[Found] = deque()
    for part in reversed(history.parts()):
        if len(found) >= count:
            break
        for matches in _blocks_of_matches(part, end, where, count - len(found)):
            found.extendleft(reversed(matches[max(0, len(matches) - count + len(found)) :]))
            if len(found) >= count:
                break
    return list(found)


def _blocks_of_matches(part: Part, end: Place, where: Where, count: int) -> Iterator[list[Found]]:
    """The matches in one file, in blocks from its end; of a compressed one, the last `count` at once."""
    try:
        opened = OpenPart(part, end.after)
    except FileNotFoundError:
        return  # removed while we looked: it was the oldest
    try:
        limit = _limit(opened, end)
        if limit is None:
            yield list(deque(_forwards(opened, where), maxlen=count))
        else:
            yield from _backwards(opened, limit, where)
    finally:
        opened.close()


def _limit(part: OpenPart, end: Place) -> int | None:
    """How far `part` is to be read; None: to its end, as a compressed file is."""
    if part.stamp is not None and end.after is not None and part.stamp <= end.after:
        return part.seekable_size
    return end.offset if part.head() == end.head else 0  # the file that `end` is in, or one that came later


def _backwards(part: OpenPart, end: int, where: Where) -> Iterator[list[Found]]:
    while end > 0:
        start = part.line_start(max(0, end - BLOCK_BYTES))
        yield list(select(part.read_at(start, end - start), where))
        end = start


def _forwards(part: OpenPart, where: Where) -> Iterator[Found]:
    rest = b""
    for data in part.chunks():
        whole = data.rfind(b"\n") + 1
        yield from select(rest + data[:whole], where)
        rest = data[whole:] if whole else rest + data
