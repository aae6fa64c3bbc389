"""What a person sees: of a listener that has gone, of time when nobody listened, on terminals of every kind."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.backend import Backend, Reply
from support.daemon import ROOT, Daemon, Site, command_of
from support.history import HandMade
from support.watching import file_matches

NOTHING: Mapping[str, str] = {}
RETRY = ("--min-backoff", "10ms")


def following(site: Site, *words: str) -> Daemon:
    """A `tail -f` that goes on while the test does something."""
    return Daemon(site, "tail", "-f", "--dir", str(site.directory), *words, entry="bare", directory=None)


@pytest.fixture
def recorded(lone_site: Site) -> Site:
    """A directory with some events in it, and no listener."""
    lone_site.directory.mkdir()
    HandMade(lone_site.directory).append(3, channel="alert", data={"label": "leak"})
    return lone_site


# -- a quiet screen --


async def test_who_follows_is_told_that_no_listener_runs(recorded: Site) -> None:
    async with following(recorded) as tail:
        await tail.stderr_line(f"no listener runs in {recorded.directory}: nothing new can come")


async def test_who_follows_is_told_when_the_connection_goes_and_comes_and_when_the_listener_ends(
    site: Site, backend: Backend
) -> None:
    async with site.daemon(*RETRY) as daemon:
        await daemon.ws_id()
        await (await backend.greeted()).event({"channel": "alert", "n": 1})
        await site.written(1)
        gate = asyncio.Event()
        async with following(site) as tail:
            await tail.stdout_line("alert")
            assert tail.stderr == ""
            backend.rest.append(Reply(500, until=gate))
            (await backend.peer()).rst()
            said = await tail.stderr_line("the listener has no connection since ")
            assert re.search(r"since \d\d:\d\d:\d\d, and tries again$", said)
            gate.set()
            await daemon.ws_id()
            await tail.stderr_line("the listener is connected")
            await tail.stdout_line("-- the connection was lost: nobody listened for")
            assert await daemon.stop() == 0
            await tail.stderr_line("no listener runs")


async def test_a_read_with_nothing_new_says_why_nothing_can_come(recorded: Site) -> None:
    first = await recorded.run("read", "--cursor", "a")
    assert (first.status, first.stderr, first.stdout.count("\n")) == (0, "", 3)
    second = await recorded.run("read", "--cursor", "a")
    assert (second.status, second.stdout) == (0, "")
    assert "no listener runs" in second.stderr


async def test_marks_stand_between_the_events_of_a_query_and_of_a_read(site: Site, backend: Backend) -> None:
    async with site.daemon(*RETRY) as daemon:
        await daemon.ws_id()
        await (await backend.greeted()).event({"channel": "alert", "n": 1})
        await site.written(1)
        assert (await site.run("read", "--cursor", "a", "--format", "text")).stdout.count("\n") == 1
        (await backend.peer()).rst()
        ws_id = await daemon.ws_id()
        await (await backend.greeted(1)).event({"channel": "alert", "n": 2})
        await site.written(2)
        await site.journalled("gap")
        first, mark, second = (await site.run("query")).stdout.splitlines()
        assert "alert" in first
        assert "alert" in second
        assert mark.endswith(f"the id is {ws_id} now --")
        assert (await site.run("read", "--cursor", "a", "--format", "text")).stdout.splitlines() == [mark, second]
        assert await daemon.stop() == 0


# -- pipes --


async def loses_connections(backend: Backend, reader: Daemon, shown: str) -> None:
    """An event on each of three connections; `reader` shows its number so."""
    for number in range(3):
        peer = await backend.greeted(number)
        await peer.event({"channel": "alert", "n": number})
        await reader.stdout_line(shown % number)
        if number < 2:
            peer.rst()


async def test_the_documented_pipe_of_json_holds_across_reconnects(site: Site, backend: Backend) -> None:
    each = "import sys,json; [print(json.loads(line)['n'], flush=True) for line in sys.stdin]"
    pipe = f'"$@" {" ".join(RETRY)} --output json | grep --line-buffered -v ^WS_ID= | {sys.executable} -c "{each}"'
    command = [*command_of("run"), "--dir", str(site.directory)]
    async with Daemon(site, command=["sh", "-c", pipe, "sh", *command]) as piped:
        await loses_connections(backend, piped, "%d")
        assert (await site.run("stop")).status == 0
        assert await piped.exit_status() == 0
        assert piped.stdout.split() == ["0", "1", "2"]


async def test_who_follows_as_json_gets_nothing_else_across_reconnects(site: Site, backend: Backend) -> None:
    async with site.daemon(*RETRY) as daemon:
        await daemon.ws_id()
        async with following(site, "-n", "99", "--json") as tail:
            await loses_connections(backend, tail, '"n": %d')
            assert [json.loads(line)["n"] for line in tail.stdout.splitlines()] == [0, 1, 2]
        assert await daemon.stop() == 0


# -- counters --


async def test_status_counts_what_came_a_moment_ago(site: Site, backend: Backend) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        for number in range(30):
            await peer.event({"n": number})
            await site.written(number + 1)
            told = json.loads((await site.run("status", "--json")).stdout)
            assert (told["events"], told["bytes"]) == (number + 1, site.files.events.stat().st_size)
        assert await daemon.stop() == 0
    assert json.loads((await site.run("status", "--json")).stdout)["events"] == 30


async def test_status_names_the_version_of_the_listener(site: Site) -> None:
    version = (await site.run_bare("-V")).stdout.split()[-1]
    async with site.daemon() as daemon:
        await daemon.ws_id()
        assert json.loads((await site.run("status", "--json")).stdout)["listener_version"] == version
        assert f"\nversion    {version}\n" in (await site.run("status")).stdout
        assert await daemon.stop() == 0


async def test_a_directory_that_is_not_there_is_named(lone_site: Site) -> None:
    for words in (["status"], ["status", "--json"]):
        done = await lone_site.run(*words)
        assert (done.status, done.stderr) == (3, f"videodb-listen: there is no directory {lone_site.directory}\n")


# -- terminals --


def on_terminal(
    site: Site, *words: str, columns: int = 80, stderr: bool = False, environment: Mapping[str, str] = NOTHING
) -> str:
    """What a terminal shows of a command whose stdout it is; with `stderr`, of its stderr alone."""
    output, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
    command = [*command_of("bare"), *words, "--dir", str(site.directory)]
    stdout = subprocess.DEVNULL if stderr else terminal
    subprocess.run(command, env={**site.environment(), **environment}, check=True, stdout=stdout, stderr=terminal)
    os.close(terminal)
    shown = b""
    with contextlib.suppress(OSError):  # there is no other end any more
        while more := os.read(output, 4096):
            shown += more
    os.close(output)
    return shown.decode()


@pytest.mark.parametrize(
    ("words", "environment", "painted"),
    [
        ([], {}, True),
        ([], {"NO_COLOR": "1"}, False),
        ([], {"TERM": "dumb"}, False),
        (["--color", "never"], {}, False),
        (["--color", "always"], {"NO_COLOR": "1"}, True),
    ],
)
def test_a_terminal_is_painted_as_it_wants(
    recorded: Site, words: list[str], environment: dict[str, str], painted: bool
) -> None:
    assert ("\x1b[" in on_terminal(recorded, "tail", *words, environment=environment)) is painted


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_the_counts_fit_on_a_terminal(recorded: Site, columns: int) -> None:
    name = {"rtstream_id": "rts-fa440862-ca68-4fe6-ba28-6046d1a98a1a", "rtstream_name": "system_audio:default"}
    HandMade(recorded.directory, 3).append(900, **name)
    lines = on_terminal(recorded, "stats", columns=columns).splitlines()[6:]
    assert max(map(len, lines)) <= columns


@pytest.mark.parametrize(("environment", "moves"), [({}, True), ({"TERM": "dumb"}, False)])
def test_the_progress_of_an_export_leaves_nothing_behind(
    recorded: Site, tmp_path: Path, environment: dict[str, str], moves: bool
) -> None:
    words = ("export", "csv", "-o", str(tmp_path / "out.csv"))
    shown = on_terminal(recorded, *words, stderr=True, environment=environment)
    assert ("100%" in shown) is moves
    assert shown.rpartition("\x1b[K")[2] == ""
    assert "\n" not in shown


# -- without --


@pytest.mark.parametrize("words", [[], ["--help"], ["/tmp/events"]])
def test_the_script_without_its_packages_says_so_in_one_line(words: list[str]) -> None:
    script = str(ROOT / "scripts" / "ws_listener.py")
    done = subprocess.run([sys.executable, "-S", script, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (78, "", 1)
    assert "is not installed; pip install videodb-listen" in done.stderr


async def test_the_log_of_a_detached_listener_is_dated(site: Site) -> None:
    assert (await site.run("start")).status == 0
    dated = re.compile(rb"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] ", re.MULTILINE)
    await file_matches(site.files.log, lambda data: dated.search(data) is not None)
    assert (await site.run("stop")).status == 0


@pytest.mark.skipif(not (ROOT / ".venv").exists(), reason="it would make an environment of its own")
def test_the_demo_shows_every_event_that_status_counts_and_leaves_no_process() -> None:
    environment = {**os.environ, "DEMO_SPEED": "40"}
    done = subprocess.run([ROOT / "scripts" / "demo"], capture_output=True, text=True, env=environment, check=True)
    said = re.findall(r"^\[(\d\d:\d\d:\d\d)\] .*", done.stdout, re.MULTILINE)
    assert "Morning Jürgen, can you see my screen?" in done.stdout
    assert said == sorted(said)
    assert "\nevents     51 (" in done.stdout
    assert done.stdout.count('"capture_session.exported"') == 1
    (directory,) = re.findall(r"^file       (.*)/videodb_events.jsonl$", done.stdout, re.MULTILINE)
    assert not Path(directory).exists()
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert directory not in running
