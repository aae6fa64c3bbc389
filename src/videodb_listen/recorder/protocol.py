"""The line protocol between a client and a recorder.

Pure. Both sides write lines: the word `videodb_recorder`, a bar, one JSON object. Whatever else a recorder writes on
stdout is noise (the official SDKs, `capture.py` and `binaryManager.ts`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

PREFIX = b"videodb_recorder|"

PERMISSIONS = {
    "microphone": "microphone",
    "screen_capture": "screen-capture",
    "screen-capture": "screen-capture",
    "accessibility": "accessibility",
}
"""What a program asks for, and the recorder's word for it."""

Event = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """The answer to one command; `result` is its error when it is not good."""

    command_id: str
    good: bool
    result: Any


def encode_command(command: str, command_id: str, params: Mapping[str, Any]) -> bytes:
    """The line that asks for `command`."""
    return PREFIX + orjson.dumps({"command": command, "commandId": command_id, "params": params}) + b"\n"


def parse_line(line: bytes) -> Reply | Event | None:
    """What a recorder says with `line`, None when that is noise. Total: any bytes have an answer."""
    if not line.startswith(PREFIX):
        return None
    try:
        said = orjson.loads(line[len(PREFIX) :])
    except orjson.JSONDecodeError:
        return None
    match said:
        case {"type": "response", "commandId": str(command_id), "status": str(status)}:
            return Reply(command_id, status == "success", said.get("result"))
        case {"type": "event", "event": str()}:
            return dict(said)
    return None


def is_granted(result: Any) -> bool:
    """Whether the result of `requestPermission` is a yes, or says that the person is being asked."""
    if not isinstance(result, dict):
        return False
    status = result.get("status") or result.get("permission_status")
    return result.get("requested") is True or status == "granted"
