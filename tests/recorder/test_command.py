"""`session record` with the real recorder: a whole recording, and each way in which one goes wrong."""

from __future__ import annotations

import asyncio
import shlex
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from support.daemon import PYTHON, Completed, Site
from support.emulated import data
from support.real_recorder import all_gone, denied, refused
from videodb_emulator.http.server import Emulator, running_emulator
from videodb_emulator.pure.dialect import Dialect
from videodb_listen.recorder.protocol import FIXES

ALL = ("--mic", "--screen", "--system-audio", "--store", "--transcribe")
SLOW_S = 45.0
LIMIT_S = 100.0


@pytest.fixture
def site(lone_site: Site, display: str) -> Site:
    """A directory for a listener, and the environment of somebody who records."""
    lone_site.env |= {"DISPLAY": display, "VIDEODB_EVENTS_DIR": str(lone_site.directory)}
    return lone_site


@asynccontextmanager
async def backend(site: Site, active_after_s: float = 1.0) -> AsyncIterator[Emulator]:
    async with running_emulator(None, dialect=Dialect(active_after_s=active_after_s)) as emulator:
        site.env["VIDEO_DB_API"] = emulator.base_url
        try:
            yield emulator
        finally:
            await site.run("stop")


async def recorded(site: Site, recorder: list[str], *words: str) -> Completed:
    """What became of a `session record` with this recorder, after which none is left."""
    site.env["VIDEODB_RECORDER"] = shlex.join(recorder)
    process = await started(site, *words)
    async with asyncio.timeout(LIMIT_S):
        stdout, stderr = await process.communicate()
    assert await all_gone()
    assert b"Traceback" not in stderr
    return Completed(process.returncode or 0, stdout.decode(), stderr.decode())


async def started(site: Site, *words: str) -> Process:
    command = [PYTHON, "-m", "videodb_listen", "session", "record", *words]
    return await asyncio.create_subprocess_exec(
        *command, env=site.environment(), cwd=site.home, stdout=PIPE, stderr=PIPE
    )


async def states(emulator: Emulator) -> list[str]:
    """The state of every session."""
    return [one["status"] for one in (await data(emulator, "GET", "/collection/default/capture/session"))["sessions"]]


async def test_a_whole_recording_ends_with_the_address_of_its_player(site: Site, recorder: str) -> None:
    async with backend(site):
        done = await recorded(site, [recorder], *ALL, "--for", "8s")
    assert (done.status, done.stdout.count("\n")) == (0, 1), done.stderr
    assert done.stdout.startswith("https://player.")
    lifecycle = [event["status"] for event in site.records() if event["channel"] == "capture_session"]
    assert lifecycle == ["created", "starting", "active", "stopping", "stopped", "exported"]
    names = {event["rtstream_name"] for event in site.records() if event["channel"] == "transcript"}
    assert {name.split(" - ")[0] for name in names} == {"Capture mic", "Capture system_audio"}


@pytest.mark.timeout(180)
async def test_a_session_that_takes_long_to_become_active_is_waited_for(site: Site, recorder: str) -> None:
    async with backend(site, SLOW_S):
        done = await recorded(site, [recorder], *ALL, "--for", "1s")
    assert done.status == 0, done.stderr
    assert "waiting until the session is active, at most 5m" in done.stderr
    assert done.stdout.startswith("https://player.")
    at_s = {event["status"]: event["unix_ts"] for event in site.records() if event["channel"] == "capture_session"}
    assert at_s["active"] - at_s["starting"] == pytest.approx(SLOW_S, abs=2.0)


async def test_a_second_recorder_is_told_of_the_first(site: Site, recorder: str) -> None:
    first = await asyncio.create_subprocess_exec(recorder, stdin=PIPE, stdout=PIPE)
    assert first.stdin is not None
    assert first.stdout is not None
    first.stdin.write(b'videodb_recorder|{"command": "init", "params": {}}\n')
    await first.stdout.readline()
    async with backend(site) as emulator:
        site.env["VIDEODB_RECORDER"] = shlex.quote(recorder)
        done = await site.run_bare("session", "record", *ALL)
        assert await states(emulator) == []
    first.stdin.close()
    await first.wait()
    assert (done.status, done.stdout) == (71, "")
    assert "Another recorder instance is already running (INSTANCE_ALREADY_RUNNING)" in done.stderr
    assert FIXES["INSTANCE_ALREADY_RUNNING"] in done.stderr
    assert await all_gone()


async def test_a_start_that_is_refused_is_said_with_what_the_api_said(site: Site, recorder: str) -> None:
    async with backend(site) as emulator:
        done = await recorded(site, refused(recorder), *ALL)
        assert await states(emulator) == ["created"]
    assert (done.status, done.stdout) == (71, "")
    assert "404" in done.stderr
    assert "(INTERNAL_ERROR)" in done.stderr
    assert FIXES["INTERNAL_ERROR"] in done.stderr
    assert "session export" not in done.stderr, "nothing was stored"


async def test_a_denial_is_no_permission(site: Site, recorder: str) -> None:
    async with backend(site) as emulator:
        done = await recorded(site, denied(recorder), *ALL)
        assert await states(emulator) == []
    assert (done.status, done.stdout) == (71, "")
    assert "the permission for microphone was not granted" in done.stderr


async def test_a_session_that_fails_before_it_is_active_ends_the_waiting(site: Site, recorder: str) -> None:
    async with backend(site, active_after_s=1000.0) as emulator:
        await site.run("start")
        waiting = asyncio.create_task(recorded(site, [recorder], *ALL))
        session_id = await starting(site)
        await data(emulator, "POST", f"/emulator/session/{session_id}/fail", code="NO_CREDIT", message="m")
        done = await waiting
    assert (done.status, done.stdout) == (1, "")
    assert "NO_CREDIT" in done.stderr


async def test_ctrl_c_before_the_session_is_active_leaves_no_recorder(site: Site, recorder: str) -> None:
    site.env["VIDEODB_RECORDER"] = shlex.quote(recorder)
    async with backend(site, active_after_s=1000.0):
        await site.run("start")
        process = await started(site, *ALL)
        await starting(site)
        process.send_signal(signal.SIGINT)
        _, stderr = await process.communicate()
    assert process.returncode == 130
    assert b"nothing was recorded" in stderr
    assert await all_gone()


async def starting(site: Site) -> str:
    """Wait until the recorder has asked for its start; the id of the session."""
    done = await site.run_bare("wait", "capture_session.starting", "--from", "start", "--timeout", "60s")
    assert done.status == 0, done.stderr
    return next(str(event["capture_session_id"]) for event in site.records() if event.get("status") == "starting")
