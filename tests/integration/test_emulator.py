"""The emulator in this process, met by the official SDK and by plain clients."""

import asyncio
import base64
import json
import time
from typing import Any

import pytest
import videodb
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from support.emulated import client, rest, websocket_url
from videodb_emulator.http.server import Emulator, running_emulator
from videodb_emulator.pure.scenario import Scenario, ScenarioError, Step
from videodb_emulator.scenarios.files import load

FAST = 100_000.0
LONG = Scenario("long", (Step(0.0, {"n": 1, "session": "{session_id}"}), Step(3600.0, {"n": 2})))
SHORT = Scenario("short", (Step(0.0, {"n": 1, "session": "{session_id}"}), Step(0.01, {"n": 2})))


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


async def test_the_official_sdk_receives_the_whole_meeting() -> None:
    async with running_emulator("meeting", speed=FAST) as emulator:
        connection = await asyncio.to_thread(videodb.connect, api_key="sk-any", base_url=emulator.base_url)
        socket = await (await asyncio.to_thread(connection.connect_websocket)).connect()
        assert [socket.connection_id] == list(emulator.world.connection_ids)
        expected = len(load("meeting").steps)
        events: list[dict[str, Any]] = []
        async for event in socket.receive():
            events.append(event)
            if len(events) == expected:
                break
        await socket.close()
        connection.session.close()
    assert events[0]["event"] == "capture_session.created"
    assert events[-1]["event"] == "capture_session.exported"
    assert events[-1]["data"]["exported_video_id"].startswith("m-")
    active = next(event for event in events if event.get("event") == "capture_session.active")
    assert len({stream["rtstream_id"] for stream in active["data"]["rtstreams"]}) == 3
    assert any("😅" in event.get("data", {}).get("text", "") for event in events)
    assert len({event["capture_session_id"] for event in events if "capture_session_id" in event}) == 1


async def test_times_of_the_meeting_are_of_today() -> None:
    async with running_emulator("meeting", speed=FAST) as emulator, client(emulator) as (connection, _):
        frames = [json.loads(await connection.recv()) for _ in load("meeting").steps]
    ends = [frame["data"]["end"] for frame in frames if "end" in frame.get("data", {})]
    now_s = time.time()
    assert len(ends) > 20
    assert all(abs((end / 1000 if end > 1e11 else end) - now_s) < 60 for end in ends)


async def test_the_official_sdk_lists_and_gets_the_collection() -> None:
    async with running_emulator(None) as emulator:
        connection = await asyncio.to_thread(videodb.connect, api_key="sk-any", base_url=emulator.base_url)
        listed = await asyncio.to_thread(connection.get_collections)
        default = await asyncio.to_thread(connection.get_collection)
        by_id = await asyncio.to_thread(connection.get_collection, default.id)
        connection.session.close()
    assert [one.id for one in listed] == [default.id] == [by_id.id]
    assert default.id.startswith("c-")


async def test_the_official_sdk_is_told_that_a_collection_is_unknown() -> None:
    async with running_emulator(None) as emulator:
        connection = await asyncio.to_thread(videodb.connect, api_key="sk-any", base_url=emulator.base_url)
        with pytest.raises(videodb.InvalidRequestError, match="c-nowhere not found"):
            await asyncio.to_thread(connection.connect_websocket, "c-nowhere")
        connection.session.close()


PATHS = ["/collection", "/collection/default", "/collection/default/websocket"]


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("path", PATHS)
async def test_every_path_is_served_with_and_without_a_slash(path: str, slash: str) -> None:
    async with running_emulator(None) as emulator:
        status, body = await rest(emulator, path + slash)
    assert status == 200
    assert body["success"] is True
    assert body["data"]


@pytest.mark.parametrize("key", [None, "", "  "])
async def test_no_key_is_401(key: str | None) -> None:
    async with running_emulator(None) as emulator:
        answers = [await rest(emulator, path, key=key) for path in PATHS]
    assert {status for status, _ in answers} == {401}
    assert all(body["success"] is False and body["message"] for _, body in answers)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/collection/c-other", 404),
        ("GET", "/collection/c-other/websocket/", 404),
        ("GET", "/nowhere", 404),
        ("GET", "/realtime", 404),
        ("POST", "/collection/default/websocket", 405),
        ("GET", "/emulator/trigger", 405),
    ],
)
async def test_what_is_not_there_is_said_in_the_envelope(method: str, path: str, status: int) -> None:
    async with running_emulator(None) as emulator:
        got, body = await rest(emulator, path, method=method)
    assert got == status
    assert body["success"] is False
    assert isinstance(body["message"], str)


async def test_a_websocket_url_works_once() -> None:
    async with running_emulator(None) as emulator:
        url = await websocket_url(emulator)
        async with connect(url, proxy=None) as connection:
            await connection.recv()
        with pytest.raises(InvalidStatus) as caught:
            await connect(url, proxy=None)
    assert caught.value.response.status_code == 403


async def test_a_made_up_websocket_url_is_refused() -> None:
    async with running_emulator(None) as emulator:
        for query in ("", "?token=guess"):
            with pytest.raises(InvalidStatus) as caught:
                await connect(emulator.base_url.replace("http", "ws") + "/realtime" + query, proxy=None)
            assert caught.value.response.status_code == 403


async def test_pings_are_answered_and_what_clients_say_is_ignored() -> None:
    async with running_emulator(None) as emulator, client(emulator) as (connection, _):
        await connection.send("hello?")
        await connection.send(b"\x00")
        await (await connection.ping())
        assert len(emulator.world.connection_ids) == 1


async def test_a_close_is_answered_in_kind() -> None:
    async with running_emulator(None) as emulator, client(emulator) as (connection, _):
        await connection.close(1000)
        assert connection.protocol.close_rcvd is not None
        assert connection.protocol.close_rcvd.code == 1000
        await emulator.idle.wait()


async def test_while_a_session_plays_another_connection_gets_its_hello_only() -> None:
    async with running_emulator(LONG) as emulator, client(emulator) as (first, first_id):
        assert json.loads(await first.recv())["n"] == 1
        async with client(emulator) as (second, second_id):
            assert first_id != second_id
            await trigger(emulator, {"event": "alert"})
            assert json.loads(await second.recv())["channel"] == "alert"


async def test_events_of_a_lost_connection_are_dropped_and_a_new_one_does_not_get_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "videodb_emulator")
    async with running_emulator(LONG) as emulator:
        async with client(emulator) as (first, _):
            await first.recv()
        await emulator.idle.wait()
        assert "the remaining 1 events of its session are dropped" in caplog.text
        async with client(emulator) as (second, _):
            assert emulator.world.performance is not None
            assert len(emulator.world.performance.cues) == 1
            await trigger(emulator, {"event": "transcript"})
            assert json.loads(await second.recv())["channel"] == "transcript"


async def test_a_connection_after_the_end_starts_the_session_anew_with_new_ids() -> None:
    sessions = []
    async with running_emulator(SHORT) as emulator:
        for _ in range(2):
            async with client(emulator) as (connection, _id):
                sessions.append(json.loads(await connection.recv())["session"])
                assert json.loads(await connection.recv()) == {"n": 2}
    assert sessions[0] != sessions[1]


async def test_frames_of_a_recording_arrive_byte_for_byte() -> None:
    frames: list[str | bytes] = ['{"a": 1.0,"a":1e2 , "z":"\\u00eb"} ', "not json, Zoë", "", b"\xff\xfe"]
    async with (
        running_emulator(Scenario("r", tuple(Step(0.0, frame) for frame in frames))) as emulator,
        client(emulator) as (connection, _),
    ):
        assert [await connection.recv() for _ in frames] == frames


async def trigger(emulator: Emulator, order: dict[str, Any]) -> tuple[int, Any]:
    body = json.dumps({"set": {}, "connection_id": None, **order}).encode()
    return await rest(emulator, "/emulator/trigger", method="POST", body=body)


async def test_a_triggered_event_reaches_every_connection() -> None:
    async with running_emulator(None) as emulator, client(emulator) as (one, one_id), client(emulator) as (two, two_id):
        status, answer = await trigger(emulator, {"event": "alert", "set": {"data.label": "fire"}})
        assert status == 200
        assert answer["data"]["connections"] == [one_id, two_id]
        assert await one.recv() == await two.recv() == answer["data"]["frame"]
        assert json.loads(answer["data"]["frame"])["data"]["label"] == "fire"


async def test_a_triggered_event_reaches_the_chosen_connection_only() -> None:
    async with running_emulator(None) as emulator, client(emulator) as (one, _), client(emulator) as (two, two_id):
        await trigger(emulator, {"event": "alert", "connection_id": two_id})
        await trigger(emulator, {"event": "transcript"})
        assert json.loads(await one.recv())["channel"] == "transcript"
        assert json.loads(await two.recv())["channel"] == "alert"


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"[]", b'{"event":"alert"}', b'{"event":1,"set":{},"connection_id":null}']
)
async def test_a_wrong_order_is_400(body: bytes) -> None:
    async with running_emulator(None) as emulator:
        status, answer = await rest(emulator, "/emulator/trigger", method="POST", body=body)
    assert status == 400
    assert answer["success"] is False


async def test_an_order_that_cannot_be_carried_out_is_400_and_says_why() -> None:
    async with running_emulator(None) as emulator:
        for order in ({"event": "nope"}, {"event": "alert", "set": {"channel.x": 1}}):
            status, answer = await trigger(emulator, order)
            assert status == 400
            assert "nope" in answer["message"] or "channel is not an object" in answer["message"]


async def test_stopping_closes_every_connection_promptly_and_leaves_no_task() -> None:
    before = asyncio.all_tasks()
    async with running_emulator(LONG) as emulator:
        connection = await connect(await websocket_url(emulator), proxy=None)
        await connection.recv()
        await connection.recv()
        started_s = time.monotonic()
    assert time.monotonic() - started_s < 2
    with pytest.raises(ConnectionClosed):
        await connection.recv()
    assert connection.close_code == 1012
    await connection.wait_closed()
    assert asyncio.all_tasks() == before


async def test_a_failure_inside_the_block_comes_out_as_it_is() -> None:
    with pytest.raises(LookupError, match="ours"):
        async with running_emulator("meeting"):
            raise LookupError("ours")


async def test_an_unusable_scenario_is_refused_before_anything_listens() -> None:
    with pytest.raises(ScenarioError, match="absent"):
        async with running_emulator("absent.json"):
            pass


async def test_the_port_can_be_chosen_and_two_emulators_cannot_share_it() -> None:
    async with running_emulator(None) as first:
        port = int(first.base_url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            async with running_emulator(None, port=port):
                pass


async def test_tokens_in_urls_cannot_be_guessed() -> None:
    async with running_emulator(None) as emulator:
        tokens = {(await websocket_url(emulator)).partition("token=")[2] for _ in range(5)}
    assert len(tokens) == 5
    assert all(len(base64.urlsafe_b64decode(token + "=")) == 32 for token in tokens)
