"""One view of an event, however it was spelled.

The service and its documentation name one thing in several ways: `scene_index` and `visual_index`, `label` and
`event_name`, milliseconds here and seconds there. Events stay the dictionaries that came; the functions here find in
them what a reader asks for. Each is total: any JSON object has an answer, None or "" where it says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from videodb_listen.line import decode_beginning
from videodb_listen.text import shorten, visible
from videodb_listen.units import unix_seconds

Event = Mapping[str, Any]

CHANNEL_KEYS = ("channel", "type", "event_type", "event")
"""Where tolerant consumers look for the channel, in their order."""

_FOLDED = {
    "scene_index": "visual_index",
    "spoken_index": "audio_index",
    "rtstream.transcript": "transcript",
}
_INDEX_TYPES = {"visual": "visual_index", "scene": "visual_index", "audio": "audio_index", "spoken": "audio_index"}
_LABEL_KEYS = ("label", "event_label", "event_name")
_WORD_KEYS = ("text", "explanation", "summary", "context", "message")
_LISTS = ("rtstreams", "streams", "channels")
_ERROR_KEYS = ("code", "message")
_READ_KEYS = frozenset((*_LABEL_KEYS, *_WORD_KEYS, "error"))
_ONLY_TEXT = frozenset({"text"})

RELATIVE_BELOW = 1e8
"""A smaller number of seconds (1973) is no date: it counts from the beginning of something."""


def sent_channel(event: Event) -> str:
    """The channel as it was sent; `raw` for a wrapped frame, `event` when there is none."""
    for key in CHANNEL_KEYS:
        value = event.get(key)
        if type(value) is str and value:
            return value
    return "raw" if "raw" in event or "raw_base64" in event else "event"


def channel_of(event: Event) -> str:
    """The channel under its one name: `scene_index` is `visual_index`, `capture_session.active` `capture_session`."""
    sent = sent_channel(event)
    if sent == "index":
        return _INDEX_TYPES.get(str(event.get("index_type")), sent)
    return _FOLDED.get(sent) or _FOLDED.get(sent.partition(".")[0], sent.partition(".")[0] or sent)


def name_of(event: Event) -> str:
    """What happened: `capture_session.exported`, else the channel."""
    for place in _places(event):
        for key in ("event", "type"):
            value = place.get(key)
            if type(value) is str and "." in value:
                return value
    channel = channel_of(event)
    status = status_of(event)
    return f"{channel}.{status}" if channel == "capture_session" and status else channel


def status_of(event: Event) -> str | None:
    """The session's state that the event announces, None when it announces none."""
    return _text_at(event, ("status",))


def session_of(event: Event) -> str | None:
    """The id of the capture session, None when the event names none."""
    return _text_at(event, ("capture_session_id", "session_id"))


def stream_of(event: Event) -> str | None:
    """The id of the stream, None when the event names none."""
    return _text_at(event, ("rtstream_id", "rtstreamId"))


def stream_name_of(event: Event) -> str | None:
    """The name of the stream, None when the event names none."""
    return _text_at(event, ("rtstream_name", "rtstreamName"))


def streams_in(event: Event) -> list[str]:
    """The ids of the streams that a lifecycle event lists; most list none."""
    return [stream for stream, _ in _listed_in(event)]


def stream_names_in(event: Event) -> dict[str, str]:
    """The names that the event tells, by the ids of the streams: of its own, and of those that it lists."""
    own = (stream_of(event), stream_name_of(event))
    return {stream: name for stream, name in (own, *_listed_in(event)) if stream and name}


def link_of(event: Event) -> str | None:
    """Where what the event tells of can be seen: a player, else a stream, else the id of a video; None: nowhere."""
    return _text_at(event, ("player_url",)) or _text_at(event, ("stream_url", "exported_video_id", "video_id"))


def text_of(event: Event) -> str:
    """All that a person would read there, "" when that is nothing: what it is called, then what it says.

    It is called by its label, or by its name or state when it has no words; it says words, and what went wrong. Each
    field counts once, the one in `data` before the one at the top.
    """
    data = event.get("data")
    data_first = (data, event) if isinstance(data, dict) else (event,)
    present = _READ_KEYS.intersection(chain.from_iterable(data_first))  # one key in most events
    words = [_text_in(data_first, (key,)) for key in _WORD_KEYS if key in present]
    if type(data) is str:
        words.append(data)
    if present == _ONLY_TEXT and len(words) == 1 and words[0]:
        return words[0]
    name = label_of(event) or (None if any(words) else _text_in(data_first, ("event", "status")))
    said = "; ".join(dict.fromkeys(filter(None, (*words, _error_in(data_first)))))
    if name and said and said != name:
        return f"{name}: {said}"
    return name or said or _text_in(data_first, ("raw",)) or ""


def label_of(event: Event) -> str | None:
    """The label of an alert, None when there is none."""
    return _text_at(event, _LABEL_KEYS)


def final_of(event: Event) -> bool | None:
    """Whether a transcript is final, None when the event does not say: then nothing else will follow it."""
    for place in _places(event):
        for key in ("is_final", "isFinal"):
            value = place.get(key)
            if type(value) is bool:
                return value
            if type(value) is str and value.lower() in ("true", "false"):
                return value.lower() == "true"
    ending = sent_channel(event).rpartition(".")[2]
    return {"final": True, "partial": False}.get(ending)


def start_of(event: Event) -> float | None:
    """When what it describes began, in seconds; None when the event does not say. See `seconds`."""
    return _seconds_at(event, ("start", "start_time", "timestamp"))


def end_of(event: Event) -> float | None:
    """When what it describes ended, in seconds; None when the event does not say. See `seconds`."""
    return _seconds_at(event, ("end", "end_time", "timestamp"))


def received_of(event: Event) -> float | None:
    """When it was received, in unix seconds; None when the line has no stamp."""
    return seconds(event.get("unix_ts"))


def seconds(value: object) -> float | None:
    """`value` in seconds: a number or numeric text in any unit of `unix_seconds`, or a time as ISO 8601 writes it.

    Unix seconds, unless it is below RELATIVE_BELOW. None when it is no time.
    """
    if type(value) is str:
        return _seconds_in(value.strip())
    if type(value) is not int and type(value) is not float:
        return None
    try:
        return unix_seconds(value)
    except ValueError:
        return None


def _seconds_in(text: str) -> float | None:
    try:
        return seconds(float(text))
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


@dataclass(frozen=True, slots=True)
class View:
    """Everything that one event says, for programs that show it. Times are seconds, see `seconds`."""

    received_s: float | None
    channel: str
    name: str
    session: str | None
    stream: str | None
    stream_name: str | None
    label: str | None
    text: str
    start_s: float | None
    end_s: float | None
    final: bool | None

    @classmethod
    def of(cls, event: Event) -> View:
        """The view of `event`."""
        return cls(
            received_s=received_of(event),
            channel=channel_of(event),
            name=name_of(event),
            session=session_of(event),
            stream=stream_of(event),
            stream_name=stream_name_of(event),
            label=label_of(event),
            text=text_of(event),
            start_s=start_of(event),
            end_s=end_of(event),
            final=final_of(event),
        )


def preview(line: bytes, columns: int = 80) -> str:
    """`[channel] text` for a person, one safe line of at most `columns` columns."""
    event = decode_beginning(line)
    return shorten(visible(f"[{sent_channel(event)}] {text_of(event)}".rstrip()), columns)


def _listed_in(event: Event) -> list[tuple[str, str | None]]:
    """Id and name of each stream that a lifecycle event lists; None: it has no name there."""
    data = event.get("data")
    if not isinstance(data, dict) or data.keys().isdisjoint(_LISTS):
        return []
    lists = [data.get(key) for key in _LISTS]
    items = [item for found in lists if isinstance(found, list) for item in found if isinstance(item, dict)]
    pairs = [(item.get("rtstream_id") or item.get("id"), item.get("name") or item.get("channel_id")) for item in items]
    return [(stream, name if type(name) is str else None) for stream, name in pairs if type(stream) is str]


def _places(event: Event) -> tuple[Event, ...]:
    """Where a field may stand: at the top, else in `data`."""
    data = event.get("data")
    return (event, data) if isinstance(data, dict) else (event,)


def _text_at(event: Event, keys: tuple[str, ...]) -> str | None:
    return _text_in(_places(event), keys)


def _text_in(places: tuple[Event, ...], keys: tuple[str, ...]) -> str | None:
    for place in places:
        for key in keys:
            value = place.get(key)
            if type(value) is str and value:
                return value
    return None


def _error_in(places: tuple[Event, ...]) -> str | None:
    """What went wrong: a text, or an object with a code and a message."""
    for place in places:
        error = place.get("error")
        said = [error.get(key) for key in _ERROR_KEYS] if isinstance(error, dict) else [error]
        if text := ": ".join(str(value) for value in said if type(value) in (str, int) and value):
            return text
    return None


def _seconds_at(event: Event, keys: tuple[str, ...]) -> float | None:
    for place in reversed(_places(event)):
        for key in keys:
            if (found := seconds(place.get(key))) is not None:
                return found
    return None
