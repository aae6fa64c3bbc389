"""What the unit tests take for the words of the real recorder are its words."""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import PIPE

from support.conversation import PREFIX, exchanges, shape
from support.emulated import data
from videodb_emulator.http.server import running_emulator


async def test_the_real_recorder_still_says_what_it_said(recorder: str) -> None:
    async with running_emulator(None) as emulator:
        session = (await data(emulator, "POST", "/collection/default/capture/session", end_user_id="u"))["session_id"]
        process = await asyncio.create_subprocess_exec(recorder, stdin=PIPE, stdout=PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        for command, said in exchanges(url=emulator.base_url, session=session, token="sk-any"):
            process.stdin.write((PREFIX + json.dumps(command) + "\n").encode())
            async with asyncio.timeout(20):
                heard = [json.loads((await process.stdout.readline()).decode().removeprefix(PREFIX)) for _ in said]
            assert [shape(one) for one in heard] == [shape(one) for one in said], command
        assert await process.stdout.read() == b""
        await process.wait()
