"""Calls of the API: what is sent, what an answer means, and where the key goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.clock import Clock
from support.recording import RecordingServer, Told, good
from videodb_listen.api.http import JOB_DEADLINE_S, JOB_POLL_S, Api
from videodb_listen.errors import CredentialsRejected, ListenError, RequestRefused, TimedOut, Unavailable
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


REFUSALS: list[tuple[Told, type[ListenError], int, str]] = [
    (Told({"message": "end_user_id is missing"}, 400), RequestRefused, 400, "end_user_id is missing"),
    (Told({"message": "who are you"}, 401), CredentialsRejected, 401, "who are you"),
    (Told({"message": "no credits"}, 402), Unavailable, 402, "top up"),
    (Told({"message": "not yours"}, 403), CredentialsRejected, 403, "not yours"),
    (Told({"message": "no such session"}, 404), RequestRefused, 404, "no such session"),
    (Told({}, 429, {"retry-after": "7"}), Unavailable, 429, "429"),
    (Told(b"<html>", 502), Unavailable, 502, "502"),
    (Told({}, 302, {"location": "http://127.0.0.1:1/"}), Unavailable, 302, "not followed"),
    (Told({"success": False, "message": "not now"}), RequestRefused, 200, "not now"),
    (Told(b"hello"), Unavailable, 200, "not JSON"),
    (Told([1]), Unavailable, 200, "without success"),
    (Told({"message": f"the key {KEY} is bad"}, 401), CredentialsRejected, 401, r"the key \[secret\] is bad"),
]


@pytest.mark.parametrize(("told", "kind", "status", "said"), REFUSALS)
async def test_a_refusal_has_its_status_its_words_and_what_to_do(
    server: RecordingServer, told: Told, kind: type[ListenError], status: int, said: str
) -> None:
    server.replies = [told]
    with pytest.raises(kind, match=said) as caught:
        await api(server).get("a")
    assert caught.value.http_status == status
    assert caught.value.fix
    assert len(server.asked) == 1  # nothing is tried twice
    if isinstance(caught.value, Unavailable):
        assert caught.value.retry_after_s == (7.0 if status == 429 else None)


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
