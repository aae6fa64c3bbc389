"""Records, given away in pages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videodb_emulator.pure.fields import Fields, Refusal
from videodb_emulator.pure.records import Records
from videodb_emulator.pure.script import Segment


def _records(count: int, *, newest_first: bool = False) -> Records:
    records = Records(newest_first=newest_first)
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
def test_a_range_chooses_what_touches_it_and_since_what_ended_later(start: float, end: float, since: float) -> None:
    chosen = _records(10).page(Fields({"start": start, "end": end, "since": since})).records
    assert [int(one.text) for one in chosen] == [n for n in range(10) if n + 1 >= start and n <= end and n + 1 > since]


@pytest.mark.parametrize("query", [{"page": 0}, {"page_size": 1001}, {"page": 1.5}, {"start": "noon"}])
def test_a_range_that_is_none_is_refused_even_without_records(query: dict[str, object]) -> None:
    with pytest.raises(Refusal) as caught:
        Records().page(Fields(query))
    assert caught.value.status == 400
