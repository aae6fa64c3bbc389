"""Whole lines of a history, from a place on, in order, each once: across rotation, truncation and replacement.

| what happens to the file that is being read | what the reader does |
|---|---|
| rotated by the daemon, or moved by hand, and there is a new one | reads the old one to its end, then the next |
| moved, and there is no new one yet | goes on in the old one: its writer may do so, too |
| truncated in place (`--clear`) | says so, and begins again at its beginning |
| replaced, or deleted and made anew | reads the old one to its end, then the new one from its beginning |
| broken, as a compressed file that was cut | says where it breaks, and reads the next |

A line is there when its newline is: until then somebody may be writing it. Where nobody is, in a generation or without
a listener, a last line that lacks nothing but its newline is there as well. Should it get that newline after all, it
stands where the next line begins, and is passed over.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

from videodb_listen.reader.history import History, OpenPart, Place, completed, head_of
from videodb_listen.reader.losses import Break, Losses

BLOCK_BYTES = 1 << 20

CLEARED = "the events file was cleared or replaced: reading it from its new beginning"
LOST_PLACE = "the file that was being read is gone: going on with the oldest one after it"


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines that stand together in one file, from `begin` to just before `end`; each has its newline in `data`.

    `stamp` is that of the generation that they are in; None: they are in the events file.
    """

    data: bytes
    begin: Place
    end: Place
    stamp: str | None

    def lines(self) -> list[bytes]:
        """Each line with its newline."""
        return [line + b"\n" for line in self.data.split(b"\n")[:-1]]


class Reader:
    """Reads a history from `place`, None: from its beginning. `losses` is told what is passed over, None: nobody is."""

    def __init__(self, history: History, place: Place | None = None, *, losses: Losses | None = None) -> None:
        self.place = place or Place()
        self.history = history
        self.losses = losses or Losses()
        self._part: OpenPart | None = None
        self._leaving = False  # another file has the name: the old one is read once more, then left
        self._rest = b""  # what stands behind `place`, is no line, and will not become one
        self._told: Place | None = None  # where the last loss at the end of a file was told

    def __repr__(self) -> str:
        return f"<Reader of {self.history.events} at {self.place}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the file go; `place` stays."""
        if self._part is not None:
            self._part.close()
            self._part = None

    def jump(self, place: Place) -> None:
        """Go on reading at `place`."""
        self.close()
        self.place = place

    def blocks(self) -> Iterator[Block]:
        """All that is there now."""
        while (block := self.read()) is not None:
            yield block

    def read(self, size: int = BLOCK_BYTES) -> Block | None:
        """The next lines, about `size` bytes of them; None when there are no more now. Raises OSError."""
        while self._part is not None or self._find():
            if (block := self._next(size)) is not None:
                return block
            if not self._move_on():
                return None
        return None

    def _find(self) -> bool:
        """Open the file that `place` is in; whether there is one."""
        with contextlib.closing(self.history.open_each(self.place.after)) as parts:
            for part in parts:
                if self.place.head is None or (
                    part.head() == self.place.head and not part.ends_before(self.place.offset)
                ):
                    self._part = part
                    return True
                part.close()
        if (first := self.history.open_first(self.place.after)) is None:
            return False
        self._begin(first)
        self.losses.restarted(LOST_PLACE if first.stamp else CLEARED)
        return True

    def _begin(self, part: OpenPart) -> None:
        self.close()
        self._part, self._leaving = part, False
        self.place = Place(part.after)

    def _next(self, size: int) -> Block | None:
        """The next lines of the open file; None at its end."""
        part, begin = self._part, self.place
        assert part is not None
        start, data = _lines_at(part, begin.offset, size)
        head = part.head()
        if begin.head not in (None, head) or (begin.offset == 0 and head_of(data) != head):
            return None  # truncated, and filled again up to here: what was read is not what follows
        self._rest = b""
        whole = data.rfind(b"\n") + 1
        lines = data[:whole]
        if data and not whole and not self._is_written(part):
            whole, lines = len(data), completed(data)
            if lines == data:
                self._rest = data
        if not lines or self._rest:
            return None
        self.place = Place(begin.after, head, start + whole)
        return Block(lines, replace(begin, offset=start), self.place, part.stamp)

    def _is_written(self, part: OpenPart) -> bool:
        """Whether what stands at the end of `part` may still become a line."""
        return part.stamp is None and not self._leaving and self.history.is_written()

    def _move_on(self) -> bool:
        """At the end of a file: go where more may be; whether there is such a place."""
        part = self._part
        assert part is not None
        if part.ends_before(self.place.offset) or self.place.head not in (None, part.head()):
            self.place = Place(part.after)
            self.losses.restarted(CLEARED)
            return True
        if part.stamp is None and self.history.is_live(part) is not False:
            self._tell_loss(part)
            return False
        if part.stamp is None and not self._leaving:
            self._leaving = True
            return True
        self._tell_loss(part)
        return self._successor(part)

    def _tell_loss(self, part: OpenPart) -> None:
        """Tell, once, what the end of `part` holds that cannot be read."""
        if self._told != self.place and (part.broken or self._rest):
            self._told = self.place
            if part.broken:
                self.losses.broken(Break(part.name, self.place.offset, part.broken))
            else:
                self.losses.damaged(self._rest)

    def _successor(self, part: OpenPart) -> bool:
        """Open the file that came after `part`; whether there is one."""
        after = part.stamp or part.after
        following = self.history.open_first(after)
        if following is not None and part.stamp is None and following.stamp and following.head() == part.head():
            after = following.stamp  # this is where `part` itself was put
            following.close()
            following = self.history.open_first(after)
        if following is None:
            return False
        self._begin(following)
        return True


def _lines_at(part: OpenPart, offset: int, size: int) -> tuple[int, bytes]:
    """Where the next line begins, at `offset` or one behind it, and about `size` bytes from there, a line at least.

    Fewer only at the end of the file.
    """
    before = min(offset, 1)
    while True:
        data = part.read_at(offset - before, size + before)
        if data.find(b"\n", before + 1) >= 0 or len(data) < size + before:
            break
        size *= 2
    if before and not data.startswith(b"\n") and data[1:2] == b"\n":
        return offset + 1, data[2:]  # the end of a line that was read without it
    return offset, data[before:]
