"""Frames with blanks, and what fills them.

A placeholder is a word in braces inside any string of a frame:

| placeholder | becomes |
|---|---|
| `{session_id}` | the capture session's id, one per performance |
| `{rtstream:NAME}`, `{video:NAME}`, `{index:NAME}` | an id of that kind, the same wherever NAME is the same |
| `{now_ms}`, `{now_s}`, `{now_iso}` | the time at which the frame is due |

The two numeric times take an offset in their own unit, at speed 1: `{now_ms-2400}`, `{now_s+0.5}`. What is said faster
is over sooner, so the speed divides offsets as it divides pauses. A number that is the whole string becomes a JSON
number. An unknown word is an error, otherwise a typing mistake would only show on
the wire. Other braces are left alone, so a JSON document is a fine text.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from videodb_emulator.pure.dialect import session_event, stream_event
from videodb_emulator.pure.ids import Entropy, new_id
from videodb_emulator.pure.library import urls

_PLACEHOLDER = re.compile(r"\{(?P<word>[a-z_]+)(?::(?P<name>[\w-]+))?(?P<offset>[+-]\d+(?:\.\d+)?)?\}")


class TemplateError(ValueError):
    """A frame cannot be made from its template; the message says which word or path is wrong."""


_NAMED = frozenset({"rtstream", "video", "index"})


class Cast:
    """The ids of one performance: a name that comes twice gets the same id twice."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._ids: dict[tuple[str, str], str] = {}

    def id(self, kind: str, name: str) -> str:
        """Return the id of that name, made on first use."""
        key = kind, name
        if key not in self._ids:
            self._ids[key] = new_id(kind, self._entropy)
        return self._ids[key]

    @property
    def session_id(self) -> str:
        """The id of the capture session."""
        return self.id("session", "")


_CLOCKS: Mapping[str, Callable[[float, float], int | float]] = {
    "now_ms": lambda now_s, offset: round(now_s * 1000 + offset),
    "now_s": lambda now_s, offset: round(now_s + offset, 3),
}


def _iso(now_s: float) -> str:
    return datetime.fromtimestamp(now_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _value(match: re.Match[str], cast: Cast, now_s: float, speed: float) -> str | int | float:
    word, name, offset = match["word"], match["name"], match["offset"]
    if word in _CLOCKS and name is None:
        return _CLOCKS[word](now_s, float(offset or 0) / speed)
    if offset is None and name is not None and word in _NAMED:
        return cast.id(word, name)
    if offset is None and name is None and word == "session_id":
        return cast.session_id
    if offset is None and name is None and word == "now_iso":
        return _iso(now_s)
    raise TemplateError(f"unknown placeholder {match[0]}")


def fill(template: Any, cast: Cast, now_s: float, speed: float = 1.0) -> Any:
    """Return a copy of the JSON value with every placeholder replaced.

    `now_s` is unix time in seconds, `speed` divides offsets to it. Raises `TemplateError` for an unknown placeholder.
    """
    if isinstance(template, dict):
        return {key: fill(value, cast, now_s, speed) for key, value in template.items()}
    if isinstance(template, list):
        return [fill(value, cast, now_s, speed) for value in template]
    if not isinstance(template, str):
        return template
    whole = _PLACEHOLDER.fullmatch(template)
    if whole:
        return _value(whole, cast, now_s, speed)
    return _PLACEHOLDER.sub(lambda match: str(_value(match, cast, now_s, speed)), template)


def check(template: Any) -> None:
    """Raise `TemplateError` if the template could not be filled when its time comes."""
    fill(template, Cast(bytes), 0.0)


def with_change(frame: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy with the field at the dotted path set; objects on the way are made.

    Raises `TemplateError` if something that is not an object stands in the way.
    """
    head, _, rest = path.partition(".")
    if not head:
        raise TemplateError("an empty name in a path; paths look like data.text")
    if not rest and not path.endswith("."):
        return {**frame, head: value}
    inner = frame.get(head, {})
    if not isinstance(inner, dict):
        raise TemplateError(f"{head} is not an object, {path} cannot be set")
    return {**frame, head: with_change(inner, rest, value)}


def _stream_event(channel: str, stream: str, stream_name: str, window_ms: int, **data: Any) -> dict[str, Any]:
    window = {"start": f"{{now_ms-{window_ms}}}", "end": "{now_ms}"}
    return stream_event(channel, f"{{rtstream:{stream}}}", stream_name, **data, **window)


def _session_event(status: str, **data: Any) -> dict[str, Any]:
    return session_event(status, "{session_id}", **data)


_STREAMS = [
    {"rtstream_id": "{rtstream:mic}", "name": "mic:default", "media_types": ["audio"]},
    {"rtstream_id": "{rtstream:system_audio}", "name": "system_audio:default", "media_types": ["audio"]},
    {"rtstream_id": "{rtstream:display}", "name": "display:1", "media_types": ["video"]},
]

_MIC = ("mic", "mic:default")
_DISPLAY = ("display", "display:1")

EVENTS: Mapping[str, dict[str, Any]] = {
    "transcript": _stream_event("transcript", *_MIC, 2400, text="Let's ship it on Thursday.", is_final=True),
    "transcript.interim": _stream_event("transcript", *_MIC, 900, text="Let's ship", is_final=False),
    "visual_index": _stream_event("visual_index", *_DISPLAY, 2000, text="A code editor with a test run, all green."),
    "scene_index": _stream_event("scene_index", *_DISPLAY, 2000, text="A browser shows a dashboard with two charts."),
    "audio_index": _stream_event("audio_index", *_MIC, 15000, text="The speakers agree on a release date."),
    "spoken_index": _stream_event("spoken_index", *_MIC, 15000, text="A short talk about the release."),
    "alert": {
        "channel": "alert",
        "rtstream_id": "{rtstream:display}",
        "data": {
            "label": "password_visible",
            "triggered": True,
            "confidence": 0.92,
            "start": "{now_ms-2000}",
            "end": "{now_ms}",
        },
    },
    "capture_session.created": _session_event("created"),
    "capture_session.starting": _session_event("starting"),
    "capture_session.active": _session_event("active", rtstreams=_STREAMS),
    "capture_session.stopping": _session_event("stopping"),
    "capture_session.stopped": _session_event("stopped"),
    "capture_session.exported": _session_event(
        "exported", exported_video_id="{video:export}", **urls("{video:export}")
    ),
    "capture_session.failed": _session_event(
        "failed", error={"code": "RECORDING_FAILED", "message": "the recorder lost the display"}
    ),
}
"""The events that can be triggered, in their documented shapes (docs.videodb.io, realtime context)."""
