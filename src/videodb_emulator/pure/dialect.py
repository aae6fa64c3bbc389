"""The shapes of events, and a choice for every point on which the sources disagree.

Shapes are those of docs.videodb.io, realtime context; where its pages and the official quickstarts differ, `Dialect`
says which of them this backend follows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

Event = dict[str, Any]


def stream_event(channel: str, rtstream_id: str, rtstream_name: str, **data: Any) -> Event:
    """Return an event of a transcript or an index."""
    return {"channel": channel, "rtstream_id": rtstream_id, "rtstream_name": rtstream_name, "data": data}


def session_event(status: str, session_id: str, **data: Any) -> Event:
    """Return an event of a session's life.

    Some readers take the status from the top and some from `data`: the backend serves both.
    """
    return {
        "channel": "capture_session",
        "event": f"capture_session.{status}",
        "capture_session_id": session_id,
        "status": status,
        "data": {"status": status, **data},
    }


class FiredAlert(NamedTuple):
    """An alert that fires. `start` and `end` are in the dialect's unit."""

    rtstream_id: str
    index_id: str
    label: str
    prompt: str
    text: str
    start: float
    end: float
    confidence: float = 0.92


def _documented(alert: FiredAlert) -> Event:
    data = {"label": alert.label, "triggered": True, "confidence": alert.confidence}
    return {"rtstream_id": alert.rtstream_id, "data": {**data, "start": alert.start, "end": alert.end}}


def _labelled(alert: FiredAlert) -> Event:
    return {"label": alert.label, "confidence": alert.confidence, "text": alert.text}


def _pointing(alert: FiredAlert) -> Event:
    where = {"rtstream_id": alert.rtstream_id, "scene_index_id": alert.index_id}
    return {"data": {**_labelled(alert), "context": alert.prompt, **where}}


ALERT_SHAPES: Mapping[str, Callable[[FiredAlert], Event]] = {
    "A": _documented,  # docs, realtime context
    "B": lambda alert: {  # the agent skills' rtstream reference
        "rtstream_id": alert.rtstream_id,
        "data": {"event_label": alert.label, "timestamp": alert.start, "text": alert.text},
    },
    "C": lambda alert: {"data": _labelled(alert)},  # docs, alerts; openclaw-monitoring
    "D": _pointing,  # the quickstarts' rtstream examples
    "E": lambda alert: {  # the quickstarts before that
        "event_name": alert.label,
        "rtstream_id": alert.rtstream_id,
        "confidence": alert.confidence,
        "text": alert.text,
    },
}

TIME_UNITS: Mapping[str, Callable[[float], float]] = {
    "ms": lambda unix_s: round(unix_s * 1000),
    "s": lambda unix_s: round(unix_s, 3),
}

VISUAL_CHANNELS = ("visual_index", "scene_index")

REBINDS: Mapping[str, Callable[[list[str], str], list[str]] | None] = {
    "allow": lambda _bound, new: [new],
    "ignore": lambda bound, _new: bound,
    "reject": None,
    "duplicate": lambda bound, new: [*bound, new],
}
"""Which connections a running transcription sends to after a second start for `new`; None: it is refused."""


RECORD_ORDERS: Mapping[str, bool | None] = {"mixed": None, "oldest": False, "newest": True}
"""Whether the newest record comes first; None: of an index it does, of a transcript it does not."""

RANGES: Mapping[str, Callable[[float, float], tuple[float, float]]] = {
    "overlap": lambda start_s, end_s: (start_s, end_s),
    "start": lambda start_s, _end_s: (start_s, start_s),
    "end": lambda _start_s, end_s: (end_s, end_s),
}
"""Which part of a record, from and to, has to touch the time that a query's `start` and `end` ask for."""

LARGEST_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one backend speaks and behaves; a text is a key of its table above."""

    time_unit: str = "ms"
    """Of `start`, `end` and `timestamp` in events; REST has unix seconds in every dialect."""
    visual_channel: str = "visual_index"
    alert_shape: str = "A"
    rebind: str = "allow"
    active_after_s: float = 1.0
    """From the recorder's start until its session is active, at speed 1."""
    record_order: str = "mixed"
    range_by: str = "overlap"
    record_lag_s: float = 0.0
    """From the live event until its record can be read, at speed 1; below 0 the record is there before the event."""
    page_cap: int = LARGEST_PAGE
    """The most records on a page, whatever a query asks for."""
    other_streams: int = 0
    """How many streams of another owner a listing of streams has."""

    def __post_init__(self) -> None:
        for name, known in _KNOWN.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}, it must be one of {', '.join(known)}")
        if self.page_cap < 1:
            raise ValueError(f"page_cap is {self.page_cap}, it must be positive")

    def time(self, unix_s: float) -> float:
        """Return a time as events spell it."""
        return TIME_UNITS[self.time_unit](unix_s)

    def alert(self, alert: FiredAlert) -> Event:
        """Return the event of an alert that fires."""
        return {"channel": "alert", **ALERT_SHAPES[self.alert_shape](alert)}


_KNOWN = {
    "time_unit": TIME_UNITS,
    "visual_channel": VISUAL_CHANNELS,
    "alert_shape": ALERT_SHAPES,
    "rebind": REBINDS,
    "record_order": RECORD_ORDERS,
    "range_by": RANGES,
}
