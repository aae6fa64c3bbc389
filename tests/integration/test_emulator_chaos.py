"""Each planned fault, met by a plain client."""

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus

from support.emulated import data, rest
from videodb_emulator.http.server import Emulator, running_emulator
from videodb_emulator.pure.chaos import parse
from videodb_emulator.pure.scenario import Scenario, Step

LIMIT_S = 10.0
TALK = Scenario("talk", tuple(Step(0.0 if n == 1 else 0.6, {"n": n, "pad": "x" * 300}) for n in (1, 2, 3)))


@asynccontextmanager
async def chaotic(plan: str, scenario: Scenario | None = None) -> AsyncIterator[Emulator]:
    async with asyncio.timeout(LIMIT_S), running_emulator(scenario, faults=parse(plan)) as emulator:
        yield emulator


def _ask(emulator: Emulator, path: str = "/collection/default/websocket") -> tuple[int, Any, str | None]:
    url = emulator.base_url + path
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, headers={"x-access-token": "k"})) as response:
            return response.status, json.load(response), None
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error), error.headers["Retry-After"]


async def websocket_url(emulator: Emulator) -> str:
    status, body, _ = await asyncio.to_thread(_ask, emulator)
    assert status == 200
    return str(body["data"]["websocket_url"])


@asynccontextmanager
async def client(emulator: Emulator) -> AsyncIterator[ClientConnection]:
    """Yield a connection that has got its hello."""
    # As a listener does, without waiting for the answer to a Close: a frozen peer gives none.
    connection = await connect(await websocket_url(emulator), proxy=None, ping_interval=None, close_timeout=0.1)
    try:
        assert list(json.loads(await connection.recv())) == ["connection_id"]
        yield connection
    finally:
        connection.transport.abort()
        await connection.wait_closed()


async def ending(connection: ClientConnection) -> ConnectionClosed:
    """Return how the connection ends; no frame may come before."""
    with pytest.raises(ConnectionClosed) as caught:
        await connection.recv()
    return caught.value


async def numbers(connection: ClientConnection) -> list[int]:
    """Return what comes until the connection ends."""
    heard = []
    try:
        while True:
            heard.append(json.loads(await connection.recv())["n"])
    except ConnectionClosed:
        return heard


async def test_drop_ends_the_stream_in_order_without_a_close() -> None:
    async with chaotic("drop@50ms") as emulator, client(emulator) as connection:
        end = await ending(connection)
    assert end.rcvd is None
    assert not isinstance(end.__cause__, ConnectionResetError)


async def test_rst_resets_the_connection() -> None:
    async with chaotic("rst@50ms") as emulator, client(emulator) as connection:
        end = await ending(connection)
    assert end.rcvd is None
    assert isinstance(end.__cause__, ConnectionResetError)


@pytest.mark.parametrize("code", [1000, 1011, 4321])
async def test_close_sends_a_close_with_its_code(code: int) -> None:
    async with chaotic(f"close:{code}@50ms") as emulator, client(emulator) as connection:
        end = await ending(connection)
    assert end.rcvd is not None
    assert end.rcvd.code == code


async def test_a_fault_comes_at_its_time_after_the_connection_was_accepted() -> None:
    async with chaotic("drop@400ms") as emulator:
        before_s = time.monotonic()
        async with client(emulator) as connection:
            await ending(connection)
            assert 0.4 <= time.monotonic() - before_s < LIMIT_S


async def test_freeze_answers_no_ping_sends_no_event_and_keeps_the_connection() -> None:
    async with chaotic("freeze@400ms", TALK) as emulator, client(emulator) as connection:
        assert json.loads(await connection.recv())["n"] == 1
        await (await connection.ping())  # alive so far
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):  # the other events are due meanwhile
                await connection.recv()
        pong = await connection.ping()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await asyncio.shield(pong)
        assert connection.close_code is None


async def test_a_connection_that_freezes_before_its_hello_stays_open_and_silent() -> None:
    async with chaotic("freeze@0") as emulator:
        silent = await connect(await websocket_url(emulator), proxy=None, ping_interval=None)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await silent.recv()
        assert silent.close_code is None
        silent.transport.abort()
        await silent.wait_closed()


async def test_stopping_ends_a_frozen_connection_promptly() -> None:
    async with chaotic("freeze@50ms") as emulator:
        frozen = await connect(await websocket_url(emulator), proxy=None, ping_interval=None)
        await frozen.recv()
        started_s = time.monotonic()
    assert time.monotonic() - started_s < 4
    frozen.transport.abort()
    await frozen.wait_closed()


async def test_duplicate_sends_the_next_event_twice() -> None:
    async with chaotic("duplicate@300ms,drop@1500ms", TALK) as emulator, client(emulator) as connection:
        assert await numbers(connection) == [1, 2, 2, 3]


@pytest.mark.parametrize("pad", [1, 300, 70_000], ids=["short", "medium", "long"])
async def test_truncate_ends_the_stream_inside_the_next_event(pad: int) -> None:
    talk = Scenario("talk", (Step(0.0, {"n": 1}), Step(0.6, {"n": 2, "pad": "x" * pad}), Step(0.0, {"n": 3})))
    async with chaotic("truncate@300ms", talk) as emulator, client(emulator) as connection:
        assert json.loads(await connection.recv())["n"] == 1
        end = await ending(connection)
    assert isinstance(end, ConnectionClosedError)
    assert end.rcvd is None


async def test_a_hello_that_is_late_comes_before_every_event() -> None:
    async with chaotic("hello-delay:300ms", TALK) as emulator:
        url = await websocket_url(emulator)
        asked_s = time.monotonic()
        async with connect(url, proxy=None) as connection:
            assert "connection_id" in json.loads(await connection.recv())
            assert time.monotonic() - asked_s > 0.25
            assert json.loads(await connection.recv())["n"] == 1


async def test_a_client_that_does_not_wait_for_a_late_hello_leaves_nothing_behind() -> None:
    before = asyncio.all_tasks()
    async with chaotic("hello-delay:60s") as emulator:
        async with connect(await websocket_url(emulator), proxy=None):
            pass
        assert emulator.world.connection_ids == ()
    assert asyncio.all_tasks() == before


async def test_stopping_does_not_wait_for_a_late_hello() -> None:
    async with chaotic("hello-delay:60s") as emulator:
        connection = await connect(await websocket_url(emulator), proxy=None)
        started_s = time.monotonic()
    assert time.monotonic() - started_s < 2
    await connection.wait_closed()


async def test_a_request_for_a_url_is_refused_as_often_as_planned() -> None:
    async with chaotic("rest:500x2,rest:429:1500ms,rest:401") as emulator:
        answers = [await asyncio.to_thread(_ask, emulator) for _ in range(5)]
    assert [(status, body["success"], after) for status, body, after in answers] == [
        (500, False, None),
        (500, False, None),
        (429, False, "2"),
        (401, False, None),
        (200, True, None),
    ]


async def test_other_requests_are_refused_as_often_as_planned(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "videodb_emulator")
    async with chaotic("api:503,api:429:1500ms#*") as emulator:
        before = [await asyncio.to_thread(_ask, emulator, "/rtstream") for _ in range(2)]
        async with client(emulator):
            during = [await asyncio.to_thread(_ask, emulator, "/rtstream") for _ in range(3)]
    assert [(status, after) for status, _, after in before] == [(429, "2"), (200, None)]
    assert [(status, after) for status, _, after in during] == [(503, None), (429, "2"), (200, None)]
    assert "fault: api answers GET /rtstream with 503" in caplog.text


async def test_what_a_test_asks_of_the_emulator_itself_is_never_refused() -> None:
    async with chaotic("api:500@100%#*") as emulator:
        assert (await asyncio.to_thread(_ask, emulator, "/rtstream"))[0] == 500
        order = b'{"event":"alert","set":{},"connection_id":null}'
        assert (await rest(emulator, "/emulator/trigger", method="POST", body=order))[0] == 200
        assert (await rest(emulator, "/emulator/session/cap-none/fail", method="POST", body=b"{}"))[0] == 404


async def test_an_owner_stops_every_transcription_also_when_the_connection_is_gone() -> None:
    async with chaotic("drop@50ms,owner-stop@200ms") as emulator:
        order = {"collection_id": "default", "url": "u", "name": "n", "media_types": ["audio"]}
        path = f"/rtstream/{(await data(emulator, 'POST', '/rtstream', **order))['id']}/transcription/status"
        async with client(emulator) as connection:
            assert (await data(emulator, "GET", path))["status"] == "running"
            await ending(connection)
        while (status := (await data(emulator, "GET", path))["status"]) == "running":
            pass
    assert status == "stopped"


async def test_an_expired_url_is_refused_at_the_handshake_and_the_next_one_is_good() -> None:
    async with chaotic("expire-url") as emulator:
        with pytest.raises(InvalidStatus) as caught:
            await connect(await websocket_url(emulator), proxy=None)
        assert caught.value.response.status_code == 403
        async with client(emulator):
            pass


async def test_the_second_connection_has_faults_of_its_own() -> None:
    async with chaotic("drop@50ms,rest:503#2,close:1012@50ms#2") as emulator:
        async with client(emulator) as first:
            assert (await ending(first)).rcvd is None
        assert (await asyncio.to_thread(_ask, emulator))[0] == 503
        async with client(emulator) as second:
            end = await ending(second)
            assert end.rcvd is not None
            assert end.rcvd.code == 1012
        async with client(emulator) as third:
            await (await third.ping())


async def test_a_fault_for_every_connection_comes_to_each() -> None:
    async with chaotic("close:1001@20ms#*") as emulator:
        for _ in range(3):
            async with client(emulator) as connection:
                await ending(connection)
                assert connection.close_code == 1001


async def test_the_fault_of_a_client_that_is_gone_comes_to_nobody() -> None:
    async with chaotic("close:1011@100ms,drop@150ms") as emulator:
        async with client(emulator):
            pass
        async with client(emulator) as connection:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await connection.recv()
