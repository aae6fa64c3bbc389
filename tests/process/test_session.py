"""`session record` at a terminal: a whole recording in one command, and what Ctrl-C does to it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import shlex
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from support.daemon import PYTHON, Completed, Site
from support.emulated import data
from support.waiting import Changes
from videodb_emulator.http.server import Emulator, running_emulator
from videodb_emulator.pure.dialect import Dialect
from videodb_listen.api.http import CALL_DEADLINE_S

RECORDER = f"{sys.executable} -m videodb_listen emulator recorder"
CTRL_C = b"\x03"


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """A backend that keeps sessions, ten times as fast as life."""
    async with running_emulator(None, speed=10) as emulator:
        yield emulator


@pytest.fixture
def site(lone_site: Site, emulator: Emulator) -> Site:
    """A directory for a listener, and the environment of somebody who records."""
    lone_site.env |= {"VIDEO_DB_API": emulator.base_url, "VIDEODB_RECORDER": RECORDER, "TERM": "xterm"}
    lone_site.env["VIDEODB_EVENTS_DIR"] = str(lone_site.directory)
    return lone_site


@pytest.fixture
async def slow(site: Site) -> AsyncIterator[Emulator]:
    """A backend in place of the other one, on which no session ever becomes active."""
    async with running_emulator(None, dialect=Dialect(active_after_s=1e6)) as emulator:
        site.env["VIDEO_DB_API"] = emulator.base_url
        yield emulator


class Terminal:
    """A command at a pseudo-terminal of its own, and all that it shows there."""

    def __init__(self, site: Site, *words: str) -> None:
        self.shown = ""
        self._changes = Changes()
        self._master, slave = pty.openpty()
        self._process = subprocess.Popen(
            [PYTHON, "-m", "videodb_listen", *words],
            env=site.environment(),
            cwd=site.home,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            preexec_fn=lambda: os.login_tty(slave),
        )
        os.close(slave)
        self._ended = asyncio.get_running_loop().create_task(asyncio.to_thread(self._process.wait))
        self._ended.add_done_callback(lambda _: self._changes.tell())
        asyncio.get_running_loop().add_reader(self._master, self._read)

    def _read(self) -> None:
        try:
            self.shown += os.read(self._master, 65536).decode()
        except OSError:  # the other end is closed
            asyncio.get_running_loop().remove_reader(self._master)
        self._changes.tell()

    async def shows(self, text: str) -> None:
        """Wait until this is on the screen."""
        await self._until(lambda: text in self.shown or self._ended.done(), text)
        assert text in self.shown, self.shown

    async def status(self, limit_s: float = 40.0) -> int:
        """Wait for the end."""
        await self._until(self._ended.done, "the end", limit_s)
        return self._ended.result()

    async def _until(self, condition: Callable[[], bool], what: str, limit_s: float = 40.0) -> None:
        await self._changes.until(condition, f"{what} in {self.shown!r}", limit_s=limit_s)

    def press(self, keys: bytes) -> None:
        """Type."""
        os.write(self._master, keys)

    def signal(self, number: int) -> None:
        """Send the command a signal."""
        self._process.send_signal(number)

    async def close(self) -> None:
        """Let it go, however it is."""
        asyncio.get_running_loop().remove_reader(self._master)
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._ended
        os.close(self._master)


@pytest.fixture
async def record(site: Site) -> AsyncIterator[Callable[..., Terminal]]:
    """Start `session record` with these words, at a terminal."""
    terminals: list[Terminal] = []

    def start(*words: str) -> Terminal:
        terminals.append(Terminal(site, "session", "record", *words))
        return terminals[-1]

    yield start
    for terminal in terminals:
        await terminal.close()
    await site.run("stop")


def recorders(site: Site) -> list[int]:
    """The processes of recorders that this site's commands have started."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes() if entry.name.isdecimal() else b""
            if b"recorder" in words.split(b"\0") and site.key.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
    return found


async def test_ctrl_c_stops_exports_and_ends_with_the_url_of_the_player(
    site: Site, record: Callable[..., Terminal]
) -> None:
    terminal = record("--mic", "--screen", "--store", "--transcribe", "--describe", "what is there")
    await terminal.shows("recording 1s")
    await terminal.shows("transcript ")
    terminal.press(CTRL_C)
    await terminal.shows("exporting")
    assert await terminal.status() == 0
    assert terminal.shown.splitlines()[-1].startswith("https://player.")
    for step in ("created", "active", "stopped", "exported"):
        assert f"{step}\r\n" in terminal.shown
    assert recorders(site) == []
    names = [event.get("event") for event in site.records() if event["channel"] == "capture_session"]
    assert names[-1] == "capture_session.exported"


async def test_a_second_ctrl_c_ends_at_once_and_leaves_no_recorder(site: Site, record: Callable[..., Terminal]) -> None:
    terminal = record("--mic", "--store")
    await terminal.shows("recording 1s")
    (recorder,) = recorders(site)
    os.kill(recorder, signal.SIGSTOP)  # so it does not answer to the stop
    terminal.press(CTRL_C)
    await terminal.shows("once more")
    terminal.press(CTRL_C)
    assert await terminal.status(CALL_DEADLINE_S / 2) == 130
    assert recorders(site) == []


async def test_ctrl_c_before_anything_is_recorded_ends_at_once(site: Site, record: Callable[..., Terminal]) -> None:
    site.env["VIDEODB_RECORDER_PLAN"] = "silent"
    terminal = record("--mic", "--store")
    await terminal.shows("events go to")
    terminal.press(CTRL_C)
    assert await terminal.status(CALL_DEADLINE_S / 2) == 130
    assert "nothing was recorded" in terminal.shown
    assert recorders(site) == []


async def test_ctrl_c_before_the_session_is_active_ends_at_once(
    site: Site, slow: Emulator, record: Callable[..., Terminal]
) -> None:
    terminal = record("--mic", "--store")
    await terminal.shows("waiting until the session is active, at most 5m")
    await terminal.shows("starting\r\n")
    terminal.press(CTRL_C)
    assert await terminal.status(CALL_DEADLINE_S / 2) == 130
    assert "nothing was recorded" in terminal.shown
    assert recorders(site) == []


async def test_a_session_that_fails_before_it_is_active_ends_the_waiting(
    site: Site, slow: Emulator, record: Callable[..., Terminal]
) -> None:
    terminal = record("--mic", "--store")
    await terminal.shows("starting\r\n")
    (session,) = (await data(slow, "GET", "/collection/default/capture/session"))["sessions"]
    await data(slow, "POST", f"/emulator/session/{session['session_id']}/fail", code="NO_CREDIT", message="none left")
    assert await terminal.status(CALL_DEADLINE_S / 2) == 1
    assert "NO_CREDIT" in terminal.shown
    assert "for what was stored" not in terminal.shown
    assert recorders(site) == []


async def test_a_second_recorder_says_that_another_runs(site: Site) -> None:
    first = await asyncio.create_subprocess_exec(
        *shlex.split(RECORDER), env=site.environment(), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert first.stdin is not None
    assert first.stdout is not None
    first.stdin.write(b'videodb_recorder|{"command": "init"}\n')
    await first.stdout.readline()
    done = await recorded(site, "--mic")
    first.stdin.close()
    await first.wait()
    assert (done.status, done.stdout) == (71, "")
    assert "already running (INSTANCE_ALREADY_RUNNING); end the application" in done.stderr


async def test_ctrl_c_does_not_wait_for_an_api_that_is_mute(site: Site, record: Callable[..., Terminal]) -> None:
    left_waiting = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"/token" in await reader.readuntil(b"\r\n\r\n"):
            body = b'{"success": true, "data": {"token": "st-1"}}'
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
        else:
            left_waiting.set()
            await reader.read()
        writer.close()

    await site.run("start")
    async with await asyncio.start_server(mute, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        terminal = record("--mic", "--base-url", f"http://127.0.0.1:{port}")
        await left_waiting.wait()
        terminal.press(CTRL_C)
        assert await terminal.status(CALL_DEADLINE_S / 2) == 130
    assert recorders(site) == []


async def test_a_terminal_that_goes_away_does_not_end_the_recording_without_its_video(
    site: Site, record: Callable[..., Terminal]
) -> None:
    terminal = record("--mic", "--store")
    await terminal.shows("recording 1s")
    for _ in range(2):  # the kernel and the shell both tell of it
        terminal.signal(signal.SIGHUP)
    assert await terminal.status() == 0
    assert terminal.shown.splitlines()[-1].startswith("https://player.")


async def test_transcripts_follow_the_listener_to_another_connection(
    site: Site, record: Callable[..., Terminal]
) -> None:
    terminal = record("--mic", "--screen", "--transcribe", "--describe", "what is there")
    await terminal.shows("recording 1s")
    await site.run("stop")
    await terminal.shows("the listener is not connected")
    await site.run("start", "--clear")
    await terminal.shows("the listener is connected as")
    assert (await site.run_bare("wait", "--channel", "transcript", "--timeout", "30s")).status == 0
    assert "cannot be moved" in terminal.shown
    terminal.press(CTRL_C)
    assert await terminal.status() == 0


async def test_nobody_needs_to_look_at_the_progress(site: Site) -> None:
    command = [PYTHON, "-m", "videodb_listen", "session", "record", "--mic", "--store", "--for", "500ms"]
    process = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", 'exec "$@" 2>&-', "sh", *command),
        env=site.environment(),
        cwd=site.home,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    await site.run("stop")
    assert process.returncode == 0
    assert said.startswith(b"https://player.")


async def test_an_export_that_is_refused_is_said_at_once(site: Site) -> None:
    forgetful = f"""sed -u 's/"store":true/"store":false/g' | {RECORDER}"""
    site.env["VIDEODB_RECORDER"] = shlex.join(["/bin/sh", "-c", forgetful])
    done = await recorded(site, "--mic", "--store", "--for", "500ms")
    assert (done.status, done.stdout) == (65, "")
    assert "no channel was stored" in done.stderr
    assert "session export cap-" in done.stderr
    assert recorders(site) == []


@pytest.mark.parametrize(
    "words",
    [
        ("record", "--mic", "--describe", "what is there"),
        ("record", "--mic", "--alert", "a=b"),
        ("record", "--screen", "--transcribe"),
        ("record", "--alert", "no prompt"),
        ("show", ""),
        ("export", ".."),
    ],
)
async def test_what_can_mean_nothing_is_refused(site: Site, words: tuple[str, ...]) -> None:
    assert (await site.run_bare("session", *words)).status == 2
    assert not site.files.events.exists()


async def recorded(site: Site, *words: str) -> Completed:
    done = await site.run_bare("session", "record", *words)
    await site.run("stop")
    return done


async def test_a_recording_ends_by_itself_after_its_time(site: Site) -> None:
    done = await recorded(site, "--store", "--for", "1s")
    assert (done.status, done.stdout.count("\n")) == (0, 1)
    assert "https://player." in done.stdout
    assert "\x1b" not in done.stderr, "nothing moves where there is no terminal"


async def test_nothing_is_stored_unless_asked(site: Site) -> None:
    done = await recorded(site, "--mic", "--for", "1s")
    assert done.status == 0
    assert done.stdout.startswith("cap-")
    assert "nothing was stored" in done.stderr


@pytest.mark.parametrize(
    ("plan", "words", "status", "said"),
    [
        ("no-permission", ("--mic",), 71, "permission"),
        ("no-display", ("--screen",), 71, "there is no display to record"),
    ],
)
async def test_what_the_recorder_cannot_do_is_said_and_nothing_is_left(
    site: Site, plan: str, words: tuple[str, ...], status: int, said: str
) -> None:
    site.env["VIDEODB_RECORDER_PLAN"] = plan
    done = await recorded(site, *words)
    assert (done.status, done.stdout) == (status, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert recorders(site) == []


async def test_a_recorder_that_dies_ends_the_recording(site: Site) -> None:
    site.env["VIDEODB_RECORDER_PLAN"] = "crash-after:1s"
    done = await recorded(site, "--mic", "--store")
    # Two tell of it, the process and the session's event: which is first is chance, and both name the cause.
    assert (done.status, done.stdout) in {(71, ""), (1, "")}
    assert {71: "the recorder has ended", 1: "RECORDER_GONE"}[done.status] in done.stderr
    assert "Traceback" not in done.stderr
    assert recorders(site) == []


async def test_sessions_are_listed_shown_and_exported(site: Site) -> None:
    await recorded(site, "--store", "--for", "500ms")
    listed = await site.run_bare("session", "list")
    session_id = listed.stdout.split()[0]
    shown = await site.run_bare("session", "show", session_id)
    assert f'"{session_id}"' in shown.stdout
    exported = await site.run_bare("session", "export", session_id, "--timeout", "20s")
    assert (exported.status, '"exported_video_id"' in exported.stdout) == (0, True)
    assert (await site.run_bare("session", "show", "cap-nobody")).status == 65
