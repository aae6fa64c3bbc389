"""A recorder that records nothing: what it says to the program that drives it, and asks of the backend.

Every line is `videodb_recorder|` and a JSON object (videodb 0.5.1 `capture.py`, videodb-node `binaryManager.ts`):

    in    {"command": "ping", "commandId": "7f..", "params": {}}
    out   {"type": "response", "commandId": "7f..", "status": "success" or "error", "result": ...}
    out   {"type": "event", "event": "recording-started", "payload": {"sessionId": "cap-.."}}

It behaves as the recorder of videodb-capture-bin 0.3.1 was seen to. Commands wait for `init`. A recording is started at
the backend, and `startRecording` is answered only when the session is active, however long that takes. The recording
then goes by the backend's `streaming_session_id`. A start or a stop that fails leaves a recorder that is of no use:

    stopped -> starting -> recording -> stopped        failed, from starting and recording; nothing leads out of it
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from videodb_emulator.pure.chaos import seconds

PREFIX = "videodb_recorder|"
VERSION = "0.2.9"

POLL_S = 0.25
"""Between two looks at a session that is not active yet. The real one's is 2 s, which every test would wait for."""

FLAGS = ("no-permission", "no-display", "camera", "silent", "garbage", "both-spellings")

_NOISE = ("[debug] encoder: queue depth 3", "", "videodb_recorder", 'videodb_recorder|{"type":"resp')

_PERMISSIONS = frozenset({"microphone", "screen-capture", "accessibility", "camera"})

_DISPLAY = {"channel_id": "display:0", "name": "Built-in Display", "type": "video"}
_CAMERA = {"channel_id": "camera:0", "name": "Built-in Camera", "type": "video"}
_CHANNELS = (
    {"channel_id": "mic:default", "name": "Microphone", "type": "audio"},
    {"channel_id": "system_audio:default", "name": "System Audio", "type": "audio"},
    _DISPLAY,
    _CAMERA,
)

_CATEGORIES = {"display": "screen"}
"""From the prefix of a channel's id to what the backend and `pauseTracks` call it; the others are their own."""

_TRACKS = frozenset({"mic", "system_audio", "screen", "camera"})

_OLDER = {
    "recording-started": "recording:started",
    "recording-complete": "recording:stopped",
    "error": "recording:error",
}
"""From the event as it is sent to its spelling in the node SDK."""

_NOT_RECORDING = {
    "stopped": "recorder already stopped",
    "starting": "recorder is currently starting",
    "failed": "recorder is in failed state",
}

Params = dict[str, Any]

Answer = tuple[Params, Sequence[tuple[str, Params]]]
"""The result of a command, and the events that follow it."""


class PlanError(ValueError):
    """A plan cannot be understood; the message names the entry."""


class Plan(NamedTuple):
    """What the recorder lacks or does. `crash_after_s` counts from the start of a recording; None: never."""

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


class Failure(Exception):
    """A command fails; the code and the message are its result."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Outside(NamedTuple):
    """All that a recorder does beside thinking."""

    write: Callable[[str], None]
    """Takes a line that it says."""
    ask: Callable[[str, str, str, Params | None], Any]
    """Sends a method, a URL, a token and a JSON object to the backend; the JSON that it answers. Raises `Failure`."""
    later: Callable[[float, Callable[[], None]], None]
    """Takes an action, and in how many seconds it is due."""
    unix_s: Callable[[], float]
    crash: Callable[[], None]
    """Ends the process where it stands."""


class Recorder:
    """Answers commands; `over` once it has been told to end."""

    def __init__(self, plan: Plan, api_url: str, outside: Outside) -> None:
        self._plan = plan
        self._api_url = api_url
        self._outside = outside
        self._token = ""
        self._state = "stopped"
        self._session_id = ""  # the backend's name for what is recorded
        self._tracks: list[str] = []
        self._held: list[Params] | None = []  # commands before `init`; None: it has come
        self.over = False

    def handle(self, line: str) -> None:
        """Take a line of stdin; what is no command is ignored."""
        command = _command(line)
        if command is None or "silent" in self._plan.flags:
            return
        if self._held is not None and command["command"] != "init":
            self._held.append(command)
            return
        held, self._held = self._held or [], None
        for one in [command, *held]:
            respond = partial(self._respond, {name: one[name] for name in ("commandId",) if name in one})
            self._attempt(respond, partial(self._answer, one, respond))

    def end(self) -> None:
        """Stop what is still being recorded, as far as that is possible."""
        if self._state == "recording":
            self._state = "stopped"
            with suppress(Failure):  # the backend is gone, and so are we
                self._post_stop()

    def _answer(self, command: Params, respond: "Respond") -> Answer | None:
        name, params = command["command"], command.get("params") or {}
        if name == "startRecording":
            self._start(params, respond)
            return None
        if name not in _ANSWERS:
            raise Failure("UNKNOWN_COMMAND", f"Unknown command '{name}'")
        return _ANSWERS[name](self, params)

    # -- commands that are answered at once

    def _init(self, params: Params) -> Answer:
        self._api_url = str(params.get("apiUrl") or self._api_url)
        return {"version": VERSION}, ()

    def _ping(self, _params: Params) -> Answer:
        return {"pong": True, "timestamp": int(self._outside.unix_s())}, ()

    def _request_permission(self, params: Params) -> Answer:
        permission = _needed(params, "permission")
        if permission not in _PERMISSIONS:
            raise Failure("INVALID_PERMISSION", f"Unknown permission '{permission}'")
        denied = "no-permission" in self._plan.flags
        verdict = ("permission-status", {"permission": permission, "status": "denied" if denied else "granted"})
        return {"requested": True}, [verdict] if denied else [verdict, ("permissions-granted", {})]

    def _get_channels(self, _params: Params) -> Answer:
        found: Params = {"channels": self._channels()}
        return found, [("channel-list", found)]

    def _stop(self, params: Params) -> Answer:
        if self._state != "recording":
            raise Failure("INVALID_STATE", _NOT_RECORDING[self._state])
        if params.get("sessionId") not in (None, self._session_id):
            self._state = "failed"
            raise Failure("SESSION_NOT_FOUND", "Internal error: Session context not found")
        self._state = "failed"  # unless the backend takes it
        self._post_stop()
        self._state = "stopped"
        stopped: Params = {"sessionId": self._session_id, "status": "stopped"}
        return stopped, [("recording-complete", stopped)]

    def _pause(self, params: Params) -> Answer:
        tracks = self._recorded_tracks(params, "pause")
        return {"pausedTracks": tracks, "sessionId": self._session_id, "status": "paused"}, ()

    def _resume(self, params: Params) -> Answer:
        tracks = self._recorded_tracks(params, "resume")
        return {"resumedTracks": tracks, "sessionId": self._session_id, "status": "recording"}, ()

    def _recorded_tracks(self, params: Params, verb: str) -> Any:
        tracks = _needed(params, "tracks")
        if self._state != "recording":
            raise Failure("INVALID_STATE", f"Cannot {verb} tracks: recording not running (state: {self._state})")
        for track in tracks:
            if track in _TRACKS and track not in self._tracks:  # a word that it does not know passes
                raise Failure(f"{verb.upper()}_FAILED", f"Failed to {verb} {track}: its stream is not active")
        return tracks

    def _shutdown(self, _params: Params) -> Answer:
        self.over = True
        return {"message": "Graceful shutdown sequence started", "shutdown": "initiated"}, ()

    # -- the start, which is answered later

    def _start(self, params: Params, respond: "Respond") -> None:
        if self._state != "stopped":
            raise Failure("BUSY", "Recorder is already starting/running/stopping. Wait for current session to finish.")
        self._token = str(_needed(params, "uploadToken"))
        channels = [_for_rest(one) for one in self._checked(params.get("channels"))]
        self._state = "starting"
        self._tracks = [one["channel_id"] for one in channels]
        body = {"channels": channels, **({"session_id": params["sessionId"]} if "sessionId" in params else {})}
        self._go_on(0.0, respond, partial(self._post_start, body, respond))

    def _post_start(self, body: Params, respond: "Respond") -> None:
        started = _data(self._request("POST", "start", body))
        self._session_id = str(_found(started, "streaming_session_id", "created_at"))
        self._go_on(0.0, respond, partial(self._look, respond))

    def _look(self, respond: "Respond") -> Answer | None:
        """Look whether the session is active; one that never gets there is waited for without end."""
        session = _data(self._request("GET", self._session_id))
        _found(session, "streaming_session_id", "created_at")
        for channel in _found(session, "channels"):
            _found(channel, "channel_name", "stream_id")
        if session.get("status") != "active":
            self._go_on(POLL_S, respond, partial(self._look, respond))
            return None
        self._state = "recording"
        if self._plan.crash_after_s is not None:
            self._outside.later(self._plan.crash_after_s, self._crash)
        result: Params = {"sessionId": self._session_id, "status": "recording"}
        streams = [{"channel": one} for one in self._tracks]
        return result, [("recording-started", {**result, "streams": streams})]

    def _go_on(self, after_s: float, respond: "Respond", step: Callable[[], Answer | None]) -> None:
        """Take the next step of the start later; one that fails leaves a recorder that has failed."""

        def taken() -> Answer | None:
            try:
                return step()
            except Failure:
                self._state = "failed"
                raise

        self._outside.later(after_s, partial(self._attempt, respond, taken))

    def _checked(self, channels: Any) -> list[Params]:
        """The channels to record, all of them there. Raises `Failure`."""
        if not isinstance(channels, list) or not all(isinstance(one, dict) for one in channels):
            raise Failure("INVALID_REQUEST", "Missing 'channels' parameter (array of channels)")
        if "no-permission" in self._plan.flags:
            raise Failure("PERMISSION_DENIED", "the microphone and the screen may not be recorded")
        there = {one["channel_id"] for one in self._channels()}
        for channel in channels:
            kind, _, number = str(channel.get("channel_id")).partition(":")
            if kind in ("display", "camera") and f"{kind}:{number}" not in there:
                raise Failure(f"INVALID_{kind.upper()}", f"there is no {kind} {number}. Use getChannels to see what is")
        return channels

    def _channels(self) -> list[Params]:
        """All that can be recorded here."""
        flags = self._plan.flags
        hidden = [*([_DISPLAY] if "no-display" in flags else ()), *([] if "camera" in flags else [_CAMERA])]
        return [one for one in _CHANNELS if one not in hidden]

    # -- what is sent

    def _request(self, method: str, what: str, body: Params | None = None) -> Params:
        answer = self._outside.ask(method, f"{self._api_url}/capture/session/{what}", self._token, body)
        if not isinstance(answer, dict):
            raise _internal("the backend's answer is no JSON object")
        return answer

    def _post_stop(self) -> None:
        answer = self._request("POST", f"{self._session_id}/stop", {"session_id": self._session_id})
        _found(answer, "message")

    def _crash(self) -> None:
        """Report what the real backend finds out by itself, that the media ended without a stop, and crash."""
        with suppress(Failure):
            reason = {"code": "RECORDER_GONE", "message": "the media ended without a stop"}
            url = f"{self._api_url}/emulator/session/{self._session_id}/fail"
            self._outside.ask("POST", url, self._token, reason)
        self._outside.crash()

    def _attempt(self, respond: "Respond", step: Callable[[], Answer | None]) -> None:
        """Say what becomes of a step of a command; None: more is to come."""
        try:
            answer = step()
        except Failure as error:
            respond("error", {"code": error.code, "message": str(error)})
        else:
            if answer is not None:
                result, events = answer
                respond("success", result)
                for event, payload in events:
                    self.tell(event, payload)

    def _respond(self, head: Params, status: str, result: Params) -> None:
        self._say({"type": "response", **head, "status": status, "result": result})

    def tell(self, event: str, payload: Params) -> None:
        """Say by itself that something happened."""
        older = [_OLDER[event]] if event in _OLDER and "both-spellings" in self._plan.flags else []
        for name in [event, *older]:
            self._say({"type": "event", "event": name, "payload": payload})

    def _say(self, message: Params) -> None:
        for noise in _NOISE if "garbage" in self._plan.flags else ():
            self._outside.write(noise)
        self._outside.write(PREFIX + json.dumps(message))


Respond = Callable[[str, Params], None]
"""Takes the status and the result of a command."""

_ANSWERS: Mapping[str, Callable[[Recorder, Params], Answer]] = {
    "init": Recorder._init,
    "ping": Recorder._ping,
    "requestPermission": Recorder._request_permission,
    "getChannels": Recorder._get_channels,
    "stopRecording": Recorder._stop,
    "pauseTracks": Recorder._pause,
    "resumeTracks": Recorder._resume,
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


def _needed(params: Params, name: str) -> Any:
    if name not in params:
        raise Failure("INVALID_REQUEST", f"Missing '{name}' parameter")
    return params[name]


def _data(answer: Params) -> Params:
    data = _found(answer, "data")
    if not isinstance(data, dict):
        raise _internal("the backend's data is no JSON object")
    return data


def _found(answer: Params, *names: str) -> Any:
    """The first of these fields, when all are there; the real recorder takes no answer that lacks one."""
    for name in names:
        if name not in answer:
            raise _internal(f"Server error: missing field `{name}`")
    return answer[names[0]]


def _internal(message: str) -> Failure:
    return Failure("INTERNAL_ERROR", f"Internal error: {message}")


def _for_rest(channel: Params) -> Params:
    kind = str(channel.get("channel_id")).partition(":")[0]
    named = {"channel_name": channel["name"]} if channel.get("name") else {}
    kept: Params = {name: channel[name] for name in ("type", "store", "is_primary") if name in channel}
    return {"channel_id": _CATEGORIES.get(kind, kind), **kept, **named}
