"""The line protocol between a client and a recorder.

Pure. Both sides write lines: the word `videodb_recorder`, a bar, one JSON object. Whatever else a recorder writes on
stdout is noise (the official SDKs, `capture.py` and `binaryManager.ts`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

PREFIX = b"videodb_recorder|"

PERMISSIONS = {
    "microphone": "microphone",
    "screen_capture": "screen-capture",
    "screen-capture": "screen-capture",
    "accessibility": "accessibility",
    "camera": "camera",
}
"""What a program asks for, and the recorder's word for it."""

SETTINGS_FIX = "allow it in the system's settings"

FIXES = {
    "BUSY": "stop what it records, or shut the client down and start again",
    "INSTANCE_ALREADY_RUNNING": "end the application that has a recorder, then start again",
    "INTERNAL_ERROR": "look at what the API said; then start another session",
    "INVALID_CAMERA": "take a channel from list_channels()",
    "INVALID_DISPLAY": "take a channel from list_channels()",
    "INVALID_PERMISSION": "use a recorder that knows this permission",
    "INVALID_REQUEST": "give what the message asks for",
    "INVALID_STATE": "start a session first; to begin anew, shut the client down",
    "INVALID_TOKEN": "take another client token",
    "PAUSE_FAILED": "pause what is being recorded",
    "PERMISSION_DENIED": SETTINGS_FIX,
    "RESUME_FAILED": "resume what is being recorded",
    "SESSION_NOT_FOUND": "shut the client down, which ends the recording",
    "UNKNOWN_COMMAND": "use a recorder that knows this command",
}
"""What to do about an error of this code, as videodb-capture-bin 0.3.1 has them."""

OTHER_FIX = "check its permissions and what it was asked for"

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


def verdict_in(said: Any) -> str | None:
    """The status of a permission in a result of `requestPermission` or in a `permission-status`.

    `granted`, or another word that is a no; None while a person has yet to say.
    """
    status = (said.get("status") or said.get("permission_status")) if isinstance(said, dict) else None
    return status if isinstance(status, str) and status != "undetermined" else None


def is_verdict_on(permission: str, event: Event) -> bool:
    """Whether `event` says what became of `permission`, in the recorder's word for it."""
    payload = event.get("payload")
    told = (
        event["event"] == "permission-status" and isinstance(payload, dict) and payload.get("permission") == permission
    )
    return told and verdict_in(payload) is not None


def explain(error: Any, said: Callable[[str], str]) -> tuple[str, str]:
    """What a recorder's error says, as `message (CODE)` where it has both, and what to do about it.

    `said` makes a text fit for a message.
    """
    match error:
        case {"code": str(code), "message": str(message)}:
            return f"{said(message)} ({said(code)})", FIXES.get(code, OTHER_FIX)
        case {"code": str(code)}:
            return said(code), FIXES.get(code, OTHER_FIX)
        case str():
            return said(error), OTHER_FIX
    return said(orjson.dumps(error).decode()), OTHER_FIX
