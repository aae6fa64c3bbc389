"""Transcripts as the service sends them, and as nobody would."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

NOW_S = 1_772_446_530.0
MIC, SYSTEM = "mic:default", "system_audio:default"


def said(text: Any = "words", start: Any = None, end: Any = None, *, at: Any = NOW_S, **more: Any) -> dict[str, Any]:
    """A final transcript that was received `at` this time; what is None is not in it."""
    data = {"text": text, "is_final": True, "start": start, "end": end}
    event = {"unix_ts": at, "channel": "transcript", "rtstream_name": MIC, "data": _without_none(data), **more}
    return _without_none(event)


def _without_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def window(text: str = "words", start_s: float = 0.0, end_s: float = 2.0, **more: Any) -> dict[str, Any]:
    """A final transcript of this window, seconds after NOW_S, in milliseconds as the service documents it."""
    return said(text, (NOW_S + start_s) * 1000, (NOW_S + end_s) * 1000, at=NOW_S + end_s + 1, **more)


LONG = " ".join(f"well-known{n}" for n in range(60))
NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats()  # what orjson makes of numbers
MOMENTS = (
    st.floats(NOW_S - 30, NOW_S + 30)
    | st.floats(NOW_S - 30, NOW_S + 30).map(lambda moment_s: int(moment_s * 1000))
    | st.floats(NOW_S - 30, NOW_S + 30).map(str)
    | st.floats(0, 100)
    | NUMBERS
    | NUMBERS.map(str)
    | st.none()
    | st.datetimes().map(str)
)
TEXTS = st.text(max_size=300).map(lambda text: text.replace("[", "(").replace("→", ">")) | st.sampled_from(
    ["yes", "no", LONG, "-->", "&lt;b&gt; <b>", "x" * 200, "00:00:00,000 --> 00:00:01,000", "\n\n2\n\n"]
)
TRANSCRIPTS = st.builds(
    said, TEXTS, MOMENTS, MOMENTS, at=MOMENTS, rtstream_name=st.sampled_from([MIC, SYSTEM]), rtstream_id=st.none()
)
KEYS = st.sampled_from(
    ["channel", "type", "text", "data", "start", "end", "unix_ts", "is_final", "rtstream_id", "rtstream_name"]
)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS | st.just("transcript")
OBJECTS = st.dictionaries(KEYS, SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(KEYS, SCALARS, max_size=4))
