"""The account: which key and address hold, and what its calls give back."""

from __future__ import annotations

import pytest

import videodb_listen
from support.recording import RecordingServer, Told, good
from videodb_listen.capture import CaptureClient, Connection, connect
from videodb_listen.errors import ConfigurationError, RequestRefused, Unavailable
from videodb_listen.settings import OPTIONS

NAMES = ("VIDEO_DB_API_KEY", "VIDEODB_API_KEY", "VIDEO_DB_API")


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_programs_import_it_from_the_top() -> None:
    assert videodb_listen.connect is connect


def test_the_argument_holds_before_the_token_before_the_environment(
    environ: pytest.MonkeyPatch, server: RecordingServer
) -> None:
    environ.setenv("VIDEO_DB_API", server.url)
    environ.setenv("VIDEODB_API_KEY", "sk-alias")
    connect().list_events()
    environ.setenv("VIDEO_DB_API_KEY", "sk-env")
    connect().list_events()
    connect(session_token="st-token").list_events()
    connect("sk-argument", session_token="st-token").list_events()
    keys = [one.headers["x-access-token"] for one in server.asked]
    assert keys == ["sk-alias", "sk-env", "st-token", "sk-argument"]


def test_the_address_is_the_argument_else_the_environment_else_the_service(environ: pytest.MonkeyPatch) -> None:
    assert connect("sk").api.base_url == "https://api.videodb.io"
    environ.setenv("VIDEO_DB_API", "http://127.0.0.1:1/")
    assert connect("sk").api.base_url == "http://127.0.0.1:1"
    assert connect("sk", base_url="https://other.example").api.base_url == "https://other.example"


def test_a_program_needs_none_of_the_settings_of_a_listener(environ: pytest.MonkeyPatch) -> None:
    for option in OPTIONS:
        environ.setenv(option.variable, "abc")
    assert connect("sk").connect_websocket().connection_id is None


def test_a_bad_credential_is_called_what_it_is(environ: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="the session token holds a blank"):
        connect(session_token="st token")
    with pytest.raises(ConfigurationError, match="the API key holds a blank"):
        connect("sk key")
    with pytest.raises(ConfigurationError, match="the client token holds a blank"):
        CaptureClient("ct token", recorder="none")


def test_no_key_and_no_plain_http_but_to_this_machine(environ: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="no API key"):
        connect()
    with pytest.raises(ConfigurationError, match="not https"):
        connect("sk", base_url="http://api.example")


def test_a_key_is_never_shown(conn: Connection) -> None:
    assert "secret" not in f"{conn!r}{conn.api!r}{conn.connect_websocket()!r}"


def test_a_session_is_what_the_server_sent_of_it(server: RecordingServer, conn: Connection) -> None:
    sent = {"session_id": "cap-1", "status": "created", "end_user_id": "u", "metadata": {"a": 1}, "new": "field"}
    server.replies = [good(sent | {"collection_id": "c-7"})]
    session = conn.create_capture_session(end_user_id="u")
    assert (session.id, session.status, session.end_user_id, session.metadata) == ("cap-1", "created", "u", {"a": 1})
    assert (session.collection_id, session.exported_video_id, session.data["new"]) == ("c-7", None, "field")
    assert repr(session) == "<CaptureSession cap-1 status='created'>"


@pytest.mark.parametrize("reply", [good(None), good({}), good({"session_id": 7}), good([])])
def test_a_session_without_an_id_is_none(server: RecordingServer, conn: Connection, reply: Told) -> None:
    server.replies = [reply]
    with pytest.raises(Unavailable, match="sent no session_id"):
        conn.create_capture_session(end_user_id="u")


def test_a_session_is_got_by_either_name(server: RecordingServer, conn: Connection) -> None:
    server.replies = [good({"status": "active"})] * 3
    assert conn.get_capture_session("cap-1").id == "cap-1"
    assert conn.get_capture_session(capture_session_id="cap-1").status == "active"
    assert conn.get_capture_session(session_id="cap-1", collection_id="c").id == "cap-1"
    with pytest.raises(TypeError):
        conn.get_capture_session()
    server.replies = [Told({"success": False, "message": "Session not found"}, 404)]
    with pytest.raises(RequestRefused, match="Session not found") as caught:
        conn.get_capture_session("cap-2")
    assert caught.value.http_status == 404


def test_every_page_of_sessions_is_listed(server: RecordingServer, conn: Connection) -> None:
    server.replies = [
        good({"sessions": [{"session_id": "cap-1"}, {"id": "cap-2"}], "next_page": "more"}),
        good({"sessions": [{"session_id": "cap-3"}], "next_page": None}),
    ]
    assert [session.id for session in conn.list_capture_sessions("active")] == ["cap-1", "cap-2", "cap-3"]
    assert [one.query for one in server.asked] == [{"status": "active"}, {"status": "active", "cursor": "more"}]


def test_a_server_that_names_one_page_for_ever_is_left(server: RecordingServer, conn: Connection) -> None:
    server.replies = [good({"sessions": [{"session_id": "cap-1"}], "next_page": "same"})] * 9
    assert len(conn.list_capture_sessions()) == 2


def test_tokens_events_and_collections(server: RecordingServer, conn: Connection) -> None:
    server.replies = [
        good({"token": "st-1", "expires_in": 60}),
        good({"event_id": "e-1"}),
        good({"events": [{"event_id": "e-1", "label": "l"}]}),
        good({"id": "c-1", "name": "Default", "is_public": False}),
        good({"id": "rts-1", "name": "mic:default"}),
    ]
    assert conn.generate_client_token(60) == "st-1"
    assert conn.create_event("somebody laughs", "laughter") == "e-1"
    assert conn.list_events() == [{"event_id": "e-1", "label": "l"}]
    collection = conn.get_collection()
    assert (collection.id, collection.name, collection.is_public) == ("c-1", "Default", False)
    assert conn.get_rtstream("rts-1").type == "mic"


def test_lists_that_are_not_there_are_empty(server: RecordingServer, conn: Connection) -> None:
    server.replies = [good(None), good({"sessions": None}), good({"events": [None, 7]})]
    assert conn.list_capture_sessions() == []
    assert conn.list_capture_sessions() == []
    assert conn.list_events() == []
