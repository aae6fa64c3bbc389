"""Lines to and from a recorder."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videodb_listen.recorder.protocol import PREFIX, Reply, encode_command, is_granted, parse_line


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
    ("result", "granted"),
    [
        ({"requested": True}, True),
        ({"status": "granted"}, True),
        ({"permission_status": "granted"}, True),
        ({"status": "denied"}, False),
        ({"permission_status": "undetermined"}, False),
        ({}, False),
        (None, False),
    ],
)
def test_a_permission_is_granted_or_asked_for(result: Any, granted: bool) -> None:
    assert is_granted(result) is granted
