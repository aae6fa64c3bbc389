"""A recorder that records nothing: the program that an SDK drives over stdin and stdout, with a plan of what it lacks.

Every line is `videodb_recorder|` and a JSON object (videodb 0.5.1 `capture.py`, videodb-node `binaryManager.ts`):

    in    {"command": "ping", "commandId": "7f..", "params": {}}
    out   {"type": "response", "commandId": "7f..", "status": "success" or "error", "result": ...}
    out   {"type": "event", "event": "recording-started", "payload": {"sessionId": "cap-.."}}

The session itself is driven over the emulator's REST. Only the standard library is used, so that it starts fast.
"""

import json
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from videodb_emulator.pure.chaos import seconds

PREFIX = "videodb_recorder|"
CRASHED = 70  # the exit status of a planned crash; an SDK sees only that it is not 0

_REST_TIMEOUT_S = 10.0
_NOISE = ("[debug] encoder: queue depth 3", "", "videodb_recorder", 'videodb_recorder|{"type":"resp')

_CHANNELS = (
    {"channel_id": "mic:default", "type": "audio", "name": "Built-in Microphone", "is_default": True},
    {"channel_id": "system_audio:default", "type": "audio", "name": "System Audio", "is_default": True},
    {"channel_id": "display:1", "type": "video", "name": "Built-in Display", "is_default": True},
)

_SPELLINGS: Mapping[str, Sequence[str]] = {
    # consumers of the Python SDK and the docs; the node SDK
    "started": ("recording-started", "recording:started"),
    "stopped": ("recording-complete", "recording:stopped"),
    "error": ("error", "recording:error"),
}

FLAGS = ("no-permission", "no-display", "silent", "garbage", "both-spellings")


class PlanError(ValueError):
    """A plan cannot be understood; the message names the entry."""


class Plan(NamedTuple):
    """What is wrong with the recorder. `crash_after_s` counts from the start of a recording; None: never."""

    flags: frozenset[str] = frozenset()
    crash_after_s: float | None = None


def parse(text: str) -> Plan:
    """Read a plan like `no-display,crash-after:2s`; an empty one has no faults. Raises `PlanError`."""
    flags, crash_after_s = set(), None
    for entry in filter(None, map(str.strip, text.split(","))):
        name, _, argument = entry.partition(":")
        if name == "crash-after":
            try:
                crash_after_s = seconds(argument)
            except ValueError as error:
                raise PlanError(f"{entry!r}: {error}, write it as crash-after:2s") from error
        elif entry in FLAGS:
            flags.add(entry)
        else:
            raise PlanError(f"{entry!r} is no fault; known: {', '.join(FLAGS)}, crash-after:TIME")
    return Plan(frozenset(flags), crash_after_s)


Params = dict[str, Any]

Post = Callable[[str, str, Params], None]
"""Posts to a URL, with a token, a JSON object. Raises `Failure`."""

Crash = Callable[[float, Callable[[], None]], None]
"""Takes the seconds until the process ends, and what happens last."""


class Failure(Exception):
    """A command fails; the code and the message go to the SDK."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Recorder:
    """Answers commands. `write` takes the lines that it says; `crash` ends the process after so many seconds."""

    def __init__(self, plan: Plan, api_url: str, post: Post, write: Callable[[str], None], crash: Crash) -> None:
        self._plan = plan
        self._api_url = api_url
        self._post = post
        self._write = write
        self._crash = crash
        self._token = ""
        self._session_id: str | None = None
        self.over = False

    def handle(self, line: str) -> None:
        """Take a line of stdin; what is no command is ignored."""
        command = _command(line)
        if command is None or "silent" in self._plan.flags:
            return
        answer = _ANSWERS.get(command["command"], Recorder._unknown)
        response = {"type": "response", "commandId": command.get("commandId")}
        try:
            result = answer(self, command.get("params") or {})
        except Failure as error:
            self._say({**response, "status": "error", "result": f"{error.code}: {error}"})
            self._announce("error", {"code": error.code, "message": str(error)})
        else:
            self._say({**response, "status": "success", "result": result})
            if command["command"] == "startRecording":
                self._announce("started", {"sessionId": self._session_id})
                if self._plan.crash_after_s is not None:
                    self._crash(self._plan.crash_after_s, self._report_crash)

    def end(self) -> None:
        """Stop what is still being recorded, as far as that is possible."""
        with suppress(Failure):  # the backend is gone, and so are we
            self._stop({})

    # -- commands

    def _init(self, params: Params) -> Params:
        self._api_url = str(params.get("apiUrl") or self._api_url)
        self._token = str(params.get("sessionToken") or self._token)
        return {"initialized": True}

    def _ping(self, _params: Params) -> Params:
        return {"pong": True}

    def _request_permission(self, _params: Params) -> Params:
        return {"status": "denied" if "no-permission" in self._plan.flags else "granted"}

    def _get_channels(self, _params: Params) -> Params:
        hidden = "video" if "no-display" in self._plan.flags else None
        return {"channels": [one for one in _CHANNELS if one["type"] != hidden]}

    def _start(self, params: Params) -> Params:
        if "no-permission" in self._plan.flags:
            raise Failure("PERMISSION_DENIED", "the microphone and the screen may not be recorded")
        if self._session_id is not None:
            raise Failure("INSTANCE_ALREADY_RUNNING", f"session {self._session_id} is being recorded")
        channels = _channels(params)
        if "no-display" in self._plan.flags and any(one.get("type") == "video" for one in channels):
            raise Failure("DISPLAY_NOT_FOUND", "there is no display to record")
        self._token = str(params.get("uploadToken") or self._token)
        session_id = str(params.get("sessionId") or "")
        body = {"session_id": session_id, "channels": [_for_rest(one) for one in channels]}
        self._post(f"{self._api_url}/capture/session/start", self._token, body)
        self._session_id = session_id
        return {"sessionId": session_id}

    def _stop(self, _params: Params) -> Params:
        session_id, self._session_id = self._session_id, None
        if session_id is not None:
            self._post(f"{self._api_url}/capture/session/{session_id}/stop", self._token, {})
            self._announce("stopped", {"sessionId": session_id})
        return {"sessionId": session_id}

    def _tracks(self, params: Params) -> Params:
        return {"tracks": params.get("tracks") or []}

    def _shutdown(self, _params: Params) -> Params:
        self.over = True
        return {}

    def _unknown(self, _params: Params) -> Params:
        raise Failure("UNKNOWN_COMMAND", f"known: {', '.join(_ANSWERS)}")

    # -- what is sent

    def _report_crash(self) -> None:
        """Report what the real backend finds out by itself: that the media ended without a stop."""
        with suppress(Failure):
            reason = {"code": "RECORDER_GONE", "message": "the media ended without a stop"}
            self._post(f"{self._api_url}/emulator/session/{self._session_id}/fail", self._token, reason)

    def _announce(self, event: str, payload: Params) -> None:
        names = _SPELLINGS[event]
        for name in names if "both-spellings" in self._plan.flags else names[:1]:
            self._say({"type": "event", "event": name, "payload": payload})

    def _say(self, message: Params) -> None:
        for noise in _NOISE if "garbage" in self._plan.flags else ():
            self._write(noise)
        self._write(PREFIX + json.dumps(message))


_ANSWERS: Mapping[str, Callable[[Recorder, Params], Params]] = {
    "init": Recorder._init,
    "ping": Recorder._ping,
    "requestPermission": Recorder._request_permission,
    "getChannels": Recorder._get_channels,
    "startRecording": Recorder._start,
    "stopRecording": Recorder._stop,
    "pauseTracks": Recorder._tracks,
    "resumeTracks": Recorder._tracks,
    "shutdown": Recorder._shutdown,
}


def _command(line: str) -> Params | None:
    """Return the command of a line; None if it holds none."""
    head, bar, text = line.partition("|")
    try:
        message: Any = json.loads(text) if head + bar == PREFIX else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or not isinstance(message.get("command"), str):
        return None
    return message if isinstance(message.get("params") or {}, dict) else None


def _channels(params: Params) -> list[Params]:
    channels = params.get("channels") or []
    if not isinstance(channels, list) or not all(isinstance(one, dict) for one in channels):
        raise Failure("BAD_PARAMETERS", "channels is no list of objects")
    return channels


def _for_rest(channel: Params) -> Params:
    named = {"channel_name": channel["name"]} if channel.get("name") else {}
    kept = ("channel_id", "type", "store", "is_primary")
    return {**{name: channel[name] for name in kept if name in channel}, **named}


def post(url: str, token: str, body: Params) -> None:
    """Post JSON over HTTP; raise `Failure` with what the backend says, or that there is none."""
    headers = {"Content-Type": "application/json", "x-access-token": token}
    # A proxy from the environment would be asked to fetch from its own loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310 - the SDK's own URL
        opener.open(request, timeout=_REST_TIMEOUT_S).close()
    except urllib.error.HTTPError as error:
        with error:
            raise Failure("API_ERROR", f"{error.code} {error.read(2000).decode(errors='replace')}") from error
    except (OSError, ValueError) as error:
        raise Failure("API_UNREACHABLE", f"{url}: {error}") from error


def crash(after_s: float, last: Callable[[], None]) -> None:
    """End the process that many seconds later, wherever it is then; `last` happens last."""

    def end() -> None:
        last()
        os._exit(CRASHED)

    timer = threading.Timer(after_s, end)
    timer.daemon = True
    timer.start()


def run(plan: Plan, api_url: str, lines: Iterable[str], write: Callable[[str], None]) -> None:
    """Answer line after line, until there are no more or one says `shutdown`."""
    recorder = Recorder(plan, api_url, post, write, crash)
    for line in lines:
        recorder.handle(line)
        if recorder.over:
            break
    recorder.end()
