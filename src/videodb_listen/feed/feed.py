"""A feed: batches of new items, each handed out again until it is acknowledged."""

from __future__ import annotations

import itertools
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from videodb_listen.errors import NotRunning, TimedOut
from videodb_listen.feed.items import Item, Places, Scan, beginning
from videodb_listen.feed.ledger import Ledger, Out
from videodb_listen.paths import Layout
from videodb_listen.reader.history import Place
from videodb_listen.reader.named import Named
from videodb_listen.reader.query import ANY, Where
from videodb_listen.reader.recording import Recording, Source
from videodb_listen.system.clock import Deadline, until
from videodb_listen.trust import Voices
from videodb_listen.units import format_duration

LEASE_S = 300.0

MOST_ITEMS = 10_000
"""In a batch, and beyond the first that is not done in a group: the ledger names each of them."""

_SAVED_EVERY_BYTES = 1 << 20  # passing over so much is worth a write, even if nothing was found in it

Size = Callable[[Item], float]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some items, and the token that acknowledges them; None: there are none. `more`: others are there already."""

    token: str | None
    items: Sequence[Item]
    more: bool


class Feed:
    """The feed of whoever is called `name`; with a `group`, its members share one, and each item goes to one of them.

    What was not acknowledged comes again: to its own consumer as soon as that asks, to others of the group when
    `lease_s` is over. Whatever looks at files raises DirectoryUnusable or OSError when it cannot.
    """

    def __init__(
        self,
        recording: Recording | Source | Layout,
        name: str,
        *,
        group: str | None = None,
        lease_s: float = LEASE_S,
        voices: Voices | None = None,
    ) -> None:
        """Raise ConfigurationError when `name` or `group` is no name."""
        self.recording = recording if isinstance(recording, Recording) else Recording(recording)
        self.name = name
        self._grouped = group is not None
        self._lease_s = lease_s
        self._voices = voices or self.recording.voices()
        feed = Named(self.recording.directory, "feed", name)
        self._file = Named(self.recording.directory, "group", group) if group is not None else feed

    def __repr__(self) -> str:
        return f"<Feed {self.name} in {self._file.path}>"

    def next(
        self,
        where: Where = ANY,
        *,
        notices: Where = ANY,
        wait_s: float | None = None,
        max_items: int = MOST_ITEMS,
        max_size: float = math.inf,
        size: Size = lambda item: len(item.line),
    ) -> Batch:
        """The batch that is not acknowledged, else the next one: items that satisfy `where`, or `notices`.

        Its items have no more than `max_size` together, by `size`, unless that is one item. What `where` leaves out is
        passed over for good. Waits at most `wait_s` seconds for an item; None: not at all, and the batch may be empty.
        Raises NotRunning when nothing is left and no listener runs, TimedOut.
        """
        limit = _Limit(min(max_items, MOST_ITEMS), max_size, size)
        with self.recording.watch() as watch:
            batch = until(lambda: self._look((where, notices), limit), Deadline(wait_s or 0.0), watch.wait)
        if batch is None and wait_s is not None:
            raise TimedOut(f"nothing new within {format_duration(wait_s)}", fix="ask again: nothing is missed")
        return batch or Batch(None, (), more=False)

    def acknowledge(self, token: str) -> None:
        """The batch of this token is done. Raises Usage when it is not ours, or no more."""
        with self._file.held():
            ledger = self.ledger()
            if ledger.acknowledge(self.name, token):
                self._file.save(ledger.as_dict())

    def ledger(self) -> Ledger:
        """What was handed out and what is done; of a new feed, nothing. Raises DirectoryUnusable."""
        content = self._file.load()
        if content is None:
            return Ledger(beginning(self.recording))
        try:
            return Ledger.of(content)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise self._file.damaged() from None

    def scan(self, places: Places, where: tuple[Where, Where]) -> Scan:
        """One pass over what stands behind `places`, be it done or not. `where`: of the events, of the journal."""
        return Scan(self.recording, places, where, self._voices)

    def _look(self, where: tuple[Where, Where], limit: _Limit) -> Batch | None:
        """The batch that is there now, None when there is none."""
        writing = self.recording.is_written()  # asked before: what came until then is in the file
        if not writing and not self.recording.directory.is_dir():
            raise NotRunning(f"there is no {self.recording.directory}", fix="start a listener: videodb-listen start")
        with self._file.held():
            ledger = self.ledger()
            batch = self._again(ledger, where, limit) or self._fresh(ledger, where, limit)
        if batch is None and not writing and not ledger.out:
            raise NotRunning(
                f"nothing is left, and no listener runs in {self.recording.directory}",
                fix="start one to go on: videodb-listen start",
            )
        return batch

    def _again(self, ledger: Ledger, where: tuple[Where, Where], limit: _Limit) -> Batch | None:
        """The batch that is not acknowledged, as far as its items are still there; None when there is none.

        What is more than `limit` allows now is let go, and will be in a later batch.
        """
        while (owed := ledger.owed(self.name, time.time())) is not None:
            found = self._found(ledger, set(owed.spots))
            if found:
                fitting = list(itertools.takewhile(limit.allows, found))
                ledger.lend(owed, self.name, _token(), time.time() + self._lease_s)
                owed.spots, owed.ends = [item.spot for item in fitting], self._ends(ledger, fitting)
                self._file.save(ledger.as_dict())
                more = next(_undone(ledger, self.scan(ledger.places, where)), None)
                return Batch(owed.token, fitting, more=more is not None)
            ledger.out.remove(owed)  # cleared, or rotated away
        return None

    def _ends(self, ledger: Ledger, items: Sequence[Item]) -> Places | None:
        """The places behind a batch with these items; None in a group, where others may have what lies between."""
        if self._grouped:
            return None
        ends = list(ledger.places)
        for item in items:
            ends[item.is_notice] = item.end
        return ends

    def _found(self, ledger: Ledger, spots: set[str]) -> list[Item]:
        """The items at these spots, oldest first."""
        items = (item for item in self.scan(ledger.places, (ANY, ANY)) if item.spot in spots)
        return list(itertools.islice(items, len(spots)))

    def _fresh(self, ledger: Ledger, where: tuple[Where, Where], limit: _Limit) -> Batch | None:
        """A new batch, None when there is nothing for it."""
        scan, before = self.scan(ledger.places, where), ledger.places
        items, more = self._chosen(ledger, scan, limit)
        ledger.places = scan.places
        if items:
            stream, until_s = items[0].stream if self._grouped else None, time.time() + self._lease_s
            spots, ends = [item.spot for item in items], self._ends(ledger, items)
            ledger.out.append(Out(_token(), self.name, until_s, stream, spots, ends))
        if items or _is_far(before, ledger.places):
            self._file.save(ledger.as_dict())
        return Batch(ledger.out[-1].token, items, more) if items else None

    def _chosen(self, ledger: Ledger, scan: Scan, limit: _Limit) -> tuple[list[Item], bool]:
        """The items of a new batch, and whether there are more. In a group they are all of one stream.

        A group runs ahead of its slowest member by MOST_ITEMS, then waits for it, or for the end of its lease.
        """
        busy = {batch.stream for batch in ledger.out}
        room = MOST_ITEMS - len(ledger.done) - len(ledger.handed) if ledger.out else MOST_ITEMS
        items: list[Item] = []
        more = False
        for item in _undone(ledger, scan):
            if self._grouped and item.stream in busy:
                continue
            if self._grouped and items and item.stream != items[0].stream:
                more = True
                continue
            if len(items) >= room or not limit.allows(item):
                return items, True
            items.append(item)
        return items, more


class _Limit:
    """How much a batch may hold. The first item always has room: else nothing ever moved."""

    def __init__(self, items: int, size: float, size_of: Size) -> None:
        self._left = (items, size)
        self._size_of = size_of
        self._fresh = True

    def allows(self, item: Item) -> bool:
        """Take `item`; whether that was possible."""
        items, size = self._left[0] - 1, self._left[1] - self._size_of(item)
        if not self._fresh and (items < 0 or size < 0):
            return False
        self._left, self._fresh = (items, size), False
        return True


def _undone(ledger: Ledger, scan: Scan) -> Iterator[Item]:
    """The items that nobody has or has done. What is done at the front is forgotten: the places stand behind it."""
    handed, met = ledger.handed, set()
    for item in scan:
        if item.spot in ledger.done:
            met.add(item.spot)
            if scan.has_passed(item):
                ledger.done.discard(item.spot)
            continue
        scan.keep(item)
        if item.spot not in handed:
            yield item
    if len(ledger.done) > MOST_ITEMS:  # in files that are gone
        ledger.done &= met


def _is_far(before: Sequence[Place], after: Sequence[Place]) -> bool:
    pairs = zip(before, after, strict=True)
    return any(old.head != new.head or new.offset - old.offset >= _SAVED_EVERY_BYTES for old, new in pairs)


def _token() -> str:
    return os.urandom(4).hex()
