"""Records, given away in pages."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videodb_emulator.pure.dialect import Dialect
from videodb_emulator.pure.fields import Fields, Refusal
from videodb_emulator.pure.records import Records
from videodb_emulator.pure.script import Segment


def _records(count: int, *, newest_first: bool = False, **dialect: Any) -> Records:
    records = Records(Dialect(**dialect), newest_first=newest_first)
    for number in range(count):
        records.add(Segment(number, number + 1, str(number), is_final=True, fires_alerts=False))
    return records


@given(st.integers(0, 30), st.integers(1, 12), st.booleans())
def test_pages_together_are_all_records_once(count: int, size: int, newest_first: bool) -> None:
    records, texts, number = _records(count, newest_first=newest_first), list[str](), 1
    while True:
        page = records.page(Fields({"page": number, "page_size": size}))
        texts += [one.text for one in page.records]
        assert page.total == count
        if not page.more:
            break
        number += 1
    assert texts == [str(n) for n in (reversed(range(count)) if newest_first else range(count))]


@given(st.floats(-2, 12), st.floats(-2, 12), st.floats(-2, 12))
def test_a_range_selects_what_overlaps_it_and_since_what_ended_later(start: float, end: float, since: float) -> None:
    chosen = _records(10).page(Fields({"start": start, "end": end, "since": since})).records
    assert [int(one.text) for one in chosen] == [n for n in range(10) if n + 1 >= start and n <= end and n + 1 > since]


@pytest.mark.parametrize(
    ("range_by", "selected"), [("overlap", ["1", "2", "3"]), ("start", ["2", "3"]), ("end", ["1", "2"])]
)
def test_the_dialect_says_which_part_of_a_record_a_range_is_about(range_by: str, selected: list[str]) -> None:
    page = _records(10, range_by=range_by).page(Fields({"start": 1.5, "end": 3.5}))
    assert [one.text for one in page.records] == selected


@pytest.mark.parametrize(
    ("order", "newest_first"), [("mixed", [False, True]), ("oldest", [False, False]), ("newest", [True, True])]
)
def test_the_dialect_says_which_record_comes_first(order: str, newest_first: list[bool]) -> None:
    pages = [_records(2, newest_first=usual, record_order=order).page(Fields({})) for usual in (False, True)]
    assert [page.records[0].text == "1" for page in pages] == newest_first


def test_a_page_holds_no_more_than_the_cap_and_the_pages_are_still_all_records_once() -> None:
    records = _records(7, page_cap=3)
    pages = [records.page(Fields({"page": number, "page_size": 1000})) for number in (1, 2, 3)]
    assert [(len(page.records), page.size, page.more) for page in pages] == [(3, 3, True), (3, 3, True), (1, 3, False)]
    assert [one.text for page in pages for one in page.records] == list("0123456")


@pytest.mark.parametrize("query", [{"page": 0}, {"page_size": 1001}, {"page": 1.5}, {"start": "noon"}])
def test_a_range_that_is_none_is_refused_even_without_records(query: dict[str, object]) -> None:
    with pytest.raises(Refusal) as caught:
        _records(0).page(Fields(query))
    assert caught.value.status == 400
