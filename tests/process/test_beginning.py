"""The first moments of a process, and what its parent left it."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from support.backend import Backend, Reply
from support.daemon import PYTHON, Daemon, Entry, Site, command_of
from support.watching import file_gone, file_matches

TAKES_LONG = """
import sys, time
print("loading", file=sys.stderr, flush=True)
time.sleep(60)
"""

BLOCKING = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execvp(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.parametrize("module", ["click", "websockets", "orjson"])
@pytest.mark.parametrize("entry", ["run", "ws_listener", "script"])
async def test_ctrl_c_while_it_is_being_loaded_ends_it_without_a_word(
    lone_site: Site, tmp_path: Path, module: str, entry: Entry
) -> None:
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / f"{module}.py").write_text(TAKES_LONG)
    lone_site.env["PYTHONPATH"] = f"{tmp_path / 'slow'}:{Path(__file__).parents[2] / 'src'}"
    command = command_of(entry)
    if entry == "ws_listener":
        command = [PYTHON, "-c", "from videodb_listen.__main__ import ws_listener; ws_listener()"]
    if entry == "script":
        command = [
            PYTHON,
            "-c",
            f"import sys; sys.path[:0] = [{str(tmp_path / 'slow')!r}]; import runpy; runpy.run_path({command[-1]!r})",
        ]
    async with Daemon(lone_site, str(lone_site.directory), command=command) as daemon:
        await daemon.stderr_line("loading")
        daemon.signal(signal.SIGINT)
        assert await daemon.exit_status() == 130
    assert daemon.stderr == "loading\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_listener_whose_parent_blocked_signals_hears_them(site: Site, number: signal.Signals) -> None:
    command = [PYTHON, "-c", BLOCKING, *command_of("run"), "--dir", str(site.directory)]
    async with Daemon(site, command=command) as daemon:
        await daemon.ws_id()
        daemon.signal(number)
        assert await daemon.exit_status() == 0


async def test_a_detached_listener_whose_parent_blocked_signals_is_stopped(site: Site) -> None:
    command = [PYTHON, "-c", BLOCKING, *command_of("bare"), "start", "--dir", str(site.directory)]
    async with Daemon(site, command=command) as start:
        assert await start.exit_status() == 0
    stopped = await site.run("stop", "--timeout", "5s")
    assert (stopped.status, stopped.stderr.split()[0]) == (0, "stopped")


async def test_a_failure_of_the_daemon_is_told_though_the_parent_ignored_its_children(lone_site: Site) -> None:
    lone_site.env["VIDEO_DB_API_KEY"] = None
    command = [PYTHON, "-c", BLOCKING, *command_of("bare"), "start", "--dir", str(lone_site.directory)]
    async with Daemon(lone_site, command=command) as start:
        assert await start.exit_status() == 78


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGHUP])
async def test_a_start_that_is_given_up_leaves_no_listener_behind(lone_site: Site, how: signal.Signals) -> None:
    answered = asyncio.Event()
    async with Backend(rest=[Reply(500, until=answered)]) as backend:
        lone_site.backend = backend
        async with Daemon(lone_site, "start", "--dir", str(lone_site.directory), command=command_of("bare")) as start:
            await backend.until(lambda: len(backend.requests) == 1, "the daemon's first request")
            start.signal(how)
            await start.exit_status()
        await file_gone(lone_site.files.pid)
        answered.set()
        assert backend.upgrades == []
    assert lone_site.state()["phase"] == "stopped"
    assert "did not wait" in lone_site.files.log.read_text()
    assert (await lone_site.run("status")).status == 3


async def test_a_start_that_was_not_given_up_leaves_a_listener_that_stays(site: Site, backend: Backend) -> None:
    assert (await site.run("start")).status == 0
    await (await backend.peer()).event(b'{"n":1}')
    await site.written(1)
    assert (await site.run("status")).status == 0
    assert (await site.run("stop")).status == 0


PLACES = {
    "process substitution": '"$@" --api-key-file <(printf %s "$KEY")',
    "a pipe to stdin": 'printf %s "$KEY" | "$@" --api-key-file /dev/stdin',
    "a file on stdin": '"$@" --api-key-file /dev/stdin < "$HOME/key"',
    "a descriptor": 'exec 7< "$HOME/key"; "$@" --api-key-file /dev/fd/7',
    "a file": '"$@" --api-key-file "$HOME/key"',
    "a variable": 'VIDEODB_LISTEN_API_KEY_FILE=<(printf %s "$KEY") "$@"',
}


@pytest.mark.parametrize("place", PLACES)
async def test_a_detached_listener_gets_the_key_from_wherever_run_would(
    site: Site, backend: Backend, place: str
) -> None:
    site.env |= {"VIDEO_DB_API_KEY": None, "KEY": site.key}
    (site.home / "key").write_text(site.key)
    command = ["bash", "-c", PLACES[place], "bash", *command_of("bare"), "start", "--dir", str(site.directory)]
    async with Daemon(site, command=command) as start:
        assert await start.exit_status() == 0
    await file_matches(site.files.state, lambda data: b'"connected"' in data)
    assert (await site.run("stop")).status == 0
    assert backend.requests[0].headers["x-access-token"] == site.key
