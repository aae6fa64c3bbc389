"""Lines to and from a recorder."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videodb_listen.recorder.protocol import (
    FIXES,
    OTHER_FIX,
    PREFIX,
    Reply,
    encode_command,
    explain,
    is_verdict_on,
    parse_line,
    verdict_in,
)
from videodb_listen.text import Secrets


def test_a_command_is_one_line() -> None:
    line = encode_command("init", "id-1", {"apiUrl": "a\nb"})
    assert line.startswith(PREFIX)
    assert line.index(b"\n") == len(line) - 1
    said = json.loads(line.removeprefix(PREFIX))
    assert said == {"command": "init", "commandId": "id-1", "params": {"apiUrl": "a\nb"}}


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({"type": "response", "commandId": "a", "status": "success", "result": 1}, Reply("a", True, 1)),
        ({"type": "response", "commandId": "a", "status": "success"}, Reply("a", True, None)),
        ({"type": "response", "commandId": "a", "status": "error", "result": "no"}, Reply("a", False, "no")),
        ({"type": "event", "event": "e", "payload": {}}, {"type": "event", "event": "e", "payload": {}}),
        ({"type": "response", "status": "success"}, None),
        ({"type": "response", "commandId": 7, "status": "success"}, None),
        ({"type": "event"}, None),
        ({"type": "news"}, None),
        ([], None),
    ],
)
def test_a_line_is_a_reply_an_event_or_noise(said: Any, meant: Any) -> None:
    assert parse_line(PREFIX + json.dumps(said).encode() + b"\n") == meant
    assert parse_line(json.dumps(said).encode() + b"\n") is None


@given(st.binary(max_size=80))
def test_any_bytes_have_an_answer(line: bytes) -> None:
    parse_line(line)
    parse_line(PREFIX + line)


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ({"requested": True}, None),
        ({"status": "granted"}, "granted"),
        ({"permission_status": "granted"}, "granted"),
        ({"status": "denied"}, "denied"),
        ({"permission_status": "undetermined"}, None),
        ({"status": 7}, None),
        ({}, None),
        (None, None),
    ],
)
def test_a_verdict_on_a_permission_is_said_or_still_to_come(said: Any, verdict: str | None) -> None:
    assert verdict_in(said) == verdict


@pytest.mark.parametrize(
    ("event", "payload", "is_one"),
    [
        ("permission-status", {"permission": "microphone", "status": "denied"}, True),
        ("permission-status", {"permission": "microphone", "status": "undetermined"}, False),
        ("permission-status", {"permission": "camera", "status": "granted"}, False),
        ("permission-status", None, False),
        ("permissions-granted", {"permission": "microphone", "status": "granted"}, False),
    ],
)
def test_a_verdict_is_on_one_permission(event: str, payload: Any, is_one: bool) -> None:
    assert is_verdict_on("microphone", {"type": "event", "event": event, "payload": payload}) is is_one


@pytest.mark.parametrize(
    ("error", "said", "fix"),
    [
        ({"code": "BUSY", "message": "it records"}, "it records (BUSY)", FIXES["BUSY"]),
        ({"code": "BUSY"}, "BUSY", FIXES["BUSY"]),
        ({"code": "NEW", "message": "x\x1b"}, "x\\x1b (NEW)", OTHER_FIX),
        ("in words", "in words", OTHER_FIX),
        ({"message": "m"}, '{"message":"m"}', OTHER_FIX),
        (None, "null", OTHER_FIX),
    ],
)
def test_an_error_is_its_message_and_its_code_with_what_to_do(error: Any, said: str, fix: str) -> None:
    assert explain(error, Secrets().said) == (said, fix)


def test_the_code_is_said_however_long_the_message_is() -> None:
    said, _ = explain({"code": "INTERNAL_ERROR", "message": "x" * 999}, Secrets().said)
    assert said.endswith(" (INTERNAL_ERROR)")
    assert len(said) < 300
