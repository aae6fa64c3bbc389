"""A batch written down: for a model, or an object a line for a program. No more characters than were allowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import orjson

from videodb_listen.feed.feed import Batch
from videodb_listen.feed.items import Item
from videodb_listen.formats.brief import Brief, said
from videodb_listen.formats.fence import tame
from videodb_listen.trust import Voices

AROUND = 600
"""Characters of a batch beside its items, at most: the legend, the last line."""

LEAST = 2000
"""Characters in which any one item can be shown."""

_STAMPS = ("ts", "unix_ts", "channel")


class Show(Protocol):
    """One way to write batches down."""

    def size(self, item: Item) -> float:
        """As many characters as `item` can take."""

    def batch(self, batch: Batch) -> str:
        """All of it, with what comes next at its end."""


class AsBrief:
    """For a model, see `formats.brief`. `more`: from a token, None for an empty batch, to what can be done next."""

    def __init__(self, voices: Voices, key: bytes, more: Callable[[str | None], str]) -> None:
        self._brief = Brief(voices, key)
        self._more = more

    def size(self, item: Item) -> float:
        """As many characters as `item` can take."""
        return len(tame(said(item.content))) + 4 if item.is_notice else self._brief.size(item.content)

    def batch(self, batch: Batch) -> str:
        """The items, then how many they are and what to do."""
        for item in batch.items:
            if item.is_notice:
                self._brief.mark(item.content)
            else:
                self._brief.add(item.line, item.content)
        left = "; more is there" if batch.more else ""
        return "".join(f"{row}\n" for row in self._brief.close(f"{left}; {self._more(batch.token)}"))


class AsJson:
    """For a program: `{"id","who","event"}` or `{"id","who","notice"}` a line, then `{"token","items","more"}`.

    Of an event that has more than `limit` characters by itself only the beginning is there, as `cut`.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit - AROUND

    def size(self, item: Item) -> float:
        """As many characters as `item` can take."""
        return min(len(_object(item, item.line)), self._limit)

    def batch(self, batch: Batch) -> str:
        """The items as they stand in their files, then the token."""
        rows = [self._row(item) for item in batch.items]
        end = {"token": batch.token, "items": len(batch.items), "more": batch.more}
        return "\n".join([*rows, orjson.dumps(end).decode()]) + "\n"

    def _row(self, item: Item) -> str:
        row = _object(item, item.line)
        if len(row) <= self._limit:
            return row
        stamps = {name: item.content[name] for name in _STAMPS if isinstance(item.content.get(name), str | float)}
        return _object(item, orjson.dumps({**stamps, "cut": f"{len(row)} characters: show {item.id}"}))


def _object(item: Item, line: bytes) -> str:
    content = orjson.dumps(item.content) if item.is_notice else line.strip()
    name = "notice" if item.is_notice else "event"
    return f'{{"id":"{item.id}","who":"{item.who}","{name}":{content.decode("utf-8", "replace")}}}'
