"""Sizes and times as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videodb_listen.units import format_duration, format_size, parse_duration, parse_retry_after, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("123", 123),
        ("1K", 1024),
        ("64k", 65536),
        ("32M", 32 << 20),
        ("2G", 2 << 30),
        ("1.5K", 1536),
        (" 8 M ", 8 << 20),
    ],
)
def test_a_size_is_bytes_with_powers_of_1024(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0.0), ("30", 30.0), ("500ms", 0.5), ("1.5s", 1.5), ("10m", 600.0), ("2H", 7200.0), (" 3 s", 3.0)],
)
def test_a_time_is_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


BAD = ["", " ", "x", "1x", "-1", "+1", "1 2", "1e3", "1,5", "1.", ".5", "K", "inf", "nan", "0x10", "1\n2"]


@pytest.mark.parametrize("text", [*BAD, "1KB", "5s"])
def test_a_size_that_is_none_is_named_with_the_accepted_forms(text: str) -> None:
    with pytest.raises(ValueError, match="K, M or G") as failure:
        parse_size(text)
    assert repr(text) in str(failure.value)


@pytest.mark.parametrize("text", [*BAD, "1d", "5M5", "10K"])
def test_a_time_that_is_none_is_named_with_the_accepted_forms(text: str) -> None:
    with pytest.raises(ValueError, match="ms, s, m or h") as failure:
        parse_duration(text)
    assert repr(text) in str(failure.value)


@given(st.text())
def test_no_text_makes_a_parser_fail_in_another_way(text: str) -> None:
    for parse in (parse_size, parse_duration):
        try:
            assert parse(text) >= 0
        except ValueError as exc:
            assert repr(text) in str(exc)  # noqa: PT017  # either outcome is right, if it is this one


@pytest.mark.parametrize("text", ["9" * 400, "9" * 308 + "K"])
def test_a_size_beyond_every_number_is_a_value_error_too(text: str) -> None:
    with pytest.raises(ValueError, match="9"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (32 << 20, "32.0 MiB"),
        (3 << 30, "3.0 GiB"),
    ],
)
def test_a_size_is_shown_in_the_largest_whole_unit(size: float, shown: str) -> None:
    assert format_size(size) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0s"),
        (0.25, "0.2s"),
        (2.0, "2s"),
        (9.96, "10s"),
        (10, "10s"),
        (59.4, "59s"),
        (59.6, "1m00s"),
        (61, "1m01s"),
        (3599.6, "1h00m"),
        (3661, "1h01m"),
        (90000, "25h00m"),
    ],
)
def test_a_time_is_shown_in_two_units_at_most(seconds: float, shown: str) -> None:
    assert format_duration(seconds) == shown


DATE = "Mon, 02 Mar 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "120"}, 120.0),
        ({"retry-after": " 0 "}, 0.0),
        ({"retry-after": "Mon, 02 Mar 2026 10:02:00 GMT", "date": DATE}, 120.0),
        ({"retry-after": "Mon, 02 Mar 2026 09:00:00 GMT", "date": DATE}, 0.0),
        ({"retry-after": "Mon, 02 Mar 2026 10:02:00 GMT"}, None),
        ({"retry-after": "Mon, 02 Mar 2026 10:02:00 GMT", "date": "yesterday"}, None),
        ({"retry-after": "Mon, 02 Mar 2026 10:02:00 -0000", "date": DATE}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "1.5"}, None),
        ({"retry-after": "soon", "date": DATE}, None),
        ({"retry-after": "", "date": DATE}, None),
    ],
)
def test_a_server_may_ask_for_seconds_or_for_a_date_by_its_own_clock(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert parse_retry_after(headers) == seconds


@given(
    st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d{1,30} [A-Z][a-z]{2} \d{1,8} \d{1,4}:\d\d:\d\d [+-]\d{1,9}"), st.text()
)
def test_no_header_makes_it_fail(value: str, date: str) -> None:
    for headers in ({"retry-after": value, "date": DATE}, {"retry-after": value, "date": date}):
        assert (parse_retry_after(headers) or 0.0) >= 0.0


def test_a_date_beyond_the_calendar_is_no_time() -> None:
    assert parse_retry_after({"retry-after": f"Mon, 02 Mar {'9' * 20} 10:00:00 GMT", "date": DATE}) is None
