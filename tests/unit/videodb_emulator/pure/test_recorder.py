"""What the recorder says under each plan, and asks of the backend; the test is its outside."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.conversation import exchanges, shape
from videodb_emulator.pure.recorder import FLAGS, PREFIX, Failure, Outside, Plan, PlanError, Recorder, parse

MIC = {"channel_id": "mic:default", "type": "audio", "name": "Mic", "store": False, "is_primary": False}
DISPLAY = {"channel_id": "display:0", "type": "video", "name": "Display", "store": True, "is_primary": True}
CAMERA = {"channel_id": "camera:0", "type": "video"}
REFUSED = Failure("INTERNAL_ERROR", "Internal error: Server error: Status: 400 Bad Request, Body: {}")

Message = dict[str, Any]


class Desk:
    """An initialised recorder, what it said and asked, and a backend that has a session active after so many looks."""

    def __init__(self, plan: str = "", *, looks: int = 1, ready: bool = True) -> None:
        self.lines: list[str] = []
        self.asked: list[tuple[str, str, str, Any]] = []
        self.due: list[tuple[float, Any]] = []
        self.crashed = False
        self.broken: dict[
            str, Any
        ] = {}  # by the last word of a URL: a failure, or fields of the answer; None: it lacks it
        self._looks = looks
        self.recorder = Recorder(
            parse(plan),
            "http://elsewhere",
            Outside(
                self.lines.append,
                self._ask,
                lambda after_s, act: self.due.append((after_s, act)),
                lambda: 7.5,
                self._end,
            ),
        )
        if ready:
            self.say("init", apiUrl="http://here")

    def _end(self) -> None:
        self.crashed = True

    def _ask(self, method: str, url: str, token: str, body: Any) -> Any:
        self.asked.append((method, url, token, body))
        self._looks -= method == "GET"
        wrong = self.broken.get(url.rpartition("/")[2], {})
        if isinstance(wrong, Failure):
            raise wrong
        channels = [{"channel_name": "x", "stream_id": "y"}]
        status = "starting" if self._looks > 0 else "active"
        fields = {"streaming_session_id": "ss-1", "created_at": "now", "status": status, "channels": channels, **wrong}
        envelope = {"message": "done", "data": {key: one for key, one in fields.items() if one is not None}}
        return {key: one for key, one in envelope.items() if key not in wrong}

    def say(self, command: str, **params: Any) -> list[Message]:
        """Send a command; what was said meanwhile."""
        return self.write(PREFIX + json.dumps({"command": command, "commandId": "id-1", "params": params}) + "\n")

    def write(self, line: str) -> list[Message]:
        before = len(self.lines)
        self.recorder.handle(line)
        return self._said(before)

    def wait(self) -> list[Message]:
        """Let all happen that is due; what was said meanwhile."""
        before = len(self.lines)
        while self.due:
            self.due.pop(0)[1]()
        return self._said(before)

    def _said(self, before: int) -> list[Message]:
        said = [line for line in self.lines[before:] if line.startswith(PREFIX) and line.endswith("}")]
        return [json.loads(line.removeprefix(PREFIX)) for line in said]

    def start(self, *channels: dict[str, Any]) -> list[Message]:
        return self.say("startRecording", sessionId="cap-1", uploadToken="st-1", channels=list(channels) or [MIC])

    def recording(self, *channels: dict[str, Any]) -> "Desk":
        self.start(*channels)
        self.wait()
        return self


def events(messages: list[Message]) -> list[str]:
    return [message["event"] for message in messages if message["type"] == "event"]


def code(messages: list[Message]) -> str:
    """The code of the error that is the only answer."""
    (answer,) = messages
    assert (answer["type"], answer["status"]) == ("response", "error")
    assert answer["result"]["message"]
    return str(answer["result"]["code"])


@pytest.mark.parametrize("command", ["init", "ping", "getChannels", "shutdown"])
def test_a_command_is_answered_under_its_id(command: str) -> None:
    answer, *_ = Desk().say(command)
    assert (answer["type"], answer["commandId"], answer["status"]) == ("response", "id-1", "success")


def test_it_says_what_the_real_one_said() -> None:
    desk = Desk(ready=False)
    for command, said in exchanges(url="http://here", session="ss-1", token="st-1"):
        heard = desk.write(PREFIX + json.dumps(command)) + desk.wait()
        assert [shape(one) for one in heard] == [shape(one) for one in said], command


def test_one_without_an_id_is_answered_without_one() -> None:
    (answer,) = Desk().write(PREFIX + ' {"command": "ping", "params": null}\r\n')
    assert answer == {"type": "response", "status": "success", "result": {"pong": True, "timestamp": 7}}


def test_before_init_commands_are_held_and_then_answered_in_order() -> None:
    desk = Desk(ready=False)
    assert desk.say("ping") + desk.say("shutdown") == []
    assert not desk.recorder.over
    said = desk.say("init", apiUrl="http://here")
    assert [next(iter(one["result"])) for one in said] == ["version", "pong", "message"]
    assert desk.recorder.over


def test_channels_are_answered_and_told() -> None:
    answer, event = Desk().say("getChannels")
    assert [one["channel_id"] for one in answer["result"]["channels"]] == [
        "mic:default",
        "system_audio:default",
        "display:0",
    ]
    assert (event["event"], event["payload"]) == ("channel-list", answer["result"])


def test_a_start_is_answered_once_the_session_is_active() -> None:
    desk = Desk(looks=3)
    assert desk.start(MIC, DISPLAY) == []
    answer, event = desk.wait()
    assert answer["result"] == {"sessionId": "ss-1", "status": "recording"}
    assert (event["event"], event["payload"]["streams"]) == (
        "recording-started",
        [{"channel": "mic"}, {"channel": "screen"}],
    )
    assert [(method, url) for method, url, *_ in desk.asked] == [
        ("POST", "http://here/capture/session/start"),
        *[("GET", "http://here/capture/session/ss-1")] * 3,
    ]
    assert {token for _, _, token, _ in desk.asked} == {"st-1"}


def test_the_backend_is_told_of_categories() -> None:
    desk = Desk("camera").recording(MIC, DISPLAY, CAMERA)
    assert desk.asked[0][3] == {
        "session_id": "cap-1",
        "channels": [
            {"channel_id": "mic", "channel_name": "Mic", "type": "audio", "store": False, "is_primary": False},
            {"channel_id": "screen", "channel_name": "Display", "type": "video", "store": True, "is_primary": True},
            {"channel_id": "camera", "type": "video"},
        ],
    }


@pytest.mark.parametrize("named", [{}, {"sessionId": "ss-1"}])
def test_a_stop_is_posted_answered_and_then_told(named: dict[str, str]) -> None:
    desk = Desk().recording()
    answer, event = desk.say("stopRecording", **named)
    assert answer["result"] == event["payload"] == {"sessionId": "ss-1", "status": "stopped"}
    assert event["event"] == "recording-complete"
    assert desk.asked[-1] == ("POST", "http://here/capture/session/ss-1/stop", "st-1", {"session_id": "ss-1"})
    assert events(desk.start() + desk.wait()) == ["recording-started"]


def test_a_stop_of_another_session_spoils_the_recording() -> None:
    desk = Desk().recording()
    assert code(desk.say("stopRecording", sessionId="cap-9")) == "SESSION_NOT_FOUND"
    assert code(desk.say("stopRecording", sessionId="ss-1")) == "INVALID_STATE"


def test_there_is_nothing_to_stop_or_pause_while_nothing_is_recorded() -> None:
    desk = Desk(looks=9)
    assert code(desk.say("stopRecording")) == "INVALID_STATE"
    assert code(desk.say("pauseTracks", tracks=["mic"])) == "INVALID_STATE"
    desk.start()
    assert code(desk.say("stopRecording")) == "INVALID_STATE"
    assert code(desk.say("resumeTracks", tracks=["mic"])) == "INVALID_STATE"
    assert events(desk.wait()) == ["recording-started"]


def test_one_recording_at_a_time() -> None:
    desk = Desk(looks=9)
    desk.start()
    assert code(desk.start()) == "BUSY"
    assert events(desk.wait()) == ["recording-started"]
    assert code(desk.start()) == "BUSY"


@pytest.mark.parametrize(
    "broken",
    [
        {"start": REFUSED},
        {"ss-1": REFUSED},
        {"start": {"created_at": None}},
        {"start": {"streaming_session_id": None}},
        {"start": {"data": None}},
        {"ss-1": {"channels": [{"channel_name": "x"}]}},
    ],
    ids=str,
)
def test_a_start_that_fails_leaves_a_recorder_that_is_busy_for_ever(broken: dict[str, Any]) -> None:
    desk = Desk()
    desk.broken = broken
    desk.start()
    assert code(desk.wait()) == "INTERNAL_ERROR"
    assert code(desk.start()) == "BUSY"
    assert code(desk.say("stopRecording")) == "INVALID_STATE"


@pytest.mark.parametrize("broken", [REFUSED, {"message": None}])
def test_a_stop_that_fails_does_too(broken: Any) -> None:
    desk = Desk().recording()
    desk.broken["stop"] = broken
    assert code(desk.say("stopRecording")) == "INTERNAL_ERROR"
    assert code(desk.start()) == "BUSY"


def test_tracks_are_paused_and_resumed_by_any_word_but_that_of_another_track() -> None:
    desk = Desk("camera").recording(MIC, CAMERA)
    (paused,) = desk.say("pauseTracks", tracks=["mic", "camera", "dance"])
    assert paused["result"] == {"pausedTracks": ["mic", "camera", "dance"], "sessionId": "ss-1", "status": "paused"}
    (resumed,) = desk.say("resumeTracks", tracks=["mic"])
    assert resumed["result"] == {"resumedTracks": ["mic"], "sessionId": "ss-1", "status": "recording"}
    assert code(desk.say("pauseTracks", tracks=["screen"])) == "PAUSE_FAILED"


@pytest.mark.parametrize("permission", ["microphone", "screen-capture", "accessibility", "camera"])
def test_a_permission_is_asked_for_and_the_verdict_told(permission: str) -> None:
    answer, verdict, granted = Desk().say("requestPermission", permission=permission)
    assert answer["result"] == {"requested": True}
    assert (verdict["event"], verdict["payload"]) == (
        "permission-status",
        {"permission": permission, "status": "granted"},
    )
    assert (granted["event"], granted["payload"]) == ("permissions-granted", {})
    assert code(Desk().say("requestPermission", permission="screen_capture")) == "INVALID_PERMISSION"


@pytest.mark.parametrize(
    ("command", "params"),
    [
        ("requestPermission", {}),
        ("pauseTracks", {}),
        ("startRecording", {"channels": []}),
        ("startRecording", {"uploadToken": "st-1"}),
        *[("startRecording", {"uploadToken": "st-1", "channels": bad}) for bad in (7, "mic", ["mic"], MIC)],
    ],
)
def test_a_parameter_that_is_missing_is_an_error(command: str, params: dict[str, Any]) -> None:
    desk = Desk()
    assert code(desk.say(command, **params)) == "INVALID_REQUEST"
    assert desk.asked == []


def test_what_is_still_recorded_at_the_end_is_stopped_without_a_word() -> None:
    desk = Desk().recording()
    before = len(desk.lines)
    desk.recorder.end()
    desk.recorder.end()
    assert [url.rpartition("/")[2] for method, url, *_ in desk.asked if method == "POST"] == ["start", "stop"]
    assert len(desk.lines) == before


def test_what_is_only_starting_at_the_end_is_left_as_it_is() -> None:
    desk = Desk(looks=9)
    desk.start()
    desk.recorder.end()
    assert desk.asked == []


def test_without_permission_nothing_is_recorded() -> None:
    desk = Desk("no-permission")
    answer, verdict = desk.say("requestPermission", permission="microphone")
    assert answer["result"] == {"requested": True}
    assert verdict["payload"] == {"permission": "microphone", "status": "denied"}
    assert code(desk.start()) == "PERMISSION_DENIED"
    assert desk.asked == []


@pytest.mark.parametrize(
    ("plan", "there", "channel", "error"),
    [
        ("no-display", ["mic:default", "system_audio:default"], DISPLAY, "INVALID_DISPLAY"),
        ("", ["mic:default", "system_audio:default", "display:0"], CAMERA, "INVALID_CAMERA"),
        (
            "camera",
            ["mic:default", "system_audio:default", "display:0", "camera:0"],
            {**DISPLAY, "channel_id": "display:7"},
            "INVALID_DISPLAY",
        ),
    ],
)
def test_what_is_not_there_cannot_be_recorded(plan: str, there: list[str], channel: dict[str, Any], error: str) -> None:
    desk = Desk(plan)
    answer, _ = desk.say("getChannels")
    assert [one["channel_id"] for one in answer["result"]["channels"]] == there
    assert code(desk.start(channel)) == error
    assert events(desk.recording().say("stopRecording")) == ["recording-complete"]


def test_a_silent_recorder_says_nothing_whatever_it_is_asked() -> None:
    desk = Desk("silent")
    assert desk.start() + desk.say("shutdown") == []
    assert desk.lines == []


def test_garbage_stands_between_the_lines_and_never_in_them() -> None:
    desk = Desk("garbage")
    assert desk.say("ping")[0]["result"]["pong"] is True
    assert len(desk.lines) > 2


def test_a_crash_is_planned_when_a_recording_starts() -> None:
    desk = Desk("crash-after:1500ms")
    desk.start()
    assert [after_s for after_s, _ in desk.due] == [0.0]
    for _ in range(2):
        desk.due.pop(0)[1]()
    assert [after_s for after_s, _ in desk.due] == [1.5]
    desk.wait()
    assert desk.asked[-1][1] == "http://here/emulator/session/ss-1/fail"
    assert desk.crashed


def test_both_spellings_are_said_when_that_is_wanted() -> None:
    desk = Desk("both-spellings")
    desk.start()
    assert events(desk.wait()) == ["recording-started", "recording:started"]


def test_an_unknown_command_is_an_error_and_case_matters() -> None:
    assert code(Desk().say("Ping")) == "UNKNOWN_COMMAND"


@pytest.mark.parametrize("prefix", ["", PREFIX])
@given(text=st.text() | st.sampled_from(['{"command":1}', '{"command":"ping","params":[1]}', "[]", "[" * 99_999]))
def test_what_is_no_command_is_ignored(prefix: str, text: str) -> None:
    assert Desk().write(prefix + text) == []


@given(st.sets(st.sampled_from(FLAGS)), st.none() | st.integers(0, 10**6))
def test_a_plan_is_what_its_entries_say(flags: set[str], crash_s: int | None) -> None:
    plan = parse(", ".join([*flags, *([] if crash_s is None else [f"crash-after:{crash_s}s"])]))
    assert plan == Plan(frozenset(flags), crash_s)


@pytest.mark.parametrize("plan", ["nonsense", "crash-after", "crash-after:soon", "silent:2s", "Silent"])
def test_a_plan_that_cannot_be_understood_is_refused_by_name(plan: str) -> None:
    with pytest.raises(PlanError, match=plan.partition(":")[0]):
        parse(f"no-display,{plan}")
