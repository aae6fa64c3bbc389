"""Capture sessions: what each knows, what REST says of it, and how it goes from created to exported, or failed.

    created -> starting -> active -> stopping -> stopped -> exported        failed, from every state that goes on

The recorder asks for starting, and for stopping even before it is active; the rest comes by itself. It records only
when the session is active, so that is waited for and not the media. Each state is sent as an event to the session's
connection id. How exports go was observed by applications, not documented (chess-lens,
recording-export.service.ts): REST goes on saying `stopped`, the session's `export_status` tells the rest, and asking
for an export only triggers it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from videodb_emulator.pure.agenda import Agenda
from videodb_emulator.pure.dialect import Dialect, session_event
from videodb_emulator.pure.fields import Fields, Refusal
from videodb_emulator.pure.ids import Entropy, iso, new_id
from videodb_emulator.pure.library import Library, urls
from videodb_emulator.pure.streams import RTStream, Streams

FINALISE_S = 1.0  # from the recorder's stop until the streams are closed
EXPORT_BY_ITSELF_S = 5.0  # from stopped until a session with a stored channel is exported without being asked
EXPORT_S = 2.0  # from the trigger of an export until it is there

FOLLOWS: Mapping[str, frozenset[str]] = {
    "created": frozenset({"starting", "failed"}),
    "starting": frozenset({"active", "stopping", "failed"}),
    "active": frozenset({"stopping", "failed"}),
    "stopping": frozenset({"stopped", "failed"}),
    "stopped": frozenset({"exported", "failed"}),
    "exported": frozenset(),
    "failed": frozenset(),
}
"""Which states may come after which."""


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
        return asdict(self)


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
        return "stopped" if self.state == "exported" else self.state

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

    def recorder_summary(self) -> dict[str, Any]:
        """Return what REST says to the recorder when it starts.

        The recorder goes on with the streaming session, and takes a stop under that id only; applications stop it under
        the id of the session (videodb 0.5.1, capture.py). So both are one.
        """
        return {
            "session_id": self.id,
            "streaming_session_id": self.id,
            "status": self.status,
            "created_at": iso(self.created_s),
        }

    def recorder_body(self) -> dict[str, Any]:
        """Return what REST says of it to the recorder later on."""
        return {**self.recorder_summary(), "channels": [_target(self.id, channel) for channel in self.channels]}


def _target(session_id: str, channel: Channel) -> dict[str, Any]:
    """Where the recorder is to send a channel; nobody listens there."""
    return {
        "channel_id": channel.channel_id,
        "channel_name": channel.name,
        "stream_id": f"{session_id}/{channel.channel_id}",
        "rtsp_url": f"rtsp://ingest.example.invalid/{session_id}/{channel.channel_id}",
    }


def _listed(stream: RTStream) -> dict[str, Any]:
    body = stream.body()
    return {"rtstream_id": body.pop("id"), **body}


class Sessions:
    """Every session of the account."""

    def __init__(self, agenda: Agenda, dialect: Dialect, streams: Streams, library: Library, entropy: Entropy) -> None:
        self._agenda = agenda
        self._active_after_s = dialect.active_after_s
        self._streams = streams
        self._library = library
        self._entropy = entropy
        self._sessions: dict[str, Session] = {}

    def create(self, request: Fields, now_s: float) -> dict[str, Any]:
        """Make a session. Raises `Refusal` 400 without an `end_user_id`."""
        session = Session(
            new_id("session", self._entropy),
            self._library.collection_id,
            request.text("end_user_id"),
            request.object("metadata"),
            request.optional_text("callback_url"),
            request.optional_text("ws_connection_id"),
            now_s,
        )
        self._sessions[session.id] = session
        self._publish(session)
        return session.summary()

    def get(self, session_id: str) -> Session:
        """Return a session; raise `Refusal` 404 if there is none of that id."""
        if session_id not in self._sessions:
            raise Refusal(404, f"capture session {session_id} not found")
        return self._sessions[session_id]

    def page(self, query: Fields) -> dict[str, Any]:
        """Return sessions, newest first: all, or a page if `limit` is given. Raises `Refusal` 400."""
        status, user = query.optional_text("status"), query.optional_text("end_user_id")
        first = query.whole("cursor", default=0, low=0, high=len(self._sessions))
        chosen = [
            one.body()
            for one in reversed(self._sessions.values())
            if status in (None, one.status) and user in (None, one.end_user_id)
        ]
        behind = first + query.whole("limit", default=max(1, len(chosen)), low=1, high=1000)
        return {"sessions": chosen[first:behind], "next_page": str(behind) if behind < len(chosen) else None}

    # -- what the recorder asks for

    def start(self, request: Fields, now_s: float) -> dict[str, Any]:
        """Start a session with its channels; a connection id given here replaces the one of its creation.

        Raises `Refusal` 400 if it was started before, 404 if it is unknown.
        """
        session = self.get(request.text("session_id"))
        channels = [channel_of(entry) for entry in request.objects("channels")]
        _expect(session, "starting", "start")
        session.channels = channels
        session.connection_id = request.optional_text("ws_connection_id") or session.connection_id
        session.callback_url = request.optional_text("callback_url") or session.callback_url
        self._enter(session, "starting")
        self._agenda.after(self._active_after_s, now_s, lambda due_s: self._activate(session, due_s))
        return session.recorder_summary()

    def stop(self, session: Session, now_s: float) -> None:
        """Stop a session; one that has stopped, or is about to, goes on as it was.

        Raises `Refusal` 400 if there is nothing to stop.
        """
        if session.state in ("stopping", "stopped", "exported"):
            return
        _expect(session, "stopping", "stop")
        self._enter(session, "stopping")
        self._agenda.after(FINALISE_S, now_s, lambda due_s: self._finalise(session, due_s))

    # -- what an application asks for

    def export(self, session: Session, request: Fields, now_s: float) -> dict[str, Any]:
        """Trigger the export of a stopped session; when it runs or is there already, change nothing.

        The answer is that it is being exported, for ever: whether it is there, the session says. Raises `Refusal` 400
        if it has not stopped or nothing of it was stored.
        """
        channel_id = request.optional_text("video_channel_id") or session.primary_video_channel_id
        if session.status != "stopped":
            raise Refusal(400, f"cannot export session {session.id}: it is {session.status}")
        if session.export_status is None:
            raise Refusal(400, f"cannot export session {session.id}: no channel was stored")
        if channel_id not in (None, *(channel.channel_id for channel in session.channels)):
            raise Refusal(400, f"cannot export session {session.id}: it has no channel {channel_id}")
        session.export_connection_id = request.optional_text("connection_id") or session.export_connection_id
        self._trigger_export(session, now_s)
        return {"session_id": session.id, "video_channel_id": channel_id, "export_status": "exporting"}

    def fail(self, session: Session, code: str, message: str, now_s: float) -> None:
        """Let a session fail, as when its recorder is gone. Raises `Refusal` 400 if it is over."""
        _expect(session, "failed", "fail")
        session.error = {"code": code, "message": message}
        session.export_status = session.export_status and "failed"
        self._close_streams(session, now_s)
        self._enter(session, "failed", error=session.error)

    # -- what comes by itself

    def _activate(self, session: Session, now_s: float) -> None:
        if not _may(session, "active"):
            return
        session.streams = [self._open(session, channel, now_s) for channel in session.channels]
        listed = [{"rtstream_id": one.id, "name": one.name, "media_types": one.media_types} for one in session.streams]
        self._enter(session, "active", rtstreams=listed)

    def _open(self, session: Session, channel: Channel, now_s: float) -> RTStream:
        """Connect the stream of a channel; its name has the form of one that the node quickstart quotes."""
        name = f"Capture {channel.category} - {session.id}"
        return self._streams.open(name, [channel.type], now_s, store=channel.store, channel_id=channel.category)

    def _finalise(self, session: Session, now_s: float) -> None:
        if not _may(session, "stopped"):
            return
        self._close_streams(session, now_s)
        self._enter(session, "stopped")
        if any(channel.store for channel in session.channels) and session.streams:
            session.export_status = "pending"
            self._agenda.after(EXPORT_BY_ITSELF_S, now_s, lambda due_s: self._trigger_export(session, due_s))

    def _trigger_export(self, session: Session, now_s: float) -> None:
        if _may(session, "exported") and session.export_status == "pending":
            session.export_status = "exporting"
            self._agenda.after(EXPORT_S, now_s, lambda _due_s: self._finish_export(session))

    def _finish_export(self, session: Session) -> None:
        if not _may(session, "exported"):
            return
        video = self._library.add_video(f"Capture {session.id}", max(one.recorded_s for one in session.streams))
        session.export_status, session.exported_video_id = "exported", video["id"]
        self._enter(session, "exported", exported_video_id=video["id"], duration=video["length"], **urls(video["id"]))

    def _close_streams(self, session: Session, now_s: float) -> None:
        for stream in session.streams:
            stream.stop(now_s)

    def _enter(self, session: Session, state: str, **data: Any) -> None:
        session.state = state
        self._publish(session, **data)

    def _publish(self, session: Session, **data: Any) -> None:
        event = session_event(session.state, session.id, **data)
        ids = [session.connection_id]
        if session.state == "exported" and session.export_connection_id not in (None, session.connection_id):
            ids.append(session.export_connection_id)
        for connection_id in ids:
            self._agenda.send(connection_id, event)


def _may(session: Session, state: str) -> bool:
    return state in FOLLOWS[session.state]


def _expect(session: Session, state: str, request: str) -> None:
    if not _may(session, state):
        raise Refusal(400, f"cannot {request} session {session.id}: it is {session.status}")
