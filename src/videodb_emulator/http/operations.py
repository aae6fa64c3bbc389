"""The API as a table: method, path, and what the account does about it.

Paths and statuses are those of openapi.yaml in videodb-python and of the requests that videodb 0.5.1 makes; what no
client is known to need is left out. A row that comes first wins, so the fixed word `event` stands before the
`{stream_id}` that would match it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from videodb_emulator.pure.account import Account
from videodb_emulator.pure.fields import Fields, Refusal
from videodb_emulator.pure.indexes import SceneIndex
from videodb_emulator.pure.sessions import Session
from videodb_emulator.pure.streams import ACTIONS, RTStream


@dataclass(frozen=True, slots=True)
class Call:
    """One request: the account it is about, what its path names, its query and its body.

    `Refusal` 404 if it names an unknown collection; anything else is looked up when it is used, and refused as well.
    """

    account: Account
    names: Mapping[str, str]
    query: Fields
    body: Fields
    now_s: float

    def __post_init__(self) -> None:
        self.collection()

    def collection(self) -> dict[str, Any]:
        """Return the collection that the path or the query names, else the default one."""
        named = self.names.get("collection_id") or self.query.optional_text("collection_id")
        return self.account.library.collection(named or "default")

    @property
    def session(self) -> Session:
        """The session that the path names."""
        return self.account.sessions.get(self.names["session_id"])

    @property
    def stream(self) -> RTStream:
        """The stream that the path names."""
        return self.account.streams.get(self.names["stream_id"])

    @property
    def connected_stream(self) -> RTStream:
        """The stream that the path names; `Refusal` 400 if it is stopped."""
        if self.stream.status != "connected":
            raise Refusal(400, f"rtstream {self.stream.id} is stopped")
        return self.stream

    @property
    def index(self) -> SceneIndex:
        """The index that the path names."""
        return self.stream.index(self.names["index_id"])

    @property
    def action(self) -> str:
        """What the body asks for: start or stop."""
        return self.body.one_of("action", ACTIONS)


Answer = Mapping[str, Any] | None
"""What goes out as `data`; None: nothing does."""


class Operation(NamedTuple):
    """A row of the table. `message` stands beside the data of its answer; None: nothing does."""

    method: str
    path: str
    answer: Callable[[Call], Answer]
    status: int = 200
    message: str | None = None


def _fail_session(call: Call) -> None:
    code = call.body.optional_text("code") or "RECORDING_FAILED"
    message = call.body.optional_text("message") or "the recorder is gone"
    call.account.sessions.fail(call.session, code, message, call.now_s)


def _switch_stream(call: Call) -> None:
    {"start": call.stream.start, "stop": call.stream.stop}[call.action](call.now_s)


def _switch_transcription(call: Call) -> Answer:
    if call.action == "stop":
        return call.stream.transcription.stop(call.now_s)
    return call.connected_stream.transcription.start(call.body, call.now_s)


def _create_index(call: Call) -> Answer:
    transcription = call.connected_stream.transcription
    if call.body.flag("auto_start_transcript", default=False) and transcription.status != "running":
        transcription.start(Fields({}), call.now_s)
    return call.account.streams.create_index(call.stream, call.body, call.now_s)


def _switch_index(call: Call) -> None:
    if call.action == "stop":
        call.index.pipeline.stop()
    else:
        call.connected_stream.index(call.names["index_id"]).pipeline.start(call.now_s)


def _switch_alert(call: Call) -> None:
    # The SDKs send an action, openapi.yaml has a status.
    name = "status" if call.body.optional_text("action") is None else "action"
    call.index.switch_alert(call.names["alert_id"], enabled=_SWITCHES[call.body.one_of(name, _SWITCHES)])


_SWITCHES = {"enable": True, "enabled": True, "disable": False, "disabled": False}

_SESSIONS = "/collection/{collection_id}/capture/session"
_STREAM = "/rtstream/{stream_id}"
_SCENES = f"{_STREAM}/index/scene"
_ALERTS = f"{_STREAM}/index/{{index_id}}/alert"

OPERATIONS = (
    Operation("GET", "/collection", lambda call: call.account.library.collections()),
    Operation("GET", "/collection/{collection_id}", Call.collection),
    Operation("GET", "/video/{video_id}", lambda call: call.account.library.video(call.names["video_id"])),
    Operation("POST", _SESSIONS, lambda call: call.account.sessions.create(call.body, call.now_s)),
    Operation("GET", _SESSIONS, lambda call: call.account.sessions.page(call.query)),
    Operation("GET", f"{_SESSIONS}/{{session_id}}", lambda call: call.session.body()),
    Operation(
        "POST",
        f"{_SESSIONS}/{{session_id}}/export",
        lambda call: call.account.sessions.export(call.session, call.body, call.now_s),
    ),
    Operation("POST", "/capture/session/token", lambda call: call.account.issue_token(call.body, call.now_s)),
    Operation("POST", "/capture/session/start", lambda call: call.account.sessions.start(call.body, call.now_s)),
    Operation("GET", "/capture/session/{session_id}", lambda call: call.session.recorder_body()),
    Operation(
        "POST",
        "/capture/session/{session_id}/stop",
        lambda call: call.account.sessions.stop(call.session, call.now_s),
        message="the session is stopping",  # the recorder takes no stop without a message for one
    ),
    Operation("POST", "/emulator/session/{session_id}/fail", _fail_session),
    Operation("POST", "/rtstream/event", lambda call: call.account.create_event(call.body)),
    Operation("GET", "/rtstream/event", lambda call: call.account.events()),
    Operation("POST", "/rtstream", lambda call: call.account.streams.create(call.body, call.now_s), status=201),
    Operation("GET", "/rtstream", lambda call: call.account.streams.page(call.query)),
    Operation("GET", _STREAM, lambda call: call.stream.body()),
    Operation("PATCH", f"{_STREAM}/status", _switch_stream),
    Operation("POST", f"{_STREAM}/export", lambda call: call.account.streams.export(call.stream, call.body)),
    Operation("GET", f"{_STREAM}/stream", lambda call: call.stream.playback(call.query)),
    Operation("POST", f"{_STREAM}/transcription", _switch_transcription),
    Operation("GET", f"{_STREAM}/transcription", lambda call: call.stream.transcription.page(call.query)),
    Operation("GET", f"{_STREAM}/transcription/status", lambda call: call.stream.transcription.state()),
    Operation("POST", _SCENES, _create_index),
    Operation("GET", _SCENES, lambda call: {"scene_indexes": [one.body() for one in call.stream.indexes.values()]}),
    Operation("GET", f"{_SCENES}/{{index_id}}", lambda call: call.index.page(call.query)),
    Operation("PATCH", f"{_SCENES}/{{index_id}}/status", _switch_index),
    Operation("GET", f"{_STREAM}/index/{{index_id}}", lambda call: call.index.body()),
    Operation("POST", _ALERTS, lambda call: call.account.create_alert(call.index, call.body)),
    Operation("GET", _ALERTS, lambda call: {"alerts": [one.body() for one in call.index.alerts.values()]}),
    Operation("PATCH", f"{_ALERTS}/{{alert_id}}/status", _switch_alert),
)
"""Everything but the WebSocket URL, which needs the server."""
