"""Every request of the API over HTTP: its status, its envelope, and who hears of it."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection

from support.emulated import client, data, event, recorded, rest
from videodb_emulator.http.server import Emulator, running_emulator
from videodb_emulator.pure.dialect import Dialect

SPEED = 50.0


@asynccontextmanager
async def at_work(**dialect: Any) -> AsyncIterator[tuple[Emulator, ClientConnection, dict[str, str]]]:
    """An emulator, a connection, and the ids of an active session with all that can hang on it."""
    async with (
        running_emulator(None, speed=SPEED, dialect=Dialect(**dialect)) as emulator,
        client(emulator) as (connection, connection_id),
    ):
        ids = {**await recorded(emulator, connection, connection_id), "connection": connection_id}
        index = await data(emulator, "POST", f"/rtstream/{ids['screen']}/index/scene", prompt="describe")
        happening = await data(emulator, "POST", "/rtstream/event", event_prompt="a secret", label="secret")
        ids |= {"index": index["rtstream_index_id"], "event": happening["event_id"]}
        alert = await data(
            emulator,
            "POST",
            f"/rtstream/{ids['screen']}/index/{ids['index']}/alert",
            event_id=ids["event"],
            ws_connection_id=connection_id,
        )
        yield emulator, connection, {**ids, "alert": alert["alert_id"]}


SESSION = "/collection/default/capture/session"
INDEX = "/rtstream/{screen}/index/scene/{index}"
ALERT = "/rtstream/{screen}/index/{index}/alert"

ANSWERED: list[tuple[str, str, dict[str, Any] | None, int]] = [
    ("GET", "/collection", None, 200),
    ("GET", "/collection/default", None, 200),
    ("GET", "/collection/default/websocket", None, 200),
    ("POST", SESSION, {"end_user_id": "u", "metadata": {"n": 1}, "callback_url": None}, 200),
    ("GET", SESSION, None, 200),
    ("GET", SESSION + "?status=active&end_user_id=user-1&limit=1", None, 200),
    ("GET", SESSION + "/{session}", None, 200),
    ("POST", "/capture/session/token", {"expires_in": 60}, 200),
    ("POST", "/capture/session/token", None, 200),
    ("GET", "/capture/session/{session}", None, 200),
    ("POST", "/rtstream", {"collection_id": "default", "url": "rtsp://x", "name": "n"}, 201),
    ("GET", "/rtstream", None, 200),
    ("GET", "/rtstream?limit=1&offset=1&status=connected&name=mic&ordering=name", None, 200),
    ("GET", "/rtstream/{mic}", None, 200),
    ("PATCH", "/rtstream/{mic}/status", {"action": "stop"}, 200),
    ("PATCH", "/rtstream/{mic}/status", {"action": "start"}, 200),
    ("GET", "/rtstream/{mic}/stream?start=1&end=2.5", None, 200),
    ("POST", "/rtstream/{mic}/transcription", {"action": "start", "engine": "assemblyai"}, 200),
    ("POST", "/rtstream/{mic}/transcription", {"action": "stop", "mode": "graceful"}, 200),
    ("GET", "/rtstream/{mic}/transcription", None, 200),
    ("GET", "/rtstream/{mic}/transcription?page=2&page_size=5&start=1.5&end=2&since=0&engine=AAIS", None, 200),
    ("GET", "/rtstream/{mic}/transcription/status", None, 200),
    ("POST", "/rtstream/{screen}/index/scene", {"extraction_type": "time_based", "name": None}, 200),
    ("GET", "/rtstream/{screen}/index/scene", None, 200),
    ("GET", "/rtstream/{screen}/index/{index}", None, 200),
    ("GET", INDEX, None, 200),
    ("GET", INDEX + "?page=1&page_size=10&start=0&end=1", None, 200),
    ("PATCH", INDEX + "/status", {"action": "stop"}, 200),
    ("PATCH", INDEX + "/status", {"action": "start"}, 200),
    ("POST", "/rtstream/event", {"event_prompt": "p", "label": "l"}, 200),
    ("GET", "/rtstream/event", None, 200),
    ("POST", ALERT, {"event_id": "{event}", "callback_url": ""}, 200),
    ("GET", ALERT, None, 200),
    ("PATCH", ALERT + "/{alert}/status", {"action": "disable"}, 200),
    ("PATCH", ALERT + "/{alert}/status", {"status": "enabled"}, 200),
    ("POST", "/capture/session/{session}/stop", None, 200),
    ("POST", "/emulator/session/{session}/fail", {"code": "X", "message": "y"}, 200),
]

REFUSED: list[tuple[str, str, dict[str, Any] | None, int]] = [
    ("GET", "/collection/c-other", None, 404),
    ("GET", "/collection/c-other/capture/session", None, 404),
    ("GET", "/video/m-none", None, 404),
    ("POST", SESSION, {}, 400),
    ("POST", SESSION, {"end_user_id": 7}, 400),
    ("POST", SESSION, {"end_user_id": "u", "metadata": "text"}, 400),
    ("GET", SESSION + "?cursor=x", None, 400),
    ("GET", SESSION + "/cap-none", None, 404),
    ("POST", SESSION + "/{session}/export", {}, 400),
    ("POST", SESSION + "/cap-none/export", {}, 404),
    ("POST", "/capture/session/token", {"expires_in": -1}, 400),
    ("POST", "/capture/session/start", {"session_id": "{session}", "channels": [{"channel_id": "mic"}]}, 400),
    ("POST", "/capture/session/start", {"session_id": "{session}"}, 400),
    ("POST", "/capture/session/start", {"session_id": "{session}", "channels": ["mic"]}, 400),
    ("POST", "/capture/session/start", {"session_id": "cap-none", "channels": [{"channel_id": "mic"}]}, 404),
    ("GET", "/capture/session/cap-none", None, 404),
    ("POST", "/capture/session/cap-none/stop", None, 404),
    ("POST", "/rtstream", {"collection_id": "default", "url": "rtsp://x"}, 400),
    ("POST", "/rtstream", {"collection_id": "default", "url": "u", "name": "n", "media_types": ["smell"]}, 400),
    ("POST", "/rtstream", {"collection_id": "c-other", "url": "u", "name": "n"}, 404),
    ("GET", "/rtstream?limit=0", None, 400),
    ("GET", "/rtstream?ordering=size", None, 400),
    ("GET", "/rtstream/rts-none", None, 404),
    ("PATCH", "/rtstream/{mic}/status", {"action": "pause"}, 400),
    ("PATCH", "/rtstream/{mic}/status", {}, 400),
    ("POST", "/rtstream/{mic}/export", {}, 400),
    ("GET", "/rtstream/{mic}/stream", None, 400),
    ("GET", "/rtstream/{mic}/stream?start=2&end=1", None, 400),
    ("POST", "/rtstream/{mic}/transcription", {}, 400),
    ("GET", "/rtstream/{mic}/transcription?start=noon", None, 400),
    ("GET", "/rtstream/{mic}/transcription?page=0", None, 400),
    ("GET", "/rtstream/{mic}/transcription?page_size=1001", None, 400),
    ("POST", "/rtstream/{screen}/index/scene", {"extraction_type": "smell"}, 400),
    ("POST", "/rtstream/rts-none/index/scene", {}, 404),
    ("GET", "/rtstream/{screen}/index/none", None, 404),
    ("GET", "/rtstream/{mic}/index/{index}", None, 404),
    ("PATCH", INDEX + "/status", {"action": ""}, 400),
    ("POST", "/rtstream/event", {"label": "l"}, 400),
    ("POST", ALERT, {"callback_url": ""}, 400),
    ("POST", ALERT, {"event_id": "event-none"}, 404),
    ("PATCH", ALERT + "/{alert}/status", {"action": "explode"}, 400),
    ("PATCH", ALERT + "/{alert}/status", {}, 400),
    ("PATCH", ALERT + "/none/status", {"action": "enable"}, 404),
]


def _filled(template: Any, ids: Mapping[str, str]) -> Any:
    if isinstance(template, str):
        return template.format(**ids) if "{" in template else template
    return {name: _filled(value, ids) for name, value in template.items()} if isinstance(template, dict) else template


async def answer(
    emulator: Emulator, ids: Mapping[str, str], row: tuple[str, str, Any, int], slash: str = "", key: str | None = "k"
) -> tuple[int, Any]:
    method, path, fields, _ = row
    path, question, query = _filled(path, ids).partition("?")
    body = None if fields is None else json.dumps(_filled(fields, ids)).encode()
    return await rest(emulator, path + slash + question + query, method=method, body=body, key=key)


async def test_every_request_is_answered_with_and_without_a_slash() -> None:
    for slash in ("", "/"):
        async with at_work() as (emulator, _, ids):
            for row in ANSWERED:
                status, envelope = await answer(emulator, ids, row, slash)
                assert (status, envelope["success"]) == (row[3], True), (row, envelope)
                assert envelope.get("data", {}) is not None, row


async def test_what_cannot_be_granted_is_said_in_the_envelope() -> None:
    async with at_work() as (emulator, _, ids):
        for row in REFUSED:
            status, envelope = await answer(emulator, ids, row)
            assert (status, envelope["success"]) == (row[3], False), (row, envelope)
            assert envelope["message"], row


async def test_nothing_is_answered_without_a_key() -> None:
    async with running_emulator(None) as emulator:
        ids = dict.fromkeys(("session", "mic", "screen", "index", "event", "alert"), "x")
        statuses = {(await answer(emulator, ids, row, key=None))[0] for row in [*ANSWERED, *REFUSED]}
    assert statuses == {401}


@pytest.mark.parametrize(
    "body",
    [b"\xff", b"{", b"[]", b'"text"', b"[" * 99_999, b'{"end_user_id":"\\ud800"}', b'{"a":NaN}', b'{"a":1e999}'],
)
async def test_a_body_that_cannot_be_understood_is_400(body: bytes) -> None:
    async with running_emulator(None) as emulator:
        status, envelope = await rest(emulator, SESSION, method="POST", body=body)
    assert status == 400
    assert envelope["message"].startswith("the body is not")


async def test_sessions_come_in_pages_newest_first() -> None:
    async with running_emulator(None) as emulator:
        made = [(await data(emulator, "POST", SESSION, end_user_id=f"u{n}"))["session_id"] for n in range(5)]
        pages = [await data(emulator, "GET", f"{SESSION}?limit=2{cursor}") for cursor in ("", "&cursor=2", "&cursor=4")]
    assert [session["session_id"] for page in pages for session in page["sessions"]] == made[::-1]
    assert [page["next_page"] for page in pages] == ["2", "4", None]


async def test_what_the_sdk_cannot_take_is_never_sent() -> None:
    async with at_work() as (emulator, _, ids):
        created = await data(emulator, "POST", SESSION, end_user_id="u")
        sessions = [await data(emulator, "GET", f"{SESSION}/{ids['session']}")]
        sessions += (await data(emulator, "GET", SESSION))["sessions"]
    assert "id" not in created
    assert "rtstreams" not in created
    assert all(isinstance(one["channels"], list) and isinstance(one["rtstreams"], list) for one in sessions)
    assert all(stream["rtstream_id"] for one in sessions for stream in one["rtstreams"])


async def test_what_the_recorder_needs_is_never_missing() -> None:
    channels = [{"channel_id": "mic", "channel_name": "Microphone", "type": "audio"}]
    async with running_emulator(None) as emulator:
        session = (await data(emulator, "POST", SESSION, end_user_id="u"))["session_id"]
        started = await data(emulator, "POST", "/capture/session/start", session_id=session, channels=channels)
        found = await data(emulator, "GET", f"/capture/session/{started['streaming_session_id']}")
        _, stopped = await rest(emulator, f"/capture/session/{session}/stop", method="POST", body=b"{}")
    assert all(one["created_at"] and one["streaming_session_id"] for one in (started, found))
    assert all(one["channel_name"] and one["stream_id"] for one in found["channels"])
    assert stopped["message"]


async def test_a_failed_session_says_why_and_ends_its_streams() -> None:
    async with at_work() as (emulator, connection, ids):
        await data(emulator, "POST", f"/emulator/session/{ids['session']}/fail", code="DISPLAY_LOST", message="gone")
        failed = await event(connection, event="capture_session.failed")
        session = await data(emulator, "GET", f"{SESSION}/{ids['session']}")
        stream = await data(emulator, "GET", f"/rtstream/{ids['mic']}")
    assert failed["data"] == {"status": "failed", "error": {"code": "DISPLAY_LOST", "message": "gone"}}
    assert (session["status"], stream["status"]) == ("failed", "stopped")


async def test_a_connection_id_given_to_the_recorder_replaces_the_one_of_the_creation() -> None:
    async with running_emulator(None, speed=SPEED) as emulator, client(emulator) as (first, first_id):
        session = (await data(emulator, "POST", SESSION, end_user_id="u", ws_connection_id=first_id))["session_id"]
        await event(first, event="capture_session.created")
        async with client(emulator) as (second, second_id):
            channels = [{"channel_id": "mic"}]
            order = {"session_id": session, "channels": channels, "ws_connection_id": second_id}
            await data(emulator, "POST", "/capture/session/start", **order)
            assert (await event(second))["event"] == "capture_session.starting"
            assert (await event(second))["event"] == "capture_session.active"
        await data(emulator, "POST", "/emulator/trigger", event="alert", set={}, connection_id=None)
        assert (await event(first))["channel"] == "alert"


async def test_events_for_a_closed_connection_are_dropped_but_the_records_stay(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "videodb_emulator")
    async with at_work() as (emulator, connection, ids):
        async with client(emulator) as (_, gone_id):
            await data(
                emulator, "POST", f"/rtstream/{ids['mic']}/transcription", action="start", ws_connection_id=gone_id
            )
        # An index that is heard is the clock: its first window ends after the first line of the transcript.
        await data(emulator, "POST", f"/rtstream/{ids['screen']}/index/scene", ws_connection_id=ids["connection"])
        heard = [await event(connection) for _ in range(3)]
        kept = await data(emulator, "GET", f"/rtstream/{ids['mic']}/transcription")
    assert "transcript" not in {one["channel"] for one in heard}
    assert caplog.text.count(f"{gone_id} is not there") == 1
    assert kept["transcription_records"][0]["text"] == "Good morning, can everybody hear me?"


@pytest.mark.parametrize(
    ("rebind", "status", "moved"),
    [("allow", 200, True), ("ignore", 200, False), ("reject", 400, False), ("duplicate", 200, True)],
)
async def test_a_second_start_of_a_transcript_does_what_the_dialect_says(rebind: str, status: int, moved: bool) -> None:
    async with at_work(rebind=rebind) as (emulator, first, ids), client(emulator) as (second, second_id):
        path = f"/rtstream/{ids['mic']}/transcription"
        await data(emulator, "POST", path, action="start", ws_connection_id=ids["connection"])
        await event(first, channel="transcript")
        body = json.dumps({"action": "start", "ws_connection_id": second_id}).encode()
        assert (await rest(emulator, path, method="POST", body=body))[0] == status
        assert (await event(second if moved else first, channel="transcript"))["rtstream_id"] == ids["mic"]
        assert (await data(emulator, "GET", path + "/status"))["status"] == "running"


async def test_the_dialect_decides_about_units_channels_and_shapes() -> None:
    async with at_work(time_unit="s", visual_channel="scene_index", alert_shape="B") as (emulator, connection, ids):
        await data(emulator, "POST", f"/rtstream/{ids['screen']}/index/scene", ws_connection_id=ids["connection"])
        window = (await event(connection, channel="scene_index"))["data"]
        alert = await event(connection, channel="alert")
    assert window["start"] < window["end"] < 1e11
    assert list(alert["data"]) == ["event_label", "timestamp", "text"]
    assert alert["data"]["timestamp"] < 1e11
