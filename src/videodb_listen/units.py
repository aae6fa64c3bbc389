"""Sizes and times as people write them: `32M`, `64K`, `500ms`, `10m`; a bare number is bytes or seconds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

_NUMBER = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[a-z]*)", re.IGNORECASE)
_BYTES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_MAX_SIZE = 1 << 62  # what the kernel counts file sizes with, and then some
_UNIX_ABOVE = 1e8  # 1973; more seconds ago than that, nothing was recorded
_MILLISECONDS_ABOVE = 1e11  # as seconds, the year 5138
_SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_size(text: str) -> int:
    """Bytes in `text`: a number, optionally followed by K, M or G (powers of 1024).

    Raises ValueError, with the value and the accepted forms, for anything else.
    """
    accepted = "a size is a number with K, M or G, as in 32M"
    number, scale = _split(text, _BYTES, accepted)
    if number * scale > _MAX_SIZE:
        raise ValueError(f"{text!r} is too large: {accepted}")
    return int(number * scale)


def parse_duration(text: str) -> float:
    """Seconds in `text`: a number, optionally followed by ms, s, m or h.

    Raises ValueError, with the value and the accepted forms, for anything else.
    """
    number, scale = _split(text, _SECONDS, "a time is a number with ms, s, m or h, as in 30s")
    return number * scale


def parse_moment(text: str, now_s: float) -> float:
    """Unix seconds in `text`: a time ago (`10m`, counted from `now_s`), ISO 8601 (local time without a zone) or unix.

    A bare number is unix time, in seconds or milliseconds, unless it is too small for that: then it is seconds ago.
    Raises ValueError, with the value and the accepted forms, for anything else.
    """
    found = _NUMBER.fullmatch(text.strip())
    if found and found["unit"].lower() in _SECONDS:
        number = float(found["number"])
        if found["unit"] or number < _UNIX_ABOVE:
            return now_s - number * _SECONDS[found["unit"].lower()]
        return number / 1000 if number > _MILLISECONDS_ABOVE else number
    try:
        return datetime.fromisoformat(text.strip()).astimezone().timestamp()
    except (ValueError, OverflowError):
        accepted = "a moment is a time ago as in 10m, ISO 8601 as in 2026-03-02T10:15, or unix seconds"
        raise ValueError(f"{text!r} is not understood: {accepted}") from None


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
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
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


def _split(text: str, scales: Mapping[str, float], accepted: str) -> tuple[float, float]:
    found = _NUMBER.fullmatch(text.strip())
    scale = scales.get(found["unit"].lower()) if found else None
    if found is None or scale is None:
        raise ValueError(f"{text!r} is not understood: {accepted}")
    return float(found["number"]), scale
