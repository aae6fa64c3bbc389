"""What a pipeline has found out so far, kept in the order of time and given away in pages."""

import math
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from videodb_emulator.pure.dialect import LARGEST_PAGE, RANGES, RECORD_ORDERS, Dialect
from videodb_emulator.pure.fields import Fields
from videodb_emulator.pure.script import Segment

_KEPT = 10_000  # hours of any script; more would only fill the memory of an emulator left running
_LARGEST_NUMBER = 10**9


class Page(NamedTuple):
    """A part of the records that were asked for; `number` counts from 1, `total` is how many there are on all pages."""

    records: list[Segment]
    number: int
    size: int
    total: int

    @property
    def more(self) -> bool:
        """Whether there is a page behind this one."""
        return self.number * self.size < self.total


class Records:
    """Final segments; interim ones are not kept. `newest_first` is the order where the dialect has a mixed one."""

    def __init__(self, dialect: Dialect, *, newest_first: bool = False) -> None:
        order = RECORD_ORDERS[dialect.record_order]
        self._newest_first = newest_first if order is None else order
        self._dialect = dialect
        self._kept: deque[Segment] = deque(maxlen=_KEPT)

    def add(self, segment: Segment) -> None:
        """Keep one that is later than all before."""
        self._kept.append(segment)

    def page(self, query: Fields) -> Page:
        """Return the page that is asked for, or less of it if the dialect caps pages.

        `start` and `end` choose as the dialect says, `since` what ended after it; all are unix seconds. Raises
        `Refusal` 400.
        """
        number = query.whole("page", default=1, low=1, high=_LARGEST_NUMBER)
        size = min(query.whole("page_size", default=100, low=1, high=LARGEST_PAGE), self._dialect.page_cap)
        chosen = list(filter(self._wanted(query), self._kept))
        if self._newest_first:
            chosen.reverse()
        first = (number - 1) * size
        return Page(chosen[first : first + size], number, size, len(chosen))

    def _wanted(self, query: Fields) -> Callable[[Segment], bool]:
        start_s, end_s, since_s = query.number("start"), query.number("end"), query.number("since")
        from_s = -math.inf if start_s is None else start_s
        to_s = math.inf if end_s is None else end_s
        after_s = -math.inf if since_s is None else since_s
        part = RANGES[self._dialect.range_by]

        def wanted(record: Segment) -> bool:
            begins_s, ends_s = part(record.start_s, record.end_s)
            return ends_s >= from_s and begins_s <= to_s and record.end_s > after_s

        return wanted
