"""How it ended is said by the status, and why by one line on stderr."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from support.backend import Backend, Reply, mute, unused_port
from support.daemon import Completed, Daemon, Site, command_of


async def ended(daemon: Daemon) -> Completed:
    async with daemon:
        status = await daemon.exit_status()
    return Completed(status, daemon.stdout, daemon.stderr)


def the_line(completed: Completed) -> str:
    """Return the one line that a failure prints."""
    assert "Traceback" not in completed.stderr
    (line,) = completed.stderr.splitlines()
    return line


async def test_no_key_is_78(site: Site, backend: Backend) -> None:
    site.env["VIDEO_DB_API_KEY"] = None
    completed = await ended(site.daemon("--log-level", "warning"))
    assert (completed.status, completed.stdout) == (78, "")
    assert "VIDEO_DB_API_KEY" in the_line(completed)
    assert backend.requests == []


@pytest.mark.parametrize(("refusal", "status"), [(401, 77), (403, 77), (404, 78), (400, 78)])
async def test_a_refusal_at_the_start_ends_it_at_once(site: Site, backend: Backend, refusal: int, status: int) -> None:
    backend.rest += [Reply(refusal, {"success": False, "message": "not today"})] * 3
    completed = await ended(site.daemon("--log-level", "warning"))
    assert (completed.status, completed.stdout) == (status, "")
    assert str(refusal) in the_line(completed) or "not today" in the_line(completed)
    assert len(backend.requests) == 1
    assert not site.files.pid.exists()
    assert site.state()["phase"] == "stopped"


async def test_a_second_listener_is_75_and_names_the_first(site: Site) -> None:
    async with site.daemon() as first:
        await first.ws_id()
        completed = await ended(site.daemon("--log-level", "warning"))
        assert (completed.status, completed.stdout) == (75, "")
        assert str(first.pid) in the_line(completed)
        assert await first.stop() == 0


@pytest.mark.parametrize(
    "args",
    [
        ("--nonsense",),
        ("--drain", "soon"),
        ("--max-frame-size", "much"),
        ("--output", "loud"),
        ("--fsync", "perhaps"),
        ("--log-level", "shout"),
        ("--max-retries", "-1"),
        ("--min-backoff", "0"),
    ],
    ids=" ".join,
)
async def test_wrong_usage_is_2(site: Site, backend: Backend, args: tuple[str, ...]) -> None:
    completed = await ended(site.daemon(*args))
    assert (completed.status, completed.stdout) == (2, "")
    assert args[0] in completed.stderr
    assert "Traceback" not in completed.stderr
    assert backend.requests == []
    assert not site.directory.exists()


@pytest.mark.parametrize("command", ["status", "stop", "id", "start"])
async def test_wrong_usage_of_a_command_is_2(site: Site, command: str) -> None:
    assert (await site.run(command, "--nonsense")).status == 2


async def test_two_directories_at_once_are_2(site: Site, backend: Backend) -> None:
    completed = await site.run("run", str(site.home / "other"))
    assert (completed.status, completed.stdout) == (2, "")
    assert backend.requests == []
    assert list(site.home.iterdir()) == []


@pytest.mark.parametrize("value", ["soon", "-1"])
async def test_a_bad_setting_in_the_environment_is_78_and_named(site: Site, value: str) -> None:
    site.env["VIDEODB_LISTEN_DRAIN"] = value
    completed = await ended(site.daemon("--log-level", "warning"))
    assert completed.status == 78
    assert "VIDEODB_LISTEN_DRAIN" in the_line(completed)


async def test_not_connected_in_time_is_69(lone_site: Site) -> None:
    lone_site.env["VIDEO_DB_API"] = f"http://127.0.0.1:{unused_port()}"
    completed = await ended(lone_site.daemon("--startup-timeout", "300ms", "--min-backoff", "10ms"))
    assert (completed.status, completed.stdout) == (69, "")
    assert "Traceback" not in completed.stderr
    assert completed.stderr
    assert not lone_site.files.pid.exists()


async def test_a_server_that_never_says_hello_is_69(lone_site: Site) -> None:
    async with Backend([mute]) as backend:
        lone_site.backend = backend
        completed = await ended(lone_site.daemon("--startup-timeout", "3s", "--hello-timeout", "100ms"))
        assert completed.status == 69
        assert len(backend.peers) >= 1


async def test_retries_used_up_is_69(site: Site, backend: Backend) -> None:
    async with site.daemon("--max-retries", "2", "--min-backoff", "10ms") as daemon:
        await daemon.ws_id()
        backend.rest += [Reply(500)] * 9
        (await backend.peer()).rst()
        assert await daemon.exit_status() == 69
        assert "Traceback" not in daemon.stderr
    assert 2 <= len(backend.requests) - 1 <= 3
    assert not site.files.ws_id.exists()
    assert not site.files.pid.exists()


@pytest.mark.parametrize("place", ["a file", "below a file", "nowhere"])
async def test_a_directory_that_cannot_be_is_73(site: Site, backend: Backend, place: str) -> None:
    file = site.home / "file"
    file.write_bytes(b"not a directory")
    site.directory = {"a file": file, "below a file": file / "events", "nowhere": file.parent / "\x01" / ("x" * 300)}[
        place
    ]
    completed = await ended(site.daemon("--log-level", "warning"))
    assert (completed.status, completed.stdout) == (73, "")
    the_line(completed)
    assert file.read_bytes() == b"not a directory"
    assert backend.requests == []


@pytest.mark.parametrize("command", ["status", "status --json", "id", "id --timeout 5s"])
async def test_asking_without_a_listener_is_3(site: Site, command: str) -> None:
    completed = await site.run(*command.split())
    assert completed.status == 3
    assert "Traceback" not in completed.stderr


async def test_an_id_that_does_not_come_in_time_is_124(lone_site: Site) -> None:
    async with Backend([mute]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon() as daemon:
            await backend.peer()
            completed = await lone_site.run("id", "--timeout", "200ms")
            assert (completed.status, completed.stdout) == (124, "")
            assert await daemon.stop() == 0


@pytest.fixture
def without_rights() -> list[str]:
    """The prefix of a command that may read only what its mode allows: root may read everything."""
    if os.geteuid():
        return []
    setpriv = shutil.which("setpriv") or pytest.skip("no setpriv here (Debian package util-linux)")
    return [setpriv, "--bounding-set=-dac_override,-dac_read_search"]


@pytest.mark.parametrize(("command", "status"), [("stop", 1), ("status", 73), ("id", 73), ("start", 73)])
async def test_a_lock_that_may_not_be_read_is_not_taken_for_a_free_one(
    site: Site, without_rights: list[str], command: str, status: int
) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        site.files.lock.chmod(0)
        asking = [*without_rights, *command_of("bare"), command, "--dir", str(site.directory)]
        completed = await ended(Daemon(site, command=asking))
        assert (completed.status, completed.stdout) == (status, "")
        assert "as the user who started the listener" in the_line(completed)
        assert daemon.running
        assert await daemon.stop() == 0


ERRORS = [(None, 78, False), (401, 77, False), (404, 78, False), (500, 69, True)]


@pytest.mark.parametrize(("refusal", "status", "retryable"), ERRORS)
async def test_a_failure_as_json_is_one_object(
    site: Site, backend: Backend, refusal: int | None, status: int, retryable: bool
) -> None:
    if refusal is None:
        site.env["VIDEO_DB_API_KEY"] = None
    else:
        backend.rest += [Reply(refusal, {"success": False, "message": "no"})] * 20
    patience = ("--startup-timeout", "3s") if refusal == 500 else ()  # the others end by themselves
    completed = await ended(site.daemon("--log-format", "json", *patience, "--min-backoff", "10ms"))
    assert completed.status == status
    lines = [json.loads(line) for line in completed.stderr.splitlines()]
    (failure,) = [line for line in lines if "retryable" in line]
    assert set(failure) == {"error", "code", "fix", "retryable"}
    assert failure["retryable"] is retryable
    assert all(isinstance(failure[name], str) and failure[name] for name in ("error", "code", "fix"))


async def test_a_busy_directory_as_json_is_one_object(site: Site) -> None:
    async with site.daemon() as first:
        await first.ws_id()
        completed = await ended(site.daemon("--log-format", "json"))
        failure = json.loads(the_line(completed))
        assert set(failure) == {"error", "code", "fix", "retryable"}
        assert failure["retryable"] is False
        assert str(first.pid) in failure["error"] + failure["fix"]
        assert await first.stop() == 0


async def test_a_directory_whose_name_is_no_text_is_spelled_out_in_json(site: Site) -> None:
    site.directory = Path(os.fsdecode(os.fsencode(site.home) + b"/d\xff"))
    assert (await site.run("start")).status == 0
    answer = await site.run("status", "--json")
    assert (answer.status, json.loads(answer.stdout)["directory"]) == (0, f"{site.home}/d\\udcff")
    for command in ("run", "start --clear"):
        busy = await site.run(*command.split(), "--log-format", "json", "--log-level", "warning")
        assert (busy.status, busy.stdout) == (75, "")
        assert "/d\\udcff" in json.loads(the_line(busy))["error"]
    assert (await site.run("stop")).status == 0


async def test_every_line_of_a_json_log_is_an_object(site: Site, backend: Backend) -> None:
    async with site.daemon("--log-format", "json", "--log-level", "debug", "--min-backoff", "10ms") as daemon:
        await daemon.ws_id()
        (await backend.peer()).rst()
        await daemon.ws_id()
        assert await daemon.stop() == 0
    lines = daemon.stderr.splitlines()
    assert lines
    assert all(isinstance(json.loads(line), dict) for line in lines)


async def test_a_message_for_people_carries_its_time(site: Site) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        assert await daemon.stop() == 0
    assert daemon.stderr
    for line in daemon.stderr.splitlines():
        assert line[0] == "["
        assert line[9:11] == "] "
        hours, minutes, seconds = line[1:9].split(":")
        assert (int(hours) < 24, int(minutes) < 60, int(seconds) < 61) == (True, True, True)
