"""The emulator's recorder as a process: it answers, and it never outlives whoever started it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from support.emulated import data
from videodb_emulator.http.server import running_emulator
from videodb_emulator.pure.recorder import PREFIX
from videodb_emulator.recorder import CRASHED, SECOND

COMMAND = (sys.executable, "-m", "videodb_listen", "emulator", "recorder")


class Running:
    """A recorder, and lines to and from it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def say(self, command: str, **params: Any) -> None:
        assert self.process.stdin is not None
        line = PREFIX + json.dumps({"command": command, "commandId": command, "params": params})
        self.process.stdin.write(line.encode() + b"\n")
        await self.process.stdin.drain()

    async def hear(self) -> dict[str, Any]:
        """The next line of the protocol."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            if line.startswith(PREFIX.encode() + b"{") and line.endswith(b"}\n"):
                message: dict[str, Any] = json.loads(line.removeprefix(PREFIX.encode()))
                return message
        raise AssertionError("the recorder is gone")

    async def ask(self, command: str, **params: Any) -> dict[str, Any]:
        """Say a command; its answer. What the recorder tells by itself before is skipped."""
        await self.say(command, **params)
        while (heard := await self.hear()).get("commandId") != command:
            pass
        return heard

    async def end_of_stdin(self) -> int:
        """Close its stdin; its exit status."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return await self.process.wait()


@asynccontextmanager
async def recorder(*flags: str, **environment: str) -> AsyncIterator[Running]:
    unwanted = ("VIDEODB_RECORDER_PLAN", "VIDEO_DB_API")
    inherited = {name: value for name, value in os.environ.items() if name not in unwanted}
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *flags,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=inherited | environment,
    )
    try:
        yield Running(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.parametrize("flags", [(), ("--silent",), ("--garbage",), ("--no-permission", "--no-display")])
async def test_it_ends_with_its_stdin(flags: tuple[str, ...]) -> None:
    async with recorder(*flags) as running:
        await running.say("init")
        if "--silent" not in flags:
            assert (await running.hear())["result"]["version"]
        assert await running.end_of_stdin() == 0


async def test_it_ends_when_it_is_told_to() -> None:
    async with recorder() as running:
        await running.ask("init")
        assert (await running.ask("shutdown"))["status"] == "success"
        assert await running.process.wait() == 0


async def test_it_ends_with_a_line_that_is_no_text() -> None:
    async with recorder() as running:
        await running.ask("init")
        assert running.process.stdin is not None
        running.process.stdin.write(b"\xff\xfe\n")
        assert await running.process.wait() == 0


async def test_a_second_one_says_that_it_is_and_goes() -> None:
    async with recorder() as running:
        await running.ask("init")
        async with recorder() as second:
            assert (await second.hear())["payload"]["code"] == "INSTANCE_ALREADY_RUNNING"
            assert await second.process.wait() == SECOND
        assert await running.end_of_stdin() == 0


async def test_the_plan_may_come_from_the_environment() -> None:
    async with recorder(VIDEODB_RECORDER_PLAN="no-display") as running:
        await running.ask("init")
        channels = (await running.ask("getChannels"))["result"]["channels"]
        assert all(channel["type"] == "audio" for channel in channels)


async def test_a_plan_that_cannot_be_understood_is_said_on_stderr() -> None:
    async with recorder(VIDEODB_RECORDER_PLAN="dance") as running:
        assert running.process.stderr is not None
        line = await running.process.stderr.readline()
        assert await running.process.wait() == 78
    assert b"'dance' is no fault" in line


async def test_a_recording_without_a_backend_is_an_error() -> None:
    async with recorder("--base-url", "http://127.0.0.1:1") as running:
        await running.ask("init")
        answer = await running.ask("startRecording", sessionId="cap-1", uploadToken="st-1", channels=[{}])
        assert answer["result"]["code"] == "INTERNAL_ERROR"
        assert "http://127.0.0.1:1/" in answer["result"]["message"]
        assert await running.end_of_stdin() == 0


async def test_it_stops_what_it_records_when_its_stdin_ends() -> None:
    async with running_emulator(None) as emulator, recorder(VIDEO_DB_API=emulator.base_url) as running:
        session = (await data(emulator, "POST", "/collection/default/capture/session", end_user_id="u"))["session_id"]
        await running.ask("init")
        answer = await running.ask(
            "startRecording", sessionId=session, uploadToken="sk-any", channels=[{"channel_id": "mic:default"}]
        )
        assert answer["status"] == "success"
        assert await running.end_of_stdin() == 0
        assert (await data(emulator, "GET", f"/capture/session/{session}"))["status"] in ("stopping", "stopped")


async def test_when_it_crashes_its_session_fails() -> None:
    async with running_emulator(None) as emulator, recorder("--crash-after", "10ms") as running:
        session = (await data(emulator, "POST", "/collection/default/capture/session", end_user_id="u"))["session_id"]
        await running.ask("init", apiUrl=emulator.base_url)
        channels = [{"channel_id": "mic:default"}]
        await running.say("startRecording", sessionId=session, uploadToken="sk-any", channels=channels)
        assert await running.process.wait() == CRASHED
        assert (await data(emulator, "GET", f"/capture/session/{session}"))["status"] == "failed"
