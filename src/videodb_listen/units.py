"""Sizes, counts and times as people write them: `32M`, `500ms`, `1h05m`, `2d`; a bare number is bytes or seconds.

What `format_duration` prints every parser of times understands. What no machine has is refused: it is a slip.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime

_NUMBER = r"(\d+(?:\.\d+)?)"
_SIZE = rf"(?i){_NUMBER}\s*([kmg]?)"
_PART = rf"(?i:{_NUMBER}\s*(ms|[dhms])\s*)"
_DURATION = rf"{_PART}+"
_TIME_AGO = rf"{_DURATION}(?i:ago)?|{_NUMBER}(?i:\s+ago)"
_DIGITS_OF_A_DATE = r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"

_BYTES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}  # in the order in which they are written

_MAX_SIZE = 1 << 50  # a disk of 1 PiB
_MAX_COUNT = 10**12  # lines that would fill it
_MAX_DURATION_S = 36500 * 86400.0

_UNIX_ABOVE = 1e8  # 1973; more seconds ago than that, nothing was recorded
_UNITS_A_SECOND = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6), (1e20, 1e9))
"""Up to 1e11 a number counts seconds (the year 5138), up to a thousand times that milliseconds, and so on."""


def parse_size(text: str) -> int:
    """Bytes in `text`: a number, optionally followed by K, M or G (powers of 1024).

    Raises ValueError, with the value and the accepted forms, for anything else and above 1 PiB.
    """
    accepted = "a size is a number with K, M or G, as in 32M"
    found = re.fullmatch(_SIZE, text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not understood: {accepted}")
    size = float(found[1]) * _BYTES[found[2].lower()]
    if size > _MAX_SIZE:
        raise ValueError(f"{text!r} is too large, more than 1 PiB: {accepted}")
    return int(size)


def parse_count(text: str) -> int:
    """The whole number in `text`, 0 or more.

    Raises ValueError, with the value and the accepted form, for anything else and above 10^12.
    """
    digits = text.strip()
    if not digits.isdecimal():
        raise ValueError(f"{text!r} is not understood: a number of things is written in digits, as in 100")
    if len(digits.lstrip("0")) > len(str(_MAX_COUNT)) or int(digits) > _MAX_COUNT:
        raise ValueError(f"{text!r} is too large: give at most {_MAX_COUNT}")
    return int(digits)


def parse_duration(text: str) -> float:
    """Seconds in `text`: a number, optionally followed by ms, s, m, h or d, or several such parts, the largest first.

    Raises ValueError, with the value and the accepted forms, for anything else and above 36500 days.
    """
    accepted = "a time is a number with ms, s, m, h or d, as in 30s or 1h05m"
    written = text.strip()
    parts = [(float(number), unit.lower()) for number, unit in re.findall(_PART, written)]
    units = [unit for _, unit in parts]
    if re.fullmatch(_NUMBER, written):
        seconds = float(written)
    elif re.fullmatch(_DURATION, written) and units == [unit for unit in _SECONDS if unit in units]:
        seconds = sum(number * _SECONDS[unit] for number, unit in parts)
    else:
        raise ValueError(f"{text!r} is not understood: {accepted}")
    if seconds > _MAX_DURATION_S:
        raise ValueError(f"{text!r} is too long, more than 36500 days: {accepted}")
    return seconds


def parse_moment(text: str, now_s: float) -> float:
    """Unix seconds in `text`: a time ago (`10m`, counted from `now_s`), ISO 8601 (local time without a zone) or unix.

    A bare number is unix time in any unit of `unix_seconds`, unless it is too small for that: then it is seconds ago.
    Raises ValueError, with the value and the accepted forms, for anything else.
    """
    written = text.strip()
    is_number = re.fullmatch(_NUMBER, written) is not None
    if re.fullmatch(_DIGITS_OF_A_DATE, written):
        date = f"{written[:4]}-{written[4:6]}-{written[6:]}"
        raise ValueError(f"{text!r} can be a date or a number of seconds: write {date} or {written}s")
    try:
        if is_number and float(written) >= _UNIX_ABOVE:
            return unix_seconds(float(written))
        if is_number or re.fullmatch(_TIME_AGO, written):
            return now_s - parse_duration(re.sub(r"(?i)\s*ago", "", written))
        return datetime.fromisoformat(written).astimezone().timestamp()
    except (ValueError, OverflowError):
        accepted = "a moment is a time ago as in 10m, ISO 8601 as in 2026-03-02T10:15, or unix time"
        raise ValueError(f"{text!r} is not understood: {accepted}") from None


def unix_seconds(number: float) -> float:
    """Unix seconds in `number`, which counts seconds, milliseconds, microseconds or nanoseconds: its size tells.

    Raises ValueError when it is none of them: not finite, or beyond the year 5138 even in nanoseconds.
    """
    try:
        counted = float(number)
    except OverflowError:
        counted = math.inf
    for limit, a_second in _UNITS_A_SECOND:
        if abs(counted) <= limit:
            return counted / a_second
    raise ValueError(f"{counted:g} is no unix time, in whatever unit")


def format_size(size: float) -> str:
    """`size` bytes for people: the largest unit that leaves at least one whole."""
    for unit, scale in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size:.0f} bytes"


def format_duration(seconds: float) -> str:
    """`seconds` for people: at most two units, none smaller than a second unless it is below ten."""
    if seconds < 10:
        return f"{seconds:.1f}s".replace(".0s", "s")
    whole = round(seconds)
    days, hours, minutes, rest = whole // 86400, whole // 3600 % 24, whole // 60 % 60, whole % 60
    if days:
        return f"{days}d{hours:02d}h"
    if hours:
        return f"{hours}h{minutes:02d}m"
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks us to stay away, None when `headers` name none that can be understood.

    Both forms of RFC 9110, 10.2.3: seconds, or a date, which is compared with the server's own Date.
    """
    from email.utils import parsedate_to_datetime  # loads the socket module, which most commands do without

    value = headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        delay = parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, delay.total_seconds())
