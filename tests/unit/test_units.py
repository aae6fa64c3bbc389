"""Sizes and times as people write them."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from videodb_listen.units import (
    format_duration,
    format_size,
    parse_count,
    parse_duration,
    parse_moment,
    parse_retry_after,
    parse_size,
    unix_seconds,
)

NOW_S = 1772446530.0


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
    [
        ("0", 0.0),
        ("30", 30.0),
        ("500ms", 0.5),
        ("1.5s", 1.5),
        ("10m", 600.0),
        ("2H", 7200.0),
        (" 3 s", 3.0),
        ("2d", 172800.0),
        ("1h05m", 3900.0),
        ("1d4h", 100800.0),
        ("1d 04h 00m 30s", 100830.0),
        ("1s500ms", 1.5),
        ("36500d", 3153600000.0),
    ],
)
def test_a_time_is_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


BAD = ["", " ", "x", "1x", "-1", "+1", "1 2", "1e3", "1,5", "1.", ".5", "K", "inf", "nan", "0x10", "1\n2"]


@pytest.mark.parametrize("text", [*BAD, "1KB", "5s"])
def test_a_size_that_is_none_is_named_with_the_accepted_forms(text: str) -> None:
    with pytest.raises(ValueError, match="K, M or G") as failure:
        parse_size(text)
    assert repr(text) in str(failure.value)


@pytest.mark.parametrize("text", [*BAD, "1w", "5M5", "10K", "1h5", "5m1h", "1h1h", "h", "1h05m ago"])
def test_a_time_that_is_none_is_named_with_the_accepted_forms(text: str) -> None:
    with pytest.raises(ValueError, match="ms, s, m, h or d") as failure:
        parse_duration(text)
    assert repr(text) in str(failure.value)


@pytest.mark.parametrize(("text", "count"), [("0", 0), (" 12 ", 12), ("007", 7), ("1000000000000", 10**12)])
def test_a_count_is_a_whole_number(text: str, count: int) -> None:
    assert parse_count(text) == count


@pytest.mark.parametrize("text", ["", "x", "-1", "+1", "1.5", "1e3", "1 2", "0x10", "1_000", "²"])
def test_a_count_that_is_none_is_named_with_the_accepted_form(text: str) -> None:
    with pytest.raises(ValueError, match="in digits") as failure:
        parse_count(text)
    assert repr(text) in str(failure.value)


PARSERS: dict[str, Callable[[str], float]] = {
    "size": parse_size,
    "count": parse_count,
    "time": parse_duration,
    "moment": lambda text: parse_moment(text, NOW_S),
}
written = st.from_regex(r"\s?\d{1,30}(\.\d{1,5})? ?([dhmskg]|ms)?(\d{1,3}[hms])?( ago)?\s?", fullmatch=True)


@given(st.text() | written)
@pytest.mark.parametrize("kind", PARSERS)
def test_no_text_makes_a_parser_fail_in_another_way(kind: str, text: str) -> None:
    try:
        assert math.isfinite(PARSERS[kind](text))
    except ValueError as exc:
        assert repr(text) in str(exc)  # noqa: PT017  # either outcome is right, if it is this one


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("size", "1048577G"),
        ("size", "9" * 308 + "K"),
        ("count", "1000000000001"),
        ("count", "9" * 5000),
        ("time", "36501d"),
        ("time", "9" * 400),
        ("moment", "9" * 400),
        ("moment", "9" * 25 + "d"),
    ],
)
def test_a_number_that_no_machine_has_is_refused(kind: str, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        PARSERS[kind](text)


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
        (86399.4, "23h59m"),
        (86399.6, "1d00h"),
        (90000, "1d01h"),
        (864000, "10d00h"),
    ],
)
def test_a_time_is_shown_in_two_units_at_most(seconds: float, shown: str) -> None:
    assert format_duration(seconds) == shown


@given(st.floats(0, 3e9))
@example(9.96)
@example(59.6)
@example(3599.6)
@example(86399.6)
def test_a_time_that_was_shown_is_understood_as_what_was_shown(seconds: float) -> None:
    shown = format_duration(seconds)
    understood = parse_duration(shown)
    unit_s = 3600 if "d" in shown else 60 if "h" in shown else 1 if seconds >= 10 else 0.1
    assert abs(understood - seconds) <= unit_s
    assert format_duration(understood) == shown


# -- moments --


@pytest.mark.parametrize("ago", ["10m", "10m ago", "10 m  ago", "600", "600 ago", "600s", "0h10m", "10M AGO"])
def test_a_time_ago_is_counted_from_now(ago: str) -> None:
    assert parse_moment(ago, NOW_S) == NOW_S - 600


@given(st.floats(0, 3e9))
def test_a_time_that_was_shown_with_ago_is_that_long_ago(seconds: float) -> None:
    shown = format_duration(seconds)
    assert parse_moment(f"{shown} ago", NOW_S) == parse_moment(shown, NOW_S) == NOW_S - parse_duration(shown)


@given(st.integers(10**8, 10**11 - 1))
@example(1772446530)
@example(100_000_001)
def test_unix_time_is_understood_in_every_unit_in_which_it_is_printed(unix_s: int) -> None:
    assert parse_moment(str(unix_s), NOW_S) == unix_s
    for digits in (3, 6, 9):
        if unix_s * 10**digits > 10 ** (8 + digits):
            assert parse_moment(f"{unix_s}{'0' * digits}", NOW_S) == pytest.approx(unix_s, rel=1e-12)


@pytest.mark.parametrize("text", ["1772446530.25", "1772446530250", "1772446530250000", "1772446530250000000"])
def test_a_fraction_of_a_second_is_kept_in_every_unit(text: str) -> None:
    assert parse_moment(text, NOW_S) == pytest.approx(1772446530.25, abs=1e-6)


@given(st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001
def test_a_date_with_a_zone_is_that_moment(at: datetime, minutes: int) -> None:
    moment = at.replace(tzinfo=UTC).timestamp()
    zone = timedelta(minutes=minutes)
    sign, offset = ("-", -zone) if minutes < 0 else ("+", zone)
    local = (at + zone).isoformat()
    assert parse_moment(f"{local}{sign}{str(offset).zfill(8)[:5]}", NOW_S) == pytest.approx(moment)
    assert parse_moment(f"{at.isoformat()}Z", NOW_S) == pytest.approx(moment)


def test_a_date_without_a_zone_is_local() -> None:
    for text in ("2026-03-02T10:15", "2026-03-02 10:15:00"):
        assert parse_moment(text, NOW_S) == datetime(2026, 3, 2, 10, 15).astimezone().timestamp()
    assert parse_moment("2026-03-02", NOW_S) == datetime(2026, 3, 2).astimezone().timestamp()


@pytest.mark.parametrize("text", ["20260302", "19991231"])
def test_digits_that_could_be_a_date_are_not_taken_for_seconds(text: str) -> None:
    with pytest.raises(ValueError, match=f"write {text[:4]}-{text[4:6]}-{text[6:]} or {text}s"):
        parse_moment(text, NOW_S)
    assert parse_moment(f"{text}s", NOW_S) == NOW_S - int(text)


@pytest.mark.parametrize("text", ["", "now", "ago", "yesterday", "10:15", "-5", "1e9", "1h5", "10m later", "9" * 21])
def test_a_moment_that_is_none_is_named_with_the_accepted_forms(text: str) -> None:
    with pytest.raises(ValueError, match="a time ago") as failure:
        parse_moment(text, NOW_S)
    assert repr(text) in str(failure.value)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 1.1e20, 10**400])
def test_what_is_no_time_in_any_unit_is_none(number: float) -> None:
    with pytest.raises(ValueError, match="no unix time"):
        unix_seconds(number)


# -- Retry-After --


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
