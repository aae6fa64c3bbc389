"""What an answer of the API means: its envelope, and which of our errors a refusal is.

Pure. `{"success": true, "data": ...}` is an answer; `success: false` is an error whatever the HTTP status
(openapi.yaml of the official SDK, components.Error).
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from videodb_listen.errors import ConfigurationError, CredentialsRejected, ListenError, RequestRefused, Unavailable
from videodb_listen.settings import checked_url
from videodb_listen.text import Secrets
from videodb_listen.units import parse_retry_after

REFUSALS = frozenset({400, 404, 409, 422})
"""Asking again brings the same answer. Everything else that is no success may pass, but for the credentials."""


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def unwrap(answer: Answer, secrets: Secrets) -> dict[str, Any]:
    """The envelope in `answer`; its messages are shown without `secrets`.

    Raises CredentialsRejected, RequestRefused or Unavailable, each with its `http_status`.
    """
    if answer.status == 204:
        return {}
    envelope = _decoded(answer.body)
    message = said_in(envelope, secrets, "message") if isinstance(envelope, dict) else ""
    said = f"the API answered {answer.status}"
    if not 200 <= answer.status < 300:
        error = _failure(answer, said + message)
    elif envelope is _NOT_JSON:
        error = Unavailable(f"{said} with a body that is not JSON")
    elif not isinstance(envelope, dict):
        error = Unavailable(f"{said} without success")
    elif envelope.get("success") is False:
        error = RequestRefused(f"{said} without success{message}")
    else:
        return envelope
    error.http_status = answer.status
    raise error


def job_of(envelope: Mapping[str, Any]) -> str | None:
    """The address at which to ask for the result, "" when none is awaited; None when `envelope` is the result.

    A job is either `sync`, then the caller waits for it, or `async`, then nobody does (`request_type`).
    """
    if envelope.get("status") != "processing":
        return None
    data = envelope.get("data")
    address = data.get("output_url") if isinstance(data, dict) else None
    return address if isinstance(address, str) and envelope.get("request_type") != "async" else ""


def result_of(envelope: Mapping[str, Any], secrets: Secrets) -> Mapping[str, Any] | None:
    """What a job's address says in the end, None while the job is at work.

    Raises RequestRefused when the job has failed; its message is shown without `secrets`.
    """
    if envelope.get("status") in ("processing", "in progress"):
        return None
    response = envelope.get("response")
    result = response if isinstance(response, dict) else envelope
    if result.get("success") is False or result.get("status") == "failed":
        raise RequestRefused(f"the job failed{said_in(result, secrets, 'message')}")
    return result


def checked_sent(name: str, url: str, secure: str, plain: str) -> str:
    """`url`, which the API sent as `name`, unless it would send a secret in the clear: that is Unavailable."""
    try:
        return checked_url(url, secure, plain)
    except ConfigurationError as exc:
        raise Unavailable(f"the API sent a {name} that is refused: {exc.message}") from None


def said_in(data: object, secrets: Secrets, *keys: str) -> str:
    """What the server says for people in these fields of `data`, as `: text: text`; "" when it says nothing there.

    Short, on one line, and without `secrets`. `data` itself may be the text.
    """
    found = [data.get(key) for key in keys] if isinstance(data, Mapping) else [data]
    said = [secrets.said(text) for text in found if isinstance(text, str)]
    return "".join(f": {text}" for text in said if text)


_NOT_JSON = object()


def _decoded(body: bytes) -> object:
    with contextlib.suppress(orjson.JSONDecodeError):
        return orjson.loads(body)
    return _NOT_JSON


def _failure(answer: Answer, said: str) -> ListenError:
    """The error for a status that is no success, grouped by who can mend it."""
    if answer.status in (401, 403):
        return CredentialsRejected(said, fix="check VIDEO_DB_API_KEY and what the key may do")
    if answer.status in REFUSALS:
        return RequestRefused(said)
    if answer.status == 402:
        return Unavailable(said, fix="top up the account's credits")
    if 300 <= answer.status < 400:
        return Unavailable(f"{said}, a redirect, which is not followed", fix="set VIDEO_DB_API to the final address")
    return Unavailable(said, retry_after_s=parse_retry_after(answer.headers))
