"""A directory that others can write to: what they plant there is believed by no command, and stops none."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from support.backend import Backend
from support.daemon import Completed, Daemon, Site, command_of
from support.history import line
from support.someone_else import give_away, needs_root

pytestmark = needs_root

VICTIM, ATTACKER = (
    ("setpriv", "--reuid", "23456", "--regid", "23456", "--clear-groups"),
    ("setpriv", "--reuid", "12345"),
)

LISTENER = """
import fcntl, json, os, signal, sys, time
directory = sys.argv[1]
lock = open(directory + "/videodb_ws.lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
now = time.time()
state = {"version": 1, "phase": "connected", "pid": os.getpid(), "started_unix_ts": now - 9, "ws_id": "attackers=",
         "connected_unix_ts": now, "proven_unix_ts": now}
for name, text in {"ws_id": "attackers=", "ws_pid": str(os.getpid()), "ws_state.json": json.dumps(state)}.items():
    open(directory + "/videodb_" + name, "w").write(text)
open(directory + "/videodb_events.jsonl", "w").write(sys.argv[2])
print("WS_ID=ready", flush=True)
signal.pause()
"""
"""Everything that a listener with a live connection shows, readable for all, by somebody else."""


@pytest.fixture
def shared(open_to_all: Path) -> Iterator[Site]:
    """The site of a user who is not root, in a directory as /tmp is one."""
    directory = open_to_all / "shared"
    directory.mkdir()
    directory.chmod(0o1777)
    site = Site(open_to_all, directory=directory)
    yield site
    site.kill_stray()


@pytest.fixture
async def attacker(shared: Site) -> AsyncIterator[Daemon]:
    forged = json.dumps({"ts": "2030-01-01T00:00:00.000Z", "unix_ts": time.time(), "channel": "alert"}) + "\n"
    command = [*ATTACKER, sys.executable, "-c", LISTENER, str(shared.directory), forged]
    async with Daemon(shared, command=command) as daemon:
        assert await daemon.ws_id() == "ready"
        yield daemon


async def ask(site: Site, *words: str, user: tuple[str, ...] = VICTIM) -> Completed:
    """Run a command as that user."""
    command, *rest = words
    async with Daemon(
        site, command=[*user, *command_of("bare"), command, "--dir", str(site.directory), *rest]
    ) as asked:
        status = await asked.exit_status()
    return Completed(status, asked.stdout, asked.stderr)


COMMANDS = {
    "start": 73,
    "run": 73,
    "id": 73,
    "status": 73,
    "status --json": 73,
    "stop": 1,
    "wait alert --timeout 1s": 73,
    "tail": 73,
    "query": 73,
    "read --cursor a": 73,
    "stats": 73,
    "verify": 73,
    "export txt": 73,
}


@pytest.mark.parametrize("user", [VICTIM, ()], ids=["user", "root"])
@pytest.mark.parametrize("command", COMMANDS)
async def test_a_listener_that_someone_else_pretends_to_be_is_believed_by_no_command(
    shared: Site, attacker: Daemon, command: str, user: tuple[str, ...]
) -> None:
    done = await ask(shared, *command.split(), user=user)
    assert (done.status, done.stdout) == (COMMANDS[command], ""), done
    assert "someone else's" in done.stderr
    assert attacker.running


def as_a_fifo(path: Path) -> None:
    os.mkfifo(path, 0o666)


def as_a_file(path: Path) -> None:
    path.write_bytes(line(1, "alert"))


def as_a_link(path: Path) -> None:
    path.symlink_to("/etc/hostname")


@pytest.mark.parametrize("plant", [as_a_fifo, as_a_file, as_a_link])
@pytest.mark.parametrize("name", ["videodb_ws.lock", "videodb_ws_state.json"])
async def test_one_planted_file_is_refused_by_who_only_looks(
    shared: Site, name: str, plant: Callable[[Path], None]
) -> None:
    plant(shared.directory / name)
    for command in ("status", "start"):
        done = await ask(shared, command)
        assert done.status == 73, done
        assert name in done.stderr
    assert (await ask(shared, "stop")).status == (1 if name == "videodb_ws.lock" else 0)


@pytest.mark.parametrize("plant", [as_a_fifo, as_a_file, as_a_link])
async def test_a_planted_generation_forges_no_event_and_stops_nobody(
    shared: Site, plant: Callable[[Path], None]
) -> None:
    for stamp in ("20200101T000000.000Z", "99981231T235959.999Z"):
        plant(shared.directory / f"videodb_events.{stamp}.jsonl")
        if plant is as_a_file:
            give_away(shared.directory / f"videodb_events.{stamp}.jsonl")
    waited = await ask(shared, "wait", "alert", "--from", "2020-01-01", "--timeout", "1s")
    assert (waited.status, waited.stdout) == (3, "")  # no listener runs, and the event is not there
    shared.files.events.write_bytes(line(2, "transcript"))
    os.chown(shared.files.events, 23456, 23456)
    for command in ("query --format json", "tail --format json", "read --cursor a", "stats --json", "verify"):
        done = await ask(shared, *command.split())
        assert done.status == 0, done
        assert "alert" not in done.stdout


async def test_rotation_goes_on_beside_a_generation_of_the_last_year_of_all(shared: Site, backend: Backend) -> None:
    planted = shared.directory / "videodb_events.99991231T235959.999Z.jsonl"
    as_a_file(planted)
    shared.backend = backend
    async with shared.daemon("--rotate-size", "1", "--output", "none") as daemon:
        await daemon.ws_id()
        await (await backend.peer()).event({"n": 1})
        assert await daemon.stop() == 0
    (rotated,) = set(shared.directory.glob("videodb_events.*.jsonl")) - {planted}
    assert b'"n": 1' in rotated.read_bytes()


async def test_a_hard_link_is_not_emptied_by_clear(shared: Site, backend: Backend) -> None:
    precious = shared.home / "precious"
    precious.write_text("years of notes")
    precious.chmod(0o644)
    shared.files.events.hardlink_to(precious)
    shared.backend = backend
    done = await shared.run("run", "--clear")
    assert done.status == 73
    assert "hard link" in done.stderr
    assert (precious.read_text(), precious.stat().st_mode & 0o777) == ("years of notes", 0o644)
