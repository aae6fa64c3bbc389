"""The pages in which the API sends many records, one after the other, as they are read.

Records that come while we read push earlier ones on to the next page (the newest are first), so a page repeats the end
of the one before: a record that was on a page before is left out. What is remembered of a record is a hash, and only of
the newest MAX_REMEMBERED: a page repeats what was read moments ago, not the beginning of a long read. Records that are
equal and on the same page are two: the same words twice in a row are normal.

Give an end in time to read what cannot change.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import orjson

from videodb_listen.api.resource import list_in

MAX_STALE_PAGES = 10
"""Pages in a row with nothing new. A few are records that moved on; so many are a server that counts no pages."""

MAX_REMEMBERED = 50_000
"""Records, in some 5 MB: as many as would have to come between two pages to be seen twice."""

Fetch = Callable[[int], Awaitable[dict[str, Any]]]
"""Gives the page of this number, counted from 1, as the API sends it."""


async def pages(fetch: Fetch, key: str) -> AsyncIterator[dict[str, Any]]:
    """Every page as the API sends it, but with only the new records in its list `key`."""
    seen: dict[int, None] = {}  # in the order in which they came
    stale = 0
    for number in itertools.count(1):
        answer = await fetch(number)
        records = list_in(answer, key)
        marks = [hash(orjson.dumps(record, option=orjson.OPT_SORT_KEYS)) for record in records]
        fresh = [record for mark, record in zip(marks, records, strict=True) if mark not in seen]
        seen |= dict.fromkeys(marks)
        for oldest in list(itertools.islice(seen, max(0, len(seen) - MAX_REMEMBERED))):
            del seen[oldest]
        yield {**answer, key: fresh}
        stale = 0 if fresh else stale + 1
        if not answer.get("next_page") or not records or stale == MAX_STALE_PAGES:
            return


async def as_one(fetch: Fetch, key: str) -> dict[str, Any]:
    """All pages as one: what the first says, with every record in its list `key`."""
    whole: dict[str, Any] = {}
    records: list[dict[str, Any]] = []
    async for page in pages(fetch, key):
        records += page[key]
        whole = whole or page
    return {**whole, key: records, "next_page": False}
