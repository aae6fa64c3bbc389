"""Recorders that behave and recorders that do not: `python fake_recorder.py MODE [FILE]`, nothing but the library.

Each command is written to FILE as it came, when FILE is given.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

PREFIX = "videodb_recorder|"
CHANNELS = [
    {"channel_id": "mic:built-in", "type": "audio", "name": "Built-in"},
    {"channel_id": "mic:default", "type": "audio", "name": "Headset", "is_default": True},
    {"channel_id": "display:1", "type": "video", "name": "Main"},
    {"id": "system_audio:default", "type": "audio", "channel_name": "Everything"},
    {"channel_id": "camera:0", "type": "video", "name": "Lid"},
    {"type": "audio", "name": "no id"},
]
RESULTS: dict[str, Any] = {"getChannels": {"channels": CHANNELS}, "requestPermission": {"status": "granted"}}

Command = dict[str, Any]

SPOILT: list[Command] = []
"""Starts that were refused by this process."""


def say(**said: Any) -> None:
    sys.stdout.write(f"{PREFIX}{json.dumps(said)}\n")
    sys.stdout.flush()


def answer(command: Command, result: Any = None, status: str = "success") -> None:
    say(type="response", commandId=command["commandId"], status=status, result=result)


def tell(event: str, **payload: Any) -> None:
    say(type="event", event=event, payload=payload)


def good(command: Command) -> None:
    name = command["command"]
    answer(command, RESULTS.get(name, {}))
    session = command["params"].get("sessionId")
    if name == "startRecording":
        say(type="event", event="recording:started", payload={"sessionId": session})
    if name == "stopRecording":
        say(type="event", event="recording:stopped", payload={"sessionId": session})
    if name == "shutdown":
        sys.exit(0)


def silent(command: Command) -> None:
    if command["command"] == "init":
        good(command)


def mute(_: Command) -> None:
    """Never answer."""


def garbage(command: Command) -> None:
    out = sys.stdout.buffer
    out.write(b"starting up...\n\xff\xfe\n\n" + b"x" * (3 << 20) + b"\n")
    out.write(b"videodb_recorder|{half\nvideodb_recorder|[1]\nvideodb_recorder|null\nvideodb_recorder|" + b"[" * 9999)
    out.write(b'\nvideodb_recorder|{"type":"response","commandId":7,"status":"success"}\n')
    out.flush()
    sys.stderr.write("\x1b[2J a log line\n")
    good(command)


def strays(command: Command) -> None:
    answer({"commandId": "nobody-asked"}, "wrong")
    good(command)
    answer(command, "twice")


def crash(command: Command) -> None:
    """End in the middle of a recording, with last words."""
    if command["command"] in ("stopRecording", "pauseTracks"):
        sys.stderr.write("cannot go on: no disk\n")
        sys.stderr.flush()
        os._exit(3)
    good(command)


def dies_at_once(command: Command) -> None:
    sys.stderr.write("another instance is running\n")
    sys.exit(4)


def refuses(command: Command) -> None:
    if command["command"] in ("init", "shutdown"):
        good(command)
    else:
        answer(command, {"code": "INSTANCE_ALREADY_RUNNING"}, "error")


def denies(command: Command) -> None:
    if command["command"] == "requestPermission":
        answer(command, {"permission_status": "denied"})
    else:
        good(command)


def asks(command: Command) -> None:
    """Ask the person, who grants the microphone, denies the screen, and never says about accessibility."""
    if command["command"] != "requestPermission":
        return good(command)
    answer(command, {"requested": True})
    permission = command["params"]["permission"]
    if permission == "accessibility":
        return None
    tell("permission-status", permission="something-else", status="restricted")
    tell("permission-status", permission=permission, status="undetermined")
    if permission == "camera":
        sys.exit(5)
    return tell("permission-status", permission=permission, status={"microphone": "granted"}.get(permission, "denied"))


def spoils(command: Command) -> None:
    """Refuse to start `cap-1`, and be busy for ever after it."""
    if command["command"] != "startRecording" or not (SPOILT or command["params"]["sessionId"] == "cap-1"):
        return good(command)
    message = f"402 Payment Required for {command['params']['uploadToken']}"
    answer(command, {"code": "BUSY" if SPOILT else "INTERNAL_ERROR", "message": message}, "error")
    return SPOILT.append(command)


def second(command: Command) -> None:
    """Find another one running."""
    sys.stderr.write("Capture v0\n")
    tell("error", code="INSTANCE_ALREADY_RUNNING", message="Another recorder instance is already running")
    sys.exit(2)


def renames(command: Command) -> None:
    """Call what is recorded by a name of its own."""
    if command["command"] == "startRecording":
        return answer(command, {"sessionId": "ss-1", "status": "recording"})
    return good(command)


def stubborn(command: Command) -> None:
    """Ignore SIGTERM, the end of stdin, and the command to end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if command["command"] != "shutdown":
        good(command)


def deaf(command: Command) -> None:
    """Answer `init`, then read no more and stay."""
    good(command)
    os.close(0)
    time.sleep(3600)


def mortal(command: Command) -> None:
    """Start a helper that holds our output and the file `held`; be killed, and say so before, by `stopRecording`."""
    params = command["params"]
    if command["command"] == "stopRecording":
        say(type="event", event="recording:stopped", payload={})
        os.kill(os.getpid(), signal.SIGKILL)
    if command["command"] == "ping":
        with open(params["held"], "w", encoding="utf-8") as held:  # noqa: PTH123
            helper = subprocess.Popen(["sleep", "321"], stdin=held, start_new_session=params["apart"])
        answer(command, helper.pid)
    else:
        good(command)


MODES: dict[str, Callable[[Command], None]] = {
    function.__name__: function
    for function in (
        *(good, silent, mute, garbage, strays, crash, dies_at_once, refuses, denies, asks, spoils, second, renames),
        *(stubborn, deaf, mortal),
    )
}


def main(mode: str, path: str | None = None) -> None:
    while line := sys.stdin.readline():
        command = json.loads(line.removeprefix(PREFIX))
        if path:
            with open(path, "a", encoding="utf-8") as file:  # noqa: PTH123
                file.write(json.dumps(command) + "\n")
        MODES[mode](command)
    while mode == "stubborn":
        time.sleep(3600)


if __name__ == "__main__":
    main(*sys.argv[1:])
