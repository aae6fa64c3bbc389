"""The API as a table: method, path, and what the account does about it.

Paths and statuses are those of openapi.yaml in videodb-python and of the requests that videodb 0.5.1 makes. A row
that comes first wins, so the fixed word `event` stands before the `{stream_id}` that would match it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from videodb_emulator.pure.account import Account
from videodb_emulator.pure.fields import Fields, Refusal
from videodb_emulator.pure.indexes import SceneIndex
from videodb_emulator.pure.streams import ACTIONS, RTStream


@dataclass(frozen=True, slots=True)
class Call:
    """One request: the account it is about, what its path names, its query and its body."""

    account: Account
    names: Mapping[str, str]
    query: Fields
    body: Fields
    now_s: float

    @property
    def stream_id(self) -> str:
        """The stream that the path names."""
        return self.names["stream_id"]

    @property
    def stream(self) -> RTStream:
        """The stream that the path names; `Refusal` 404 if there is none."""
        return self.account.streams.get(self.stream_id)

    @property
    def index(self) -> SceneIndex:
        """The index that the path names; `Refusal` 404 if there is none."""
        return self.stream.index(self.names["index_id"])

    @property
    def session_id(self) -> str:
        """The session that the path names; `Refusal` 404 if it names an unknown collection with it."""
        self.account.library.collection(self.names.get("collection_id", "default"))
        return self.names["session_id"]

    def collection(self) -> dict[str, Any]:
        """Return the collection that the path names; raise `Refusal` 404 if there is none."""
        return self.account.library.collection(self.names["collection_id"])


Answer = dict[str, Any] | None
"""What goes out as `data`; None: nothing does."""


class Operation(NamedTuple):
    """A row of the table."""

    method: str
    path: str
    answer: Callable[[Call], Answer]
    status: int = 200


# -- collections and videos


def _video(call: Call) -> Answer:
    call.account.library.collection(call.query.optional_text("collection_id") or "default")
    return call.account.library.video(call.names["video_id"])


# -- capture sessions


def _create_session(call: Call) -> Answer:
    call.collection()
    return call.account.sessions.create(call.body, call.now_s)


def _list_sessions(call: Call) -> Answer:
    call.collection()
    return call.account.sessions.page(call.query)


def _stop_session(call: Call) -> None:
    call.account.sessions.stop(call.session_id, call.now_s)


def _fail_session(call: Call) -> None:
    code = call.body.optional_text("code") or "RECORDING_FAILED"
    message = call.body.optional_text("message") or "the recorder is gone"
    call.account.sessions.fail(call.session_id, code, message, call.now_s)


# -- streams


def _switch_stream(call: Call) -> None:
    change = {"start": call.stream.start, "stop": call.stream.stop}
    change[call.body.one_of("action", ACTIONS)](call.now_s)


def _switch_transcription(call: Call) -> Answer:
    transcription = call.stream.transcription
    if call.body.one_of("action", ACTIONS) == "stop":
        return transcription.stop(call.now_s)
    _running(call.stream)
    return transcription.start(call.body, call.now_s)


def _create_index(call: Call) -> Answer:
    _running(call.stream)
    transcription = call.stream.transcription
    if call.body.flag("auto_start_transcript", default=False) and transcription.status != "running":
        transcription.start(Fields({}), call.now_s)
    return call.account.streams.create_index(call.stream_id, call.body, call.now_s)


def _ask_index(call: Call) -> None:
    call.index.prompt = call.body.text("prompt")


def _switch_index(call: Call) -> None:
    if call.body.one_of("action", ACTIONS) == "stop":
        call.index.stop()
    else:
        _running(call.stream)
        call.index.start(call.now_s)


def _switch_alert(call: Call) -> None:
    # The SDKs send an action, openapi.yaml has a status.
    by_action = call.body.optional_text("action") is not None
    word = call.body.one_of("action", _SWITCHES) if by_action else call.body.one_of("status", _SWITCHES)
    call.index.switch_alert(call.names["alert_id"], enabled=_SWITCHES[word])


def _running(stream: RTStream) -> None:
    if stream.status != "connected":
        raise Refusal(400, f"rtstream {stream.id} is stopped")


_SWITCHES = {"enable": True, "enabled": True, "disable": False, "disabled": False}

_SESSIONS = "/collection/{collection_id}/capture/session"
_STREAM = "/rtstream/{stream_id}"
_SCENES = f"{_STREAM}/index/scene"
_ALERTS = f"{_STREAM}/index/{{index_id}}/alert"

OPERATIONS = (
    Operation("GET", "/collection", lambda call: call.account.library.collections()),
    Operation("GET", "/collection/{collection_id}", Call.collection),
    Operation("GET", "/video", lambda call: call.account.library.videos()),
    Operation("GET", "/video/{video_id}", _video),
    Operation("POST", _SESSIONS, _create_session),
    Operation("GET", _SESSIONS, _list_sessions),
    Operation("GET", f"{_SESSIONS}/{{session_id}}", lambda call: call.account.sessions.get(call.session_id).body()),
    Operation(
        "POST",
        f"{_SESSIONS}/{{session_id}}/export",
        lambda call: call.account.sessions.export(call.session_id, call.body, call.now_s),
    ),
    Operation("POST", "/capture/session/token", lambda call: call.account.issue_token(call.body, call.now_s)),
    Operation("POST", "/capture/session/start", lambda call: call.account.sessions.start(call.body, call.now_s)),
    Operation(
        "GET",
        "/capture/session/{session_id}",
        lambda call: call.account.sessions.get(call.session_id).recorder_body(),
    ),
    Operation("POST", "/capture/session/{session_id}/stop", _stop_session),
    Operation("POST", "/emulator/session/{session_id}/fail", _fail_session),
    Operation("POST", "/rtstream/event", lambda call: call.account.create_event(call.body)),
    Operation("GET", "/rtstream/event", lambda call: call.account.events()),
    Operation("POST", "/rtstream", lambda call: call.account.streams.create(call.body, call.now_s), status=201),
    Operation("GET", "/rtstream", lambda call: call.account.streams.page(call.query)),
    Operation("GET", _STREAM, lambda call: call.stream.body()),
    Operation("PATCH", _STREAM, lambda call: call.account.streams.change(call.stream_id, call.body)),
    Operation("PATCH", f"{_STREAM}/status", _switch_stream),
    Operation("POST", f"{_STREAM}/export", lambda call: call.account.streams.export(call.stream_id, call.body)),
    Operation("GET", f"{_STREAM}/stream", lambda call: dict(call.account.streams.playback(call.stream_id, call.query))),
    Operation("POST", f"{_STREAM}/transcription", _switch_transcription),
    Operation("GET", f"{_STREAM}/transcription", lambda call: call.stream.transcription.page(call.query)),
    Operation("GET", f"{_STREAM}/transcription/status", lambda call: call.stream.transcription.state()),
    Operation("POST", _SCENES, _create_index),
    Operation(
        "GET",
        _SCENES,
        lambda call: {"scene_indexes": [index.body() for index in call.stream.indexes.values()]},
    ),
    Operation("GET", f"{_SCENES}/{{index_id}}", lambda call: call.index.page(call.query)),
    Operation("PATCH", f"{_SCENES}/{{index_id}}", _ask_index),
    Operation("PATCH", f"{_SCENES}/{{index_id}}/status", _switch_index),
    Operation("GET", f"{_STREAM}/index/{{index_id}}", lambda call: call.index.body()),
    Operation(
        "POST",
        _ALERTS,
        lambda call: dict(call.account.create_alert(call.stream_id, call.names["index_id"], call.body)),
    ),
    Operation("GET", _ALERTS, lambda call: {"alerts": call.index.alerts()}),
    Operation("PATCH", f"{_ALERTS}/{{alert_id}}/status", _switch_alert),
)
"""Everything but the WebSocket URL, which needs the server."""
