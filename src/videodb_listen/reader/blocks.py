"""Whole lines of a history, from a place on, in order, each once: across rotation, truncation and replacement.

| what happens to the file that is being read | what the reader does |
|---|---|
| rotated by the daemon, or moved by hand, and there is a new one | reads the old one to its end, then the next |
| moved, and there is no new one yet | goes on in the old one: its writer may do so, too |
| truncated in place (`--clear`) | says so, and begins again at its beginning |
| replaced, or deleted and made anew | reads the old one to its end, then the new one from its beginning |
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

from videodb_listen.reader.history import History, OpenPart, Place, head_of

BLOCK_BYTES = 1 << 20

OnRestart = Callable[[str], None]
"""Is told when a place could not be kept, and why."""

CLEARED = "the events file was cleared or replaced: reading it from its new beginning"
LOST_PLACE = "the file that was being read is gone: going on with the oldest one after it"


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines that stand together in one file, from `begin` to just before `end`.

    `stamp` is that of the generation that they are in; None: they are in the events file.
    """

    data: bytes
    begin: Place
    end: Place
    stamp: str | None

    def lines(self) -> list[bytes]:
        """Each line with its newline."""
        return [line + b"\n" for line in self.data.split(b"\n")[:-1]]


def say_nothing(_why: str) -> None:
    """For who need not know that reading began anew."""


class Reader:
    """Reads a history from `place`, None: from its beginning."""

    def __init__(self, history: History, place: Place | None = None, *, on_restart: OnRestart = say_nothing) -> None:
        self.place = place or Place()
        self.history = history
        self._on_restart = on_restart
        self._part: OpenPart | None = None
        self._leaving = False  # another file has the name: the old one is read once more, then left

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
        self._on_restart(LOST_PLACE if first.stamp else CLEARED)
        return True

    def _begin(self, part: OpenPart) -> None:
        self.close()
        self._part, self._leaving = part, False
        self.place = Place(part.after)

    def _next(self, size: int) -> Block | None:
        """The next lines of the open file; None at its end. A line without its newline is not there yet."""
        part, begin = self._part, self.place
        assert part is not None
        while True:
            data = part.read_at(begin.offset, size)
            whole = data.rfind(b"\n") + 1
            if whole or len(data) < size:
                break
            size *= 2
        head = part.head()
        if begin.head not in (None, head) or (begin.offset == 0 and head_of(data) != head):
            return None  # truncated, and filled again up to here: what was read is not what follows
        if not whole:
            return None
        self.place = Place(begin.after, head, begin.offset + whole)
        return Block(data[:whole], begin, self.place, part.stamp)

    def _move_on(self) -> bool:
        """At the end of a file: go where more may be; whether there is such a place."""
        part = self._part
        assert part is not None
        if part.ends_before(self.place.offset) or self.place.head not in (None, part.head()):
            self.place = Place(part.after)
            self._on_restart(CLEARED)
            return True
        if part.stamp is None:
            if self.history.is_live(part) is not False:
                return False
            if not self._leaving:
                self._leaving = True
                return True
        return self._successor(part)

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
