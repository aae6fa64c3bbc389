"""One capture session: what it knows, and what REST says of it to an application and to the recorder."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from videodb_emulator.pure.fields import Fields
from videodb_emulator.pure.ids import iso
from videodb_emulator.pure.streams import RTStream

SHOWN: Mapping[str, str] = {"exported": "stopped"}
"""The status that REST gives for a state, where it is not the state's own name."""

_CATEGORIES = {
    "mic": "mic",
    "display": "screen",
    "screen": "screen",
    "system_audio": "system_audio",
    "camera": "camera",
}
"""From the prefix of a channel's id to what `get_rtstream` compares with (videodb 0.5.1, capture_session.py)."""

_TYPES = {"audio": "mic", "video": "screen"}
"""From the type of a channel to its category, for ids with another prefix."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A source that the recorder captures, as it names it."""

    channel_id: str
    type: str
    name: str
    store: bool
    is_primary: bool

    @property
    def category(self) -> str:
        """The channel id of its stream: mic, screen, system_audio or camera."""
        return _CATEGORIES.get(self.channel_id.partition(":")[0]) or _TYPES[self.type]

    def body(self) -> dict[str, Any]:
        """Return what a session says of it."""
        return {name: getattr(self, name) for name in ("channel_id", "type", "name", "store", "is_primary")}


def channel_of(request: Fields) -> Channel:
    """Return the channel that the recorder describes; raise `Refusal` 400 if it describes none."""
    channel_id = request.text("channel_id")
    return Channel(
        channel_id,
        request.one_of("type", _TYPES, "audio"),
        request.optional_text("channel_name") or request.optional_text("name") or channel_id,
        store=request.flag("store", default=True),
        is_primary=request.flag("is_primary", default=False),
    )


@dataclass(slots=True)
class Session:
    """One session. None of the optional ones means: not there yet, or not given."""

    id: str
    collection_id: str
    end_user_id: str
    metadata: dict[str, Any]
    callback_url: str | None
    connection_id: str | None
    created_s: float
    state: str = "created"
    channels: list[Channel] = field(default_factory=list)
    streams: list[RTStream] = field(default_factory=list)
    export_status: str | None = None
    export_connection_id: str | None = None
    exported_video_id: str | None = None
    error: dict[str, str] | None = None

    @property
    def status(self) -> str:
        """What REST says of its state."""
        return SHOWN.get(self.state, self.state)

    @property
    def primary_video_channel_id(self) -> str | None:
        """The first channel marked as primary, else the first of the picture; None without a picture."""
        pictures = [channel for channel in self.channels if channel.type == "video"]
        return next((one.channel_id for one in sorted(pictures, key=lambda one: not one.is_primary)), None)

    def summary(self) -> dict[str, Any]:
        """Return the answer to its creation: no `id` and no streams, either of which the SDK cannot take there."""
        return {
            "session_id": self.id,
            "end_user_id": self.end_user_id,
            "status": self.status,
            "collection_id": self.collection_id,
            "ws_connection_id": self.connection_id,
            "callback_url": self.callback_url,
            "metadata": self.metadata,
            "created_at": iso(self.created_s),
        }

    def body(self) -> dict[str, Any]:
        """Return what REST says of it."""
        late = {name: getattr(self, name) for name in ("export_status", "exported_video_id", "error")}
        return {
            **self.summary(),
            "channels": [channel.body() for channel in self.channels],
            "primary_video_channel_id": self.primary_video_channel_id,
            "rtstreams": [_listed(stream) for stream in self.streams],
            **{name: value for name, value in late.items() if value is not None},
        }

    def recorder_body(self) -> dict[str, Any]:
        """Return what REST says of it to the recorder."""
        where = [
            {"channel_id": one.channel_id, "rtsp_url": f"rtsp://ingest.example.invalid/{self.id}/{one.channel_id}"}
            for one in self.channels
        ]
        return {"session_id": self.id, "status": self.status, "channels": where}


def _listed(stream: RTStream) -> dict[str, Any]:
    body = stream.body()
    return {"rtstream_id": body.pop("id"), **body}
