"""What the recorder answers under each plan; its REST and its end are handed in."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videodb_emulator.recorder import FLAGS, PREFIX, Failure, Plan, PlanError, Recorder, parse

MIC = {"channel_id": "mic:default", "type": "audio", "name": "Mic", "store": False, "is_primary": False}
DISPLAY = {"channel_id": "display:1", "type": "video", "name": "Display", "store": True, "is_primary": True}


class Desk:
    """A recorder, what it said, what it posted and how soon it is to crash."""

    def __init__(self, plan: str = "", failure: Failure | None = None) -> None:
        self.lines: list[str] = []
        self.posted: list[tuple[str, str, dict[str, Any]]] = []
        self.crashes: list[float] = []
        self._failure = failure
        self.recorder = Recorder(parse(plan), "http://elsewhere", self._post, self.lines.append, self._crash)

    def _crash(self, after_s: float, last: Callable[[], None]) -> None:
        self.crashes.append(after_s)
        last()

    def _post(self, url: str, token: str, body: dict[str, Any]) -> None:
        if self._failure is not None:
            raise self._failure
        self.posted.append((url, token, body))

    def say(self, command: str, **params: Any) -> list[dict[str, Any]]:
        """Send a command; return what was said meanwhile, in order."""
        before = len(self.lines)
        self.recorder.handle(PREFIX + json.dumps({"command": command, "commandId": "id-1", "params": params}) + "\n")
        said = [line for line in self.lines[before:] if line.startswith(PREFIX) and line.endswith("}")]
        return [json.loads(line.removeprefix(PREFIX)) for line in said]

    def record(self, *channels: dict[str, Any]) -> list[dict[str, Any]]:
        self.say("init", apiUrl="http://here")
        return self.say("startRecording", sessionId="cap-1", uploadToken="st-1", channels=list(channels) or [MIC])


def events(messages: list[dict[str, Any]]) -> list[str]:
    return [message["event"] for message in messages if message["type"] == "event"]


@pytest.mark.parametrize("command", ["init", "ping", "getChannels", "pauseTracks", "resumeTracks", "shutdown"])
def test_a_command_is_answered_under_its_id(command: str) -> None:
    (answer,) = Desk().say(command)
    assert (answer["type"], answer["commandId"], answer["status"]) == ("response", "id-1", "success")


def test_a_recording_is_a_session_started_and_stopped() -> None:
    desk = Desk()
    assert events(desk.record(MIC, DISPLAY)) == ["recording-started"]
    assert events(desk.say("stopRecording", sessionId="cap-1")) == ["recording-complete"]
    start, stop = desk.posted
    assert start[:2] == ("http://here/capture/session/start", "st-1")
    assert start[2]["session_id"] == "cap-1"
    assert start[2]["channels"][1] == {
        "channel_id": "display:1",
        "channel_name": "Display",
        "type": "video",
        "store": True,
        "is_primary": True,
    }
    assert stop == ("http://here/capture/session/cap-1/stop", "st-1", {})


def test_the_address_is_that_of_the_environment_unless_init_says_another() -> None:
    desk = Desk()
    desk.say("startRecording", sessionId="cap-1", uploadToken="st-1", channels=[MIC])
    assert desk.posted[0][0].startswith("http://elsewhere/")


def test_one_recording_at_a_time() -> None:
    desk = Desk()
    desk.record()
    answer, event = desk.record()
    assert answer["status"] == "error"
    assert event["payload"]["code"] == "INSTANCE_ALREADY_RUNNING"


def test_an_answer_of_the_backend_becomes_an_error() -> None:
    desk = Desk(failure=Failure("API_ERROR", "404 not found"))
    answer, event = desk.record()
    assert (answer["status"], answer["result"]) == ("error", "API_ERROR: 404 not found")
    assert (event["event"], event["payload"]["code"]) == ("error", "API_ERROR")
    desk.recorder.end()


def test_what_is_still_recorded_at_the_end_is_stopped() -> None:
    desk = Desk()
    desk.record()
    desk.recorder.end()
    desk.recorder.end()
    assert [url.rpartition("/")[2] for url, _, _ in desk.posted] == ["start", "stop"]


def test_without_permission_nothing_is_recorded() -> None:
    desk = Desk("no-permission")
    assert desk.say("requestPermission", permission="microphone")[0]["result"] == {"status": "denied"}
    assert desk.record()[0]["result"].startswith("PERMISSION_DENIED")
    assert desk.posted == []


def test_without_a_display_there_is_none_and_none_is_recorded() -> None:
    desk = Desk("no-display")
    (answer,) = desk.say("getChannels")
    assert [one["channel_id"] for one in answer["result"]["channels"]] == ["mic:default", "system_audio:default"]
    assert desk.record(DISPLAY)[0]["result"].startswith("DISPLAY_NOT_FOUND")


def test_a_silent_recorder_says_nothing_whatever_it_is_asked() -> None:
    desk = Desk("silent")
    assert desk.record() + desk.say("shutdown") == []
    assert desk.lines == []


def test_garbage_stands_between_the_lines_and_never_in_them() -> None:
    desk = Desk("garbage")
    assert desk.say("ping")[0]["result"] == {"pong": True}
    assert len(desk.lines) > 1


def test_a_crash_is_planned_when_a_recording_starts() -> None:
    desk = Desk("crash-after:1500ms")
    desk.say("ping")
    assert desk.crashes == []
    desk.record()
    assert desk.crashes == [1.5]
    assert desk.posted[-1][0] == "http://here/emulator/session/cap-1/fail"


def test_both_spellings_are_said_when_that_is_wanted() -> None:
    assert events(Desk("both-spellings").record()) == ["recording-started", "recording:started"]


@pytest.mark.parametrize("channels", [7, "mic", ["mic"], {"channel_id": "mic"}])
def test_channels_that_are_none_are_an_error(channels: object) -> None:
    answer, _ = Desk().say("startRecording", sessionId="cap-1", channels=channels)
    assert answer["result"].startswith("BAD_PARAMETERS")


def test_an_unknown_command_is_an_error_that_lists_the_known_ones() -> None:
    answer, _ = Desk().say("dance")
    assert answer["status"] == "error"
    assert "startRecording" in answer["result"]


@pytest.mark.parametrize("prefix", ["", PREFIX])
@given(text=st.text() | st.sampled_from(['{"command":1}', '{"command":"ping","params":[1]}', "[]", "[" * 99_999]))
def test_what_is_no_command_is_ignored(prefix: str, text: str) -> None:
    desk = Desk()
    desk.recorder.handle(prefix + text)
    assert desk.lines == []


@given(st.sets(st.sampled_from(FLAGS)), st.none() | st.integers(0, 10**6))
def test_a_plan_is_what_its_entries_say(flags: set[str], crash_s: int | None) -> None:
    plan = parse(", ".join([*flags, *([] if crash_s is None else [f"crash-after:{crash_s}s"])]))
    assert plan == Plan(frozenset(flags), crash_s)


@pytest.mark.parametrize("plan", ["nonsense", "crash-after", "crash-after:soon", "silent:2s", "Silent"])
def test_a_plan_that_cannot_be_understood_is_refused_by_name(plan: str) -> None:
    with pytest.raises(PlanError, match=plan.partition(":")[0]):
        parse(f"no-display,{plan}")
