"""Calls of the API: what is sent, what an answer means, and where the key goes."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.clock import Clock
from support.recording import RecordingServer, Told, good
from videodb_listen.api import http
from videodb_listen.api.http import JOB_DEADLINE_S, JOB_POLL_S, Api, Limits
from videodb_listen.errors import CredentialsRejected, RequestRefused, TimedOut, Unavailable
from videodb_listen.settings import Account

KEY = "sk-secret"


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer() as server:
        yield server


def api(server: RecordingServer, clock: Clock | None = None) -> Api:
    clock = clock or Clock()
    return Api(Account(server.url, KEY), clock=clock, sleep=clock.asleep)


async def test_a_request_is_made_of_segments_and_of_what_was_given(server: RecordingServer) -> None:
    await api(server).get("rtstream", "a/b?c", "index", query={"page": 1, "start": 0, "end": None})
    await api(server).post("collection", "default", body={"name": None})
    asked = [(one.method, one.path, one.query, one.body) for one in server.asked]
    assert asked == [
        ("GET", "/rtstream/a%2Fb%3Fc/index", {"page": "1", "start": "0"}, None),
        ("POST", "/collection/default", {}, {"name": None}),
    ]
    assert all(one.headers["x-access-token"] == KEY for one in server.asked)


@pytest.mark.parametrize("segment", ["", ".", ".."])
async def test_an_id_cannot_lead_to_another_path(server: RecordingServer, segment: str) -> None:
    with pytest.raises(ValueError, match="an id cannot be"):
        await api(server).get("rtstream", segment)
    assert server.asked == []


@pytest.mark.parametrize("status", [200, 201])
async def test_data_is_what_an_answer_is_for(server: RecordingServer, status: int) -> None:
    server.replies = [Told({"success": True, "data": {"id": "x"}}, status), Told({"success": True}), Told(b"", 204)]
    assert await api(server).get("a") == {"id": "x"}
    assert await api(server).patch("a", body={}) == {}
    assert await api(server).patch("a", body={}) == {}


async def test_a_refusal_is_said_and_nothing_is_tried_twice(server: RecordingServer) -> None:
    server.replies = [Told({"message": f"the key {KEY} is bad"}, 401), Told({}, 302, {"location": server.url})]
    for kind, said in ((CredentialsRejected, r"the key \[secret\] is bad"), (Unavailable, "not followed")):
        with pytest.raises(kind, match=said):
            await api(server).get("a")
    assert len(server.asked) == 2


async def test_a_server_that_is_not_there_has_no_status() -> None:
    with RecordingServer() as server:
        gone = api(server)
    with pytest.raises(Unavailable, match="could not be reached") as caught:
        await gone.get("a")
    assert caught.value.http_status is None


def job(server: RecordingServer, **more: Any) -> Told:
    data = {"id": "j", "output_url": f"{server.url}/async-response/j"}
    return Told({"success": True, "status": "processing", "data": data, **more})


async def test_a_job_is_asked_for_until_it_is_done(server: RecordingServer) -> None:
    clock = Clock()
    done = {"status": "done", "response": {"success": True, "data": {"video_id": "m-1"}}}
    server.replies = [job(server), Told({"status": "processing"}), Told({"status": "in progress"}), Told(done)]
    assert await api(server, clock).post("export", body={}) == {"video_id": "m-1"}
    assert clock.slept == [JOB_POLL_S] * 2
    assert [one.path for one in server.asked] == ["/export"] + ["/async-response/j"] * 3
    assert all(one.headers["x-access-token"] == KEY for one in server.asked)


async def test_nobody_waits_for_an_async_job(server: RecordingServer) -> None:
    server.replies = [job(server, request_type="async")]
    assert await api(server).post("export", body={}) == {}
    assert len(server.asked) == 1


@pytest.mark.parametrize("end", [{"success": False, "message": "too short"}, {"status": "failed"}])
async def test_a_job_that_fails_says_so(server: RecordingServer, end: dict[str, Any]) -> None:
    server.replies = [job(server), Told({"status": "processing"}), Told(end)]
    with pytest.raises(RequestRefused, match=end.get("message", "the job failed")):
        await api(server).post("export", body={})


async def test_a_job_that_never_ends_is_given_up(server: RecordingServer) -> None:
    clock = Clock()
    server.replies = [job(server)] + [Told({"status": "processing"})] * 200
    with pytest.raises(TimedOut, match="still at work"):
        await api(server, clock).post("export", body={})
    assert clock.now_s == JOB_DEADLINE_S


@pytest.mark.parametrize("address", ["http://elsewhere.example/", "file:///etc/passwd", "nonsense"])
async def test_a_job_at_an_address_in_the_clear_is_refused(server: RecordingServer, address: str) -> None:
    server.replies = [Told({"success": True, "status": "processing", "data": {"output_url": address}})]
    with pytest.raises(Unavailable, match="sent a job's output_url that is refused"):
        await api(server).post("export", body={})
    assert len(server.asked) == 1


async def test_the_key_goes_to_the_api_alone(server: RecordingServer) -> None:
    with RecordingServer(good({"video_id": "m-1"})) as elsewhere:
        data = {"output_url": f"{elsewhere.url}/result"}
        server.replies = [Told({"success": True, "status": "processing", "data": data})]
        assert await api(server).post("export", body={}) == {"video_id": "m-1"}
    assert "x-access-token" not in elsewhere.asked[0].headers


async def test_a_failed_job_does_not_repeat_the_key(server: RecordingServer) -> None:
    server.replies = [job(server), Told({"status": "failed", "message": f"bad key {KEY}"})]
    with pytest.raises(RequestRefused, match=r"bad key \[secret\]"):
        await api(server).post("export", body={})


# -- connections --

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def serving(talk: Talk) -> AsyncIterator[Api]:
    """An API whose connections are what `talk` does with each."""
    talking: list[asyncio.Task[Any] | None] = []

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talking.append(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await talk(reader, writer)
        with contextlib.suppress(ConnectionError):
            writer.close()
            await writer.wait_closed()

    async with await asyncio.start_server(once, "127.0.0.1", 0) as listening:
        yield Api(Account(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", KEY))
        await asyncio.gather(*filter(None, talking))


class Keeping:
    """Answers every request on a connection that stays open, and counts."""

    def __init__(self, *headers: str) -> None:
        self.connections = 0
        self.ended = asyncio.Semaphore(0)
        self.requests: list[str] = []
        self._headers = "".join(f"{header}\r\n" for header in headers)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        body = b'{"success": true, "data": {}}'
        try:
            while True:
                self.requests.append((await reader.readuntil(b"\r\n\r\n")).decode())
                head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n{self._headers}\r\n"
                writer.write(head.encode() + body)
        finally:
            self.ended.release()


async def mute(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Never answer, until the client has left."""
    await reader.read()


async def test_calls_share_a_connection_while_the_api_is_open() -> None:
    async with serving(server := Keeping()) as open_api:
        async with open_api:
            await open_api.get("a")
            await open_api.get("b")
            assert (server.connections, len(server.requests)) == (1, 2)
        await server.ended.acquire()


async def test_a_call_by_itself_leaves_no_connection() -> None:
    async with serving(server := Keeping()) as closed_api:
        for count in (1, 2):
            await closed_api.get("a")
            await server.ended.acquire()
            assert server.connections == count


async def test_no_cookie_is_kept() -> None:
    async with serving(server := Keeping("set-cookie: a=b; path=/")) as cookie_api, cookie_api:
        await cookie_api.get("a")
        await cookie_api.get("b")
    assert "cookie" not in server.requests[1].lower()


async def test_a_call_that_is_cancelled_ends_at_once_and_leaves_nothing() -> None:
    heard, left = asyncio.Event(), asyncio.Event()

    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        heard.set()
        assert await reader.read() == b""
        left.set()

    threads = threading.active_count()
    async with serving(talk) as slow_api, slow_api:
        call = asyncio.create_task(slow_api.get("a"))
        await heard.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await left.wait()
        assert threading.active_count() == threads


async def test_one_deadline_holds_for_a_whole_exchange() -> None:
    async def trickle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.001)

    for talk in (mute, trickle):
        async with serving(talk) as slow_api:
            with pytest.raises(Unavailable, match="did not answer within"):
                await slow_api.ask("GET", "a", limits=Limits(0.05, 1 << 20))


async def test_an_answer_that_is_too_large_is_not_read_to_its_end() -> None:
    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x" * 1000)
            await writer.drain()

    async with serving(endless) as large_api:
        with pytest.raises(Unavailable, match="larger than 5000 bytes"):
            await large_api.ask("GET", "a", limits=Limits(10.0, 5000))


@pytest.mark.parametrize(
    "variable", ["ALL_PROXY=socks5://127.0.0.1:1", "HTTP_PROXY=nonsense", "SSL_CERT_FILE=/nowhere", "NO_PROXY=["]
)
async def test_what_a_loopback_address_in_the_clear_does_not_use_is_not_built(
    server: RecordingServer, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(*variable.split("=", 1))
    assert await api(server).get("a") == {}


async def test_an_address_in_the_open_is_asked_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")

    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    async with serving(refuse) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.base_url)
        with pytest.raises(Unavailable, match="the proxy of HTTPS_PROXY refused with 407; check HTTPS_PROXY"):
            await Api(Account("https://api.example", KEY)).get("a")
    assert asked[0].startswith(b"CONNECT api.example:443 ")
    assert KEY.encode() not in asked[0]


async def test_answers_are_asked_for_as_they_are(server: RecordingServer) -> None:
    await api(server).get("a")
    assert server.asked[0].headers["accept-encoding"] == "identity"


def test_nobody_else_reads_the_key() -> None:
    source = Path(http.__file__).parents[1]
    readers = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "key"
    }
    assert readers == {"api/http.py"}


def test_no_repr_shows_the_key() -> None:
    subject = Api(Account("https://api.example", KEY))
    assert KEY not in f"{subject!r}{subject.secrets('more')!r}"
