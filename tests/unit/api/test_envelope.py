"""What an answer means: its data, a job, or one of our errors."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from videodb_listen.api.envelope import Answer, checked_sent, job_of, result_of, said_in, unwrap
from videodb_listen.errors import CredentialsRejected, ListenError, RequestRefused, Unavailable
from videodb_listen.text import Secrets

SECRETS = Secrets("sk-secret")


def answer(body: Any, status: int = 200, **headers: str) -> Answer:
    return Answer(status, headers, body if isinstance(body, bytes) else orjson.dumps(body))


@pytest.mark.parametrize("status", [200, 201])
def test_an_answer_is_its_envelope(status: int) -> None:
    assert unwrap(answer({"success": True, "data": {"id": "x"}}, status), SECRETS) == {
        "success": True,
        "data": {"id": "x"},
    }
    assert unwrap(answer(b"", 204), SECRETS) == {}


REFUSALS: list[tuple[Answer, type[ListenError], str]] = [
    (answer({"message": "end_user_id is missing"}, 400), RequestRefused, "400: end_user_id is missing"),
    (answer({"message": "who are you"}, 401), CredentialsRejected, "who are you"),
    (answer({"message": "no credits"}, 402), Unavailable, "top up"),
    (answer({"message": "not yours"}, 403), CredentialsRejected, "not yours"),
    (answer({"message": "no such session"}, 404), RequestRefused, "no such session"),
    (answer({}, 429, **{"retry-after": "7"}), Unavailable, "429"),
    (answer(b"<html>", 502), Unavailable, "502"),
    (answer([], 503), Unavailable, "503"),
    (answer({}, 302, location="http://127.0.0.1:1/"), Unavailable, "not followed"),
    (answer({"success": False, "message": "not now"}), RequestRefused, "not now"),
    (answer(b"hello"), Unavailable, "not JSON"),
    (answer([1]), Unavailable, "without success"),
    (answer({"message": "the key sk-secret is bad"}, 401), CredentialsRejected, r"the key \[secret\] is bad"),
]


@pytest.mark.parametrize(("refused", "kind", "said"), REFUSALS)
def test_a_refusal_has_its_status_its_words_and_what_to_do(refused: Answer, kind: type[ListenError], said: str) -> None:
    with pytest.raises(kind, match=said) as caught:
        unwrap(refused, SECRETS)
    assert caught.value.http_status == refused.status
    assert caught.value.fix
    if isinstance(caught.value, Unavailable):
        assert caught.value.retry_after_s == (7.0 if refused.status == 429 else None)


@pytest.mark.parametrize(
    ("envelope", "job"),
    [
        ({"success": True, "data": {}}, None),
        ({"status": "processing", "data": {"output_url": "https://h/j"}}, "https://h/j"),
        ({"status": "processing", "request_type": "sync", "data": {"output_url": "https://h/j"}}, "https://h/j"),
        ({"status": "processing", "request_type": "async", "data": {"output_url": "https://h/j"}}, ""),
        ({"status": "processing", "data": {"output_url": 7}}, ""),
        ({"status": "processing"}, ""),
    ],
)
def test_a_job_is_where_its_result_will_be(envelope: dict[str, Any], job: str | None) -> None:
    assert job_of(envelope) == job


def test_the_result_of_a_job_is_what_it_answers_when_it_is_done() -> None:
    assert result_of({"status": "processing"}, SECRETS) is None
    assert result_of({"status": "in progress"}, SECRETS) is None
    assert result_of({"status": "done", "response": {"data": {"a": 1}}}, SECRETS) == {"data": {"a": 1}}
    assert result_of({"data": {"a": 1}}, SECRETS) == {"data": {"a": 1}}


@pytest.mark.parametrize("end", [{"success": False}, {"status": "failed"}, {"response": {"status": "failed"}}])
def test_a_job_that_failed_says_why_without_a_secret(end: dict[str, Any]) -> None:
    said = end.get("response", end)
    said["message"] = "sk-secret is \x1b[31mbad"
    with pytest.raises(RequestRefused, match=r"the job failed: \[secret\] is \\x1b\[31mbad"):
        result_of(end, SECRETS)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"code": "C", "message": " m "}, ": C: m"),
        ({"message": 7}, ""),
        ("text", ": text"),
        (" ", ""),
        (None, ""),
        ([1], ""),
        ({"message": "x" * 300}, ": " + "x" * 199 + "…"),
    ],
)
def test_what_the_server_says_is_short(data: object, said: str) -> None:
    assert said_in(data, SECRETS, "code", "message") == said


def test_an_address_that_was_sent_must_keep_a_secret() -> None:
    assert checked_sent("x", "wss://far.example/?token=a", "wss", "ws") == "wss://far.example/?token=a"
    with pytest.raises(Unavailable, match="the API sent a x that is refused") as caught:
        checked_sent("x", "ws://far.example/?token=hush", "wss", "ws")
    assert "hush" not in str(caught.value)
