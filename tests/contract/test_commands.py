"""`start`, `stop`, `status` and `id`: a listener in the hands of a script."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from inotify_simple import INotify, flags

from support.backend import Backend, Peer, Reply, greet, mute
from support.daemon import Site
from support.waiting import LIMIT_S
from support.watching import file_matches

KEYS = {"version", "phase", "pid", "started_unix_ts", "ws_id", "connects", "events", "gaps", "error"}


def is_alive(pid: int) -> bool:
    """Return whether the process runs; one that nobody has reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def status(site: Site) -> tuple[int, dict[str, Any]]:
    """Return the exit status and the object of `status --json`."""
    completed = await site.run("status", "--json")
    answer: dict[str, Any] = json.loads(completed.stdout)
    return completed.status, answer


# -- start and stop --


async def test_start_returns_when_connected_and_leaves_a_listener_behind(site: Site, backend: Backend) -> None:
    completed = await site.run("start", "--clear")
    peer = await backend.greeted()
    assert (completed.status, completed.stdout) == (0, f"WS_ID={peer.id}\n")
    assert site.files.ws_id.read_text() == peer.id
    pid = int(site.files.pid.read_text())
    assert os.getsid(pid) != os.getsid(0), "a listener that shares our session dies with the terminal"
    code, answer = await status(site)
    assert (code, answer["connected"], answer["pid"]) == (0, True, pid)
    await peer.event({"channel": "alert"})
    await site.written(1)

    again = await site.run("start")
    assert (again.status, again.stdout) == (0, f"WS_ID={peer.id}\n")
    assert len(backend.upgrades) == 1

    clearing = await site.run("start", "--clear")
    assert (clearing.status, clearing.stdout) == (75, "")
    assert str(pid) in clearing.stderr
    assert "stop" in clearing.stderr
    assert len(site.lines()) == 1

    stopped = await site.run("stop")
    assert stopped.status == 0
    assert not is_alive(pid)
    assert not site.files.pid.exists()
    assert not site.files.ws_id.exists()
    assert site.state()["phase"] == "stopped"
    assert (await site.run("stop")).status == 0


async def test_start_again_after_stop_and_the_events_stay(site: Site, backend: Backend) -> None:
    for index in range(2):
        assert (await site.run("start")).status == 0
        await (await backend.greeted(index)).event({"n": index})
        await site.written(index + 1)
        assert (await site.run("stop")).status == 0
    assert [record["n"] for record in site.records()] == [0, 1]


FAILURES = [(401, 77), (403, 77), (404, 78), (500, 69)]


@pytest.mark.parametrize(("refusal", "code"), FAILURES)
async def test_start_fails_as_its_daemon_fails(site: Site, backend: Backend, refusal: int, code: int) -> None:
    backend.rest += [Reply(refusal, {"success": False, "message": "we are closed"})] * 20
    completed = await site.run("start", "--startup-timeout", "3s", "--min-backoff", "10ms")
    assert (completed.status, completed.stdout) == (code, "")
    assert str(refusal) in completed.stderr or "we are closed" in completed.stderr
    assert "Traceback" not in completed.stderr
    assert (await status(site))[1]["running"] is False


async def test_start_without_a_key_is_78_with_the_daemons_message(site: Site) -> None:
    site.env["VIDEO_DB_API_KEY"] = None
    completed = await site.run("start")
    assert (completed.status, completed.stdout) == (78, "")
    assert "VIDEO_DB_API_KEY" in completed.stderr


async def test_start_that_fails_destroys_nothing(site: Site, backend: Backend) -> None:
    backend.rest += [Reply(401)] * 3
    site.directory.mkdir()
    site.files.events.write_bytes(b'{"old":1}\n')
    assert (await site.run("start", "--clear")).status == 77
    assert site.files.events.read_bytes() == b'{"old":1}\n'


async def looks_at(looks: INotify, times: int) -> None:
    """Wait until what is watched has been opened so many times."""
    seen = 0
    while seen < times:
        opened = await asyncio.to_thread(looks.read, timeout=int(LIMIT_S * 1000))
        assert opened, "nobody looks any more"
        seen += len(opened)


@pytest.mark.parametrize("args", [(), ("--clear",)], ids=["as it is", "clear"])
async def test_start_takes_the_place_of_a_listener_that_is_stopping(lone_site: Site, args: tuple[str, ...]) -> None:
    answering = asyncio.Event()

    async def lingering(peer: Peer) -> None:
        await peer.hello()
        await peer.wait_close()
        await answering.wait()

    async with Backend([lingering, greet]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon("--drain", "1h") as daemon:
            await daemon.ws_id()
            daemon.signal(signal.SIGTERM)
            await lone_site.phase("stopping")
            with INotify() as looks:
                looks.add_watch(lone_site.files.lock, flags.OPEN)
                starting = asyncio.create_task(lone_site.run("start", *args))
                await looks_at(looks, 3)  # it has seen that the lock is held
            answering.set()
            assert await daemon.exit_status() == 0
        completed = await starting
        peer = await backend.greeted(1)
        assert (completed.status, completed.stdout) == (0, f"WS_ID={peer.id}\n")
        assert (await lone_site.run("stop")).status == 0


async def test_start_does_not_wait_for_ever_for_a_listener_that_is_stopping(lone_site: Site) -> None:
    async def stubborn(peer: Peer) -> None:
        await peer.hello()
        await peer.wait_gone()

    async with Backend([stubborn]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon("--drain", "1h") as daemon:
            await daemon.ws_id()
            daemon.signal(signal.SIGTERM)
            await lone_site.phase("stopping")
            completed = await lone_site.run("start", "--clear", "--startup-timeout", "200ms")
            assert (completed.status, completed.stdout) == (124, "")
            assert "stopping" in completed.stderr
            assert await daemon.stop() == 0  # the second signal cuts the drain


async def test_start_is_3_when_its_daemon_is_stopped_before_it_connected(lone_site: Site) -> None:
    async with Backend([mute]) as backend:
        lone_site.backend = backend
        starting = asyncio.create_task(lone_site.run("start"))
        await backend.peer()
        assert (await lone_site.run("stop")).status == 0
        completed = await starting
    assert (completed.status, completed.stdout) == (3, "")
    assert "stopped before it was connected" in completed.stderr


@pytest.mark.parametrize(("variable", "args"), [("200ms", ()), ("1h", ("--startup-timeout", "200ms"))])
async def test_start_waits_for_a_running_listener_as_long_as_its_setting_says(
    lone_site: Site, variable: str, args: tuple[str, ...]
) -> None:
    async with Backend([mute]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon() as daemon:
            await backend.peer()
            lone_site.env["VIDEODB_LISTEN_STARTUP_TIMEOUT"] = variable
            completed = await lone_site.run("start", *args)
            assert (completed.status, completed.stdout) == (124, "")
            assert await daemon.stop() == 0


async def test_stop_ends_a_listener_in_the_foreground_too(site: Site) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        assert (await site.run("stop")).status == 0
        assert await daemon.exit_status() == 0


async def test_stop_after_a_crash_is_0_and_harms_nobody(site: Site) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        await daemon.kill()
    bystander = await asyncio.create_subprocess_exec("cat", stdin=asyncio.subprocess.PIPE)
    try:
        site.files.pid.write_text(str(bystander.pid))
        assert (await site.run("stop")).status == 0
        assert bystander.returncode is None
        assert is_alive(bystander.pid)
    finally:
        assert bystander.stdin is not None
        bystander.stdin.close()
        assert await bystander.wait() == 0


# -- status --


async def test_status_in_every_phase(site: Site, backend: Backend) -> None:
    def is_(answer: dict[str, Any], phase: str, *, running: bool, connected: bool) -> bool:
        return (answer["phase"], answer["running"], answer["connected"]) == (phase, running, connected)

    code, answer = await status(site)
    assert code == 3
    assert is_(answer, "stopped", running=False, connected=False)

    async with site.daemon("--min-backoff", "10ms") as daemon:
        connection_id = await daemon.ws_id()
        code, answer = await status(site)
        assert code == 0
        assert is_(answer, "connected", running=True, connected=True)
        assert set(answer) >= KEYS | {"running", "connected", "directory"}
        assert (answer["ws_id"], answer["pid"]) == (connection_id, daemon.pid)
        assert Path(answer["directory"]) == site.directory

        backend.rest += [Reply(hang=True)] * 9
        (await backend.peer()).rst()
        await site.phase("reconnecting")
        code, answer = await status(site)
        assert code == 4
        assert is_(answer, "reconnecting", running=True, connected=False)

        assert await daemon.stop() == 0
    code, answer = await status(site)
    assert code == 3
    assert is_(answer, "stopped", running=False, connected=False)

    backend.rest.clear()
    async with site.daemon() as daemon:
        await daemon.ws_id()
        await daemon.kill()
    code, answer = await status(site)
    assert code == 3
    assert is_(answer, "crashed", running=False, connected=False)


async def test_status_while_starting_is_4(site: Site, backend: Backend) -> None:
    backend.rest.append(Reply(hang=True))
    async with site.daemon() as daemon:
        await backend.until(lambda: len(backend.requests) == 1, "the first call")
        code, answer = await status(site)
        assert (code, answer["phase"], answer["running"], answer["connected"]) == (4, "starting", True, False)
        assert await daemon.stop() == 0


async def test_status_of_a_stopped_process_is_not_connected(site: Site) -> None:
    """The truth comes from the lock and the last pong: a suspended daemon holds the lock, and its pong grows old."""
    async with site.daemon("--ping-interval", "100ms", "--ping-timeout", "200ms") as daemon:
        await daemon.ws_id()
        await file_matches(site.files.state, lambda data: json.loads(data)["last_pong_unix_ts"] is not None)
        daemon.signal(signal.SIGSTOP)
        code, answer = await status(site)
        while code == 0:  # a command takes about as long as a pong may be old
            code, answer = await status(site)
        assert (code, answer["running"], answer["connected"]) == (4, True, False)
        daemon.signal(signal.SIGCONT)
        await daemon.kill()


@pytest.mark.parametrize("word", ["connected", "{ws_id}", "{pid}"])
async def test_status_for_people_says_what_matters(site: Site, word: str) -> None:
    async with site.daemon() as daemon:
        connection_id = await daemon.ws_id()
        completed = await site.run("status")
        assert completed.status == 0
        assert word.format(ws_id=connection_id, pid=daemon.pid) in completed.stdout
        assert len(completed.stdout.splitlines()) < 40
        await daemon.kill()


# -- id --


async def test_id_prints_the_live_id_and_nothing_else(site: Site) -> None:
    async with site.daemon() as daemon:
        connection_id = await daemon.ws_id()
        completed = await site.run("id")
        assert (completed.status, completed.stdout, completed.stderr) == (0, f"{connection_id}\n", "")
        await daemon.kill()
    assert site.files.ws_id.exists()
    assert (await site.run("id")).status == 3, "the id that a crash left behind is nobody's"


async def test_what_a_crash_left_is_not_taken_for_the_next_listener_that_holds_the_lock(site: Site) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        await site.phase("connected")
        await daemon.kill()
    assert site.files.ws_id.exists()
    with site.files.lock.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        completed = await site.run("id", "--timeout", "0")
        assert (completed.status, completed.stdout) == (124, "")
        code, answer = await status(site)
        assert (code, answer["phase"], answer["connected"], answer["ws_id"]) == (4, "starting", False, None)


async def test_id_waits_through_a_reconnect(site: Site, backend: Backend) -> None:
    gate = asyncio.Event()
    async with site.daemon("--min-backoff", "10ms") as daemon:
        await daemon.ws_id()
        backend.rest.append(Reply(500, until=gate))
        (await backend.peer()).rst()
        await site.id_removed()
        await backend.until(lambda: len(backend.requests) == 2, "the call that waits")
        with INotify() as looks:
            looks.add_watch(site.files.lock, flags.OPEN)
            asking = asyncio.create_task(site.run("id", "--timeout", "20s"))
            await looks_at(looks, 2)  # it waits
        gate.set()
        completed = await asking
        assert (completed.status, completed.stdout) == (0, f"{await daemon.ws_id()}\n")
        await daemon.kill()


async def test_id_ends_with_3_when_the_listener_ends_while_it_waits(lone_site: Site) -> None:
    async with Backend([mute]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon() as daemon:
            await backend.peer()
            with INotify() as looks:
                looks.add_watch(lone_site.files.lock, flags.OPEN)
                asking = asyncio.create_task(lone_site.run("id", "--timeout", "20s"))
                await looks_at(looks, 2)  # it waits
            assert await daemon.stop() == 0
            assert (await asking).status == 3


# -- --clear --


async def test_clear_truncates_in_place_after_the_hello(site: Site, backend: Backend) -> None:
    site.directory.mkdir()
    site.files.events.write_bytes(b'{"old":1}\n')
    inode = site.files.events.stat().st_ino
    async with site.daemon("--clear") as daemon:
        await daemon.ws_id()
        assert site.files.events.read_bytes() == b""
        await (await backend.peer()).event({"new": 1})
        (record,) = await site.written(1)
        assert record["new"] == 1
        assert site.files.events.stat().st_ino == inode, "otherwise `tail -f` stays with the old file"
        assert await daemon.stop() == 0


async def test_without_clear_the_file_grows(site: Site, backend: Backend) -> None:
    site.directory.mkdir()
    site.files.events.write_bytes(b'{"old":1}\n')
    async with site.daemon() as daemon:
        await daemon.ws_id()
        await (await backend.peer()).event({"new": 1})
        await site.written(2)
        assert await daemon.stop() == 0
    assert site.files.events.read_bytes().startswith(b'{"old":1}\n{"ts":')


async def test_clear_keeps_the_events_that_came_before_the_hello(lone_site: Site) -> None:
    async def early(peer: Peer) -> None:
        await peer.event({"early": 1})
        await peer.hello()

    lone_site.directory.mkdir()
    lone_site.files.events.write_bytes(b'{"old":1}\n')
    async with Backend([early]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon("--clear") as daemon:
            await daemon.ws_id()
            (record,) = await lone_site.written(1)
            assert record["early"] == 1
            assert await daemon.stop() == 0


@pytest.mark.parametrize("refusal", [401, 404])
async def test_clear_of_a_start_that_fails_destroys_nothing(site: Site, backend: Backend, refusal: int) -> None:
    backend.rest.append(Reply(refusal))
    site.directory.mkdir()
    site.files.events.write_bytes(b'{"old":1}\n')
    async with site.daemon("--clear") as daemon:
        assert await daemon.exit_status() in {77, 78}
    assert site.files.events.read_bytes() == b'{"old":1}\n'
