"""Pages as they are read: every record once, one page at a time, in little memory."""

from __future__ import annotations

from typing import Any

import pytest

from videodb_listen.api import pages as module
from videodb_listen.api.pages import MAX_STALE_PAGES, Fetch, as_one, pages


class Pages:
    """Gives these pages, the last one again and again, and notes which were asked for."""

    def __init__(self, *contents: list[int], more: bool = False) -> None:
        self.asked: list[int] = []
        self._contents = contents
        self._more = more

    async def __call__(self, number: int) -> dict[str, Any]:
        self.asked.append(number)
        index = min(number, len(self._contents)) - 1
        records = [{"n": n} for n in self._contents[index]]
        return {"records": records, "next_page": self._more or number < len(self._contents), "total_count": 9}


async def read(fetch: Fetch) -> list[list[int]]:
    return [[record["n"] for record in page["records"]] async for page in pages(fetch, "records")]


async def test_a_page_is_asked_for_when_the_one_before_was_taken() -> None:
    fetch = Pages([1], [2], [3])
    reading = pages(fetch, "records")
    assert (await anext(reading))["records"] == [{"n": 1}]
    assert fetch.asked == [1]
    assert (await anext(reading))["records"] == [{"n": 2}]
    assert fetch.asked == [1, 2]


async def test_a_page_is_as_it_was_sent_but_for_what_was_on_one_before() -> None:
    fetch = Pages([9, 9, 8], [9, 8, 7])
    found = [page async for page in pages(fetch, "records")]
    assert found[1] == {"records": [{"n": 7}], "next_page": False, "total_count": 9}


@pytest.mark.parametrize(
    ("contents", "expected"),
    [
        (([9, 9, 8], [9, 8, 7], [6]), [[9, 9, 8], [7], [6]]),
        (([2], [2], [1]), [[2], [], [1]]),
        (([], [1]), [[]]),
        (([1, 1],), [[1, 1]]),
    ],
)
async def test_a_record_that_moved_on_comes_once_and_equal_ones_of_a_page_all(
    contents: tuple[list[int], ...], expected: list[list[int]]
) -> None:
    assert await read(Pages(*contents)) == expected


async def test_a_server_that_says_more_for_ever_is_left() -> None:
    fetch = Pages([1], more=True)
    await read(fetch)
    assert len(fetch.asked) == 1 + MAX_STALE_PAGES


async def test_what_is_remembered_is_bounded_and_is_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REMEMBERED", 3)
    assert await read(Pages([1, 2], [3, 4], [4, 1])) == [[1, 2], [3, 4], [1]]


async def test_all_pages_are_one_that_says_what_the_first_said() -> None:
    assert await as_one(Pages([1], [2]), "records") == {
        "records": [{"n": 1}, {"n": 2}],
        "next_page": False,
        "total_count": 9,
    }


async def test_records_are_told_apart_by_what_is_in_them_whatever_its_order() -> None:
    async def fetch(number: int) -> dict[str, Any]:
        record = {"a": 1, "b": 2} if number == 1 else {"b": 2, "a": 1}
        return {"records": [record, "none"], "next_page": number == 1}

    assert [page["records"] async for page in pages(fetch, "records")] == [[{"a": 1, "b": 2}], []]
