"""Requests read with their types: whatever comes, it is a value or a refusal."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videodb_emulator.pure.fields import Fields, Refusal, parse

READERS = {
    "text": lambda fields: fields.text("x"),
    "optional_text": lambda fields: fields.optional_text("x"),
    "one_of": lambda fields: fields.one_of("x", ("start", "stop")),
    "flag": lambda fields: fields.flag("x", default=False),
    "number": lambda fields: fields.number("x"),
    "whole": lambda fields: fields.whole("x", default=1, low=0, high=10),
    "object": lambda fields: fields.object("x"),
    "objects": lambda fields: fields.objects("x"),
    "texts": lambda fields: fields.texts("x", ("audio",), []),
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def refusal(call: Callable[[], object]) -> Refusal | None:
    """Make the call; return its refusal, None if it was granted."""
    try:
        call()
    except Refusal as error:
        return error
    return None


@pytest.mark.parametrize("reader", READERS)
@given(value=json_values | st.sampled_from(["start", "3", "1e400", "nan", 10**400]))
def test_any_value_is_taken_or_refused_with_400(reader: str, value: Any) -> None:
    refused = refusal(lambda: READERS[reader](Fields({"x": value})))
    assert refused is None or (refused.status, refused.message[:2]) == (400, "x ")


@given(st.binary(max_size=40) | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_an_object_that_can_be_given_back_or_is_refused(body: bytes) -> None:
    refused = refusal(lambda: parse(body))
    if refused is None:
        json.dumps(json.loads(body or b"{}"), ensure_ascii=False, allow_nan=False).encode()
    else:
        assert refused.status == 400


def test_no_body_has_no_fields() -> None:
    assert parse(b"").optional_text("x") is None


@pytest.mark.parametrize("absent", [None, ""])
def test_null_and_an_empty_text_are_absent(absent: str | None) -> None:
    fields = Fields({"x": absent})
    assert (fields.optional_text("x"), fields.number("x"), fields.object("x")) == (None, None, {})
    assert (fields.flag("x", default=True), fields.whole("x", default=4, low=0, high=9)) == (True, 4)
    with pytest.raises(Refusal, match="x is required"):
        fields.text("x")


def test_a_query_spells_numbers_as_text() -> None:
    fields = Fields({"start": "1.5", "page": "3"})
    assert fields.number("start") == 1.5
    assert fields.whole("page", default=1, low=1, high=9) == 3


@given(st.integers(-20, 20), st.integers(-20, 20), st.integers(-20, 20))
def test_a_whole_number_is_within_its_bounds_or_refused(number: int, low: int, high: int) -> None:
    refused = refusal(lambda: Fields({"x": number}).whole("x", default=0, low=low, high=high))
    assert (refused is None) == (low <= number <= high)
