"""Recorders that behave, and those that do not: a named error, no hang, and no process left."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from support.recorders import command, is_gone
from videodb_listen.errors import RecorderFailed, TimedOut
from videodb_listen.recorder.process import MAX_STARTS, TIMEOUTS_S, Recorder
from videodb_listen.recorder.protocol import FIXES

URL = "http://127.0.0.1:1"
SOON = {"getChannels": 0.2, "shutdown": 0.2}
PATIENCE_S = dict.fromkeys(["silent", "stubborn", "deaf", "mute"], SOON)  # others answer, however long it takes


@asynccontextmanager
async def recorder(mode: str, *more: str) -> AsyncIterator[Recorder]:
    """A recorder; when it is left, no process is."""
    subject = Recorder(command(mode, *more), URL, timeouts_s=PATIENCE_S.get(mode, TIMEOUTS_S))
    try:
        yield subject
    finally:
        await subject.close()
        assert subject.pid is None or is_gone(subject.pid)
        assert not subject.running


async def test_a_command_is_answered_after_init(tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    async with recorder("good", str(heard)) as subject:
        result = await subject.call("getChannels")
        assert result["channels"][0]["channel_id"] == "mic:built-in"
        await subject.call("ping", {"a": 1})
        assert subject.starts == 1
        assert not is_gone(subject.pid)
    said = [json.loads(line) for line in heard.read_text().splitlines()]
    assert [(one["command"], one["params"]) for one in said] == [
        ("init", {"apiUrl": URL}),
        ("getChannels", {}),
        ("ping", {"a": 1}),
        ("shutdown", {}),
    ]
    assert len({one["commandId"] for one in said}) == len(said)


async def test_many_commands_at_once_start_one_process() -> None:
    async with recorder("good") as subject:
        results = await asyncio.gather(*(subject.call("getChannels") for _ in range(20)))
        assert subject.starts == 1
        assert all(result == results[0] for result in results)


async def test_a_silent_recorder_is_a_timeout_and_is_ended() -> None:
    async with recorder("silent") as subject:
        with pytest.raises(TimedOut, match=r"did not answer getChannels within 0\.2s"):
            await subject.call("getChannels")


async def test_garbage_is_passed_over_and_counted() -> None:
    async with recorder("garbage") as subject:
        assert (await subject.call("getChannels"))["channels"]
        assert subject.noise >= 2 * 8
        assert subject.strays == 0


async def test_replies_that_nobody_waits_for_are_counted() -> None:
    async with recorder("strays") as subject:
        assert (await subject.call("getChannels"))["channels"]
        assert await subject.call("ping") == {}
        assert subject.strays >= 4


async def test_a_crash_fails_whoever_waits_and_ends_the_events() -> None:
    async with recorder("crash") as subject:
        await subject.call("startRecording", {"sessionId": "cap-1"})
        with pytest.raises(RecorderFailed, match="ended with status 3: cannot go on: no disk"):
            await subject.call("stopRecording")
        events = subject.events()
        assert (await anext(events))["event"] == "recording:started"
        with pytest.raises(RecorderFailed, match="ended with status 3"):
            await anext(events)
        first = subject.pid
        await subject.call("getChannels")
        assert (subject.starts, subject.pid != first) == (2, True)
        assert is_gone(first)


async def test_a_recorder_that_dies_at_once_is_started_a_bounded_number_of_times() -> None:
    async with recorder("dies_at_once") as subject:
        for _ in range(MAX_STARTS + 2):
            with pytest.raises(RecorderFailed, match="another instance is running"):
                await subject.call("getChannels")
        assert subject.starts == MAX_STARTS


async def test_one_that_dies_while_it_is_spoken_to_fails_at_once() -> None:
    async with asyncio.timeout(10):
        for _ in range(20):
            subject = Recorder(["/bin/sh", "-c", "echo words >&2"], URL)
            with pytest.raises(RecorderFailed, match=r"ended with status -?\d+: words"):
                await subject.call("getChannels")
            assert is_gone(subject.pid)


@pytest.mark.parametrize("apart", [False, True])
async def test_a_death_is_noticed_while_a_helper_holds_the_output(tmp_path: Path, apart: bool) -> None:
    held = tmp_path / "held"
    os.mkfifo(held)
    released = asyncio.create_task(asyncio.to_thread(held.read_bytes))  # returns when no process holds it
    async with recorder("mortal") as subject:
        helper = await subject.call("ping", {"held": str(held), "apart": apart})
        try:
            async with asyncio.timeout(10):
                with pytest.raises(RecorderFailed, match="ended with status -9"):
                    await subject.call("stopRecording")
                events = subject.events()
                assert (await anext(events))["event"] == "recording:stopped"
                with pytest.raises(RecorderFailed, match="ended with status -9"):
                    await anext(events)
                if not apart:  # in its process group
                    await asyncio.shield(released)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(helper, signal.SIGKILL)
            await released


async def test_a_refusal_says_what_the_recorder_said() -> None:
    async with recorder("refuses") as subject:
        with pytest.raises(RecorderFailed, match=r"refused startRecording: .*INSTANCE_ALREADY_RUNNING"):
            await subject.call("startRecording")
        assert subject.running


async def test_one_that_says_why_it_ends_is_quoted_with_what_to_do() -> None:
    async with recorder("second") as subject:
        with pytest.raises(RecorderFailed) as failure:
            await subject.call("getChannels")
        assert failure.value.message == (
            "the recorder ended with status 2: Another recorder instance is already running (INSTANCE_ALREADY_RUNNING)"
        )
        assert failure.value.fix == FIXES["INSTANCE_ALREADY_RUNNING"]


async def test_an_event_is_expected_and_still_told() -> None:
    async with recorder("good") as subject:
        with subject.expecting(lambda event: event["event"] == "recording:stopped") as stopped:
            await subject.call("startRecording", {"sessionId": "cap-1"})
            assert not stopped.done()
            await subject.call("stopRecording", {"sessionId": "cap-1"})
            assert (await stopped)["payload"] == {"sessionId": "cap-1"}
        events = subject.events()
        assert [(await anext(events))["event"] for _ in range(2)] == ["recording:started", "recording:stopped"]


async def test_an_event_that_cannot_come_any_more_is_a_failure() -> None:
    async with recorder("crash") as subject:
        with subject.expecting(lambda _: False) as never:
            with pytest.raises(RecorderFailed):
                await subject.call("stopRecording")
            with pytest.raises(RecorderFailed, match="ended with status 3"):
                await never


async def test_a_start_that_is_given_up_leaves_no_half_started_recorder(tmp_path: Path) -> None:
    fifo = tmp_path / "heard"
    os.mkfifo(fifo)
    async with recorder("mute", str(fifo)) as subject:
        calling = asyncio.create_task(subject.call("ping"))
        assert "init" in await asyncio.to_thread(fifo.read_text)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        assert is_gone(subject.pid)
        assert not subject.running


async def test_a_recorder_that_will_not_end_is_killed() -> None:
    async with recorder("stubborn") as subject:
        await subject.call("ping")


async def test_a_recorder_that_does_not_listen_is_a_failure() -> None:
    async with recorder("deaf") as subject:
        with pytest.raises((RecorderFailed, TimedOut)):
            await subject.call("getChannels", {"padding": "x" * (4 << 20)})


async def test_one_that_is_not_there_says_which() -> None:
    subject = Recorder(["/nowhere/recorder"], URL)
    with pytest.raises(RecorderFailed, match="/nowhere/recorder could not be started: No such file"):
        await subject.call("ping")
    await subject.close()


async def test_events_end_with_the_recorder() -> None:
    async with recorder("good") as subject:
        await subject.call("startRecording", {"sessionId": "cap-1"})
        await subject.call("stopRecording", {"sessionId": "cap-1"})
        waiting = asyncio.create_task(collect(subject))
        await subject.close()
        events = await waiting
    assert [event["event"] for event in events] == ["recording:started", "recording:stopped"]
    assert events[0]["payload"] == {"sessionId": "cap-1"}


async def collect(subject: Recorder) -> list[dict[str, Any]]:
    return [event async for event in subject.events()]


FORGETFUL = f"""
import asyncio, sys
from videodb_listen.recorder.process import Recorder

async def main():
    recorder = Recorder({command("stubborn")!r}, {URL!r})
    await recorder.call("ping")
    print(recorder.pid)

asyncio.run(main())
"""


def test_a_program_that_forgets_to_shut_down_leaves_no_process() -> None:
    done = subprocess.run([sys.executable, "-c", FORGETFUL], capture_output=True, text=True, timeout=30, check=True)
    assert is_gone(int(done.stdout))
    assert done.stderr == ""


HELPED = f"""
import asyncio, os, signal
from videodb_listen.recorder.process import Recorder
from videodb_listen.errors import ListenError

async def main(apart):
    recorder = Recorder({command("mortal")!r}, {URL!r}, timeouts_s={{"stopRecording": 5.0}})
    helper = await recorder.call("ping", {{"held": os.devnull, "apart": apart}})
    try:
        await recorder.call("stopRecording")
    except ListenError as exc:
        print(exc)
    return helper

helpers = [asyncio.run(main(apart)) for apart in (False, True)]
os.kill(helpers[1], signal.SIGKILL)
"""


def test_nothing_complains_after_the_death_of_a_recorder_with_a_helper() -> None:
    python = [sys.executable, "-W", "default"]
    done = subprocess.run([*python, "-c", HELPED], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.splitlines() == ["the recorder ended with status -9; start the session again"] * 2
    assert done.stderr == ""
