"""Signals, second instances, reused process ids, and streams that nobody reads."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from faults.inject import QUICK, Stream, Trace, event, run_in, strace, tmpfs
from support.backend import Backend, Peer
from support.daemon import PYTHON, Daemon, Site
from support.ledger import Ledger
from support.lines import after_stamps
from support.watching import file_matches, lines_written

BURST = 20_000


def lock_is_free(site: Site) -> bool:
    with site.files.lock.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


# -- a second instance --


@pytest.mark.parametrize(("id", "args"), [("40", ()), ("41", ("--clear",))])
async def test_second_instances_in_a_burst_change_nothing(
    site: Site, backend: Backend, ledger: Ledger, id: str, args: tuple[str, ...]
) -> None:
    stream = Stream(site, size=300)
    async with site.daemon(*QUICK) as first:
        ws_id = await first.ws_id()
        peer = await backend.greeted()
        await stream.send_and_see(peer, 100)
        sending = asyncio.create_task(stream.send(peer, BURST))
        async with site.daemon(*args) as b, site.daemon(*args) as c:
            statuses = [await second.exit_status() for second in (b, c)]
            named = sum(str(first.pid) in second.stderr for second in (b, c))
        await sending
        await lines_written(site.files.events, len(stream.sent))
        assert site.files.ws_id.read_text() == ws_id
        assert site.files.pid.read_text() == str(first.pid)
        assert await first.stop() == 0
    found = stream.on_disk()
    ledger.row(
        id,
        f"two more listeners in the same directory {' '.join(args)}".strip(),
        sent=len(stream.sent),
        on_disk=len(found),
        fired=f"their statuses: {statuses}; {named} of 2 name the pid of the first",
    )
    assert statuses == [75, 75]
    assert named == 2
    assert found == stream.sent
    assert len(backend.upgrades) == len(backend.requests) == 1


# -- a reused process id --

REUSE = """
set -u
number() { echo "$1" > /proc/sys/kernel/ns_last_pid; }
mkfifo "$D.ids"
number 499
"$@" run --dir "$D" > "$D.ids" 2> /dev/null &
daemon=$!
read -r connected < "$D.ids"
kill -KILL $daemon
wait $daemon
number 499
sleep 1000 &
innocent=$!
echo "innocent=$innocent daemon=$daemon file=$(cat "$D/videodb_ws_pid")"
"$@" stop --dir "$D"
echo "stop=$?"
"$@" status --dir "$D" > /dev/null 2>&1
echo "status=$?"
kill -0 $innocent && echo alive
kill -KILL $innocent
"""


@pytest.fixture
def pid_namespace(root: None, tool: Callable[[str, str], str]) -> list[str]:
    """The prefix of a command that runs it where process ids can be chosen."""
    prefix = [tool("unshare", "util-linux"), "--fork", "--pid", "--mount-proc", "--kill-child"]
    tried = subprocess.run([*prefix, "true"], capture_output=True, text=True, check=False)
    return pytest.skip(f"no PID namespace here: {tried.stderr.strip()}") if tried.returncode else prefix


async def test_stop_leaves_a_process_alone_that_got_the_id_of_a_killed_daemon(
    site: Site, backend: Backend, ledger: Ledger, pid_namespace: list[str]
) -> None:
    """In a PID namespace the next id can be chosen: the innocent process really has the daemon's."""
    site.env["D"] = str(site.directory)
    command = [*pid_namespace, "sh", "-c", REUSE, "sh", PYTHON, "-m", "videodb_listen"]
    async with Daemon(site, command=command) as shell:
        await shell.exit_status()
    said = dict(word.split("=") for word in shell.stdout.split() if "=" in word)
    alive = "alive" in shell.stdout.split()
    ledger.row(
        "46",
        "the daemon is killed, its id is given to another process, then `stop`",
        sent=0,
        on_disk=0,
        fired=f"in a PID namespace: {' '.join(shell.stdout.split())}",
    )
    assert said["innocent"] == said["daemon"] == said["file"] == "500", repr(shell)
    assert alive
    assert (said["stop"], said["status"]) == ("0", "3")
    assert len(backend.peers) == 1


@pytest.mark.usefixtures("needs_strace")
async def test_stop_leaves_a_process_alone_whose_id_a_crashed_daemon_left_to_the_next(
    site: Site, backend: Backend, ledger: Ledger, tmp_path: Path
) -> None:
    """The next daemon holds the lock, and the pid file of the last is still there: it must not be believed."""
    trace = Trace(tmp_path / "trace")
    site.directory.mkdir(mode=0o700)
    async with Daemon(site, command=["sleep", "1000"]) as innocent:
        site.files.pid.write_text(str(innocent.pid))
        temporary = site.files.pid.with_name("videodb_ws_pid.tmp")
        prefix = strace(trace.path, ["rename:delay_enter=2000000"], [temporary])
        async with run_in(site, prefix, *QUICK) as daemon:
            await file_matches(temporary, lambda data: data == str(daemon.pid).encode())
            believed = site.files.pid.read_text() == str(innocent.pid) and not lock_is_free(site)
            stopping = await site.run("stop")
            alive = innocent.running
            assert await daemon.exit_status() == 0
        ledger.row(
            "46",
            "`stop` between the lock and the pid file of a daemon that follows a crashed one",
            sent=0,
            on_disk=0,
            fired=f"strace delayed {trace.delayed()} rename; the lock was held and the file named the innocent: "
            f"{believed}; stop: {stopping.status}; the innocent process {'lives' if alive else 'was ended'}",
        )
        assert believed
        assert alive, stopping
        assert (stopping.status, stopping.stderr) == (0, f"stopped (pid {daemon.pid})\n")
    assert not backend.peers


# -- signals --


async def burst(peer: Peer) -> None:
    """Send many events, some more once the client says Close, and only then answer it."""
    await peer.hello()
    await peer.burst(event(n, 300) for n in range(BURST))
    await peer.wait_close()
    await peer.burst(event(n, 300) for n in range(BURST, BURST + 1000))


async def burst_without_an_end(peer: Peer) -> None:
    """The same, but the Close is never answered."""
    await burst(peer)
    await peer.wait_gone()


async def test_sigterm_in_a_burst_keeps_all_that_came_before_the_answer(lone_site: Site, ledger: Ledger) -> None:
    async with Backend([burst]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon(*QUICK, "--drain", "20") as daemon:
            await lines_written(lone_site.files.events, 300)
            daemon.signal(signal.SIGTERM)
            before = len(backend.peers[0].sent)
            status = await daemon.exit_status()
        sent = backend.peers[0].sent
        found = [after_stamps(line) for line in lone_site.lines()]
    ledger.row(
        "42",
        "SIGTERM in a burst",
        sent=len(sent),
        on_disk=len(found),
        fired=f"{len(sent) - before} events were sent after the signal; status {status}",
    )
    assert len(sent) == BURST + 1000 > before
    assert status == 0
    assert found == sent
    assert not lone_site.files.pid.exists()


async def test_a_second_sigterm_in_a_burst_is_0_and_keeps_what_came(lone_site: Site, ledger: Ledger) -> None:
    async with Backend([burst_without_an_end]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon(*QUICK, "--drain", "10m") as daemon:
            await lines_written(lone_site.files.events, 300)
            daemon.signal(signal.SIGTERM)
            await backend.peers[0].wait_close()
            began = time.monotonic()
            daemon.signal(signal.SIGTERM)
            status = await daemon.exit_status()
            took_s = time.monotonic() - began
        sent = backend.peers[0].sent
        found = [after_stamps(line) for line in lone_site.lines()]
    ledger.row(
        "43",
        "SIGTERM in a burst, a second one when the Close has been sent",
        sent=len(sent),
        on_disk=len(found),
        fired=f"a drain of 10 min was cut after {took_s:.2f} s; status {status}",
    )
    assert status == 0
    assert found == sent[: len(found)]
    assert len(found) >= 300
    assert not lone_site.files.pid.exists()


@pytest.mark.usefixtures("needs_prlimit")
@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2, signal.SIGQUIT, signal.SIGALRM])
async def test_a_signal_that_is_not_ours_ends_it_like_a_crash(
    site: Site, backend: Backend, ledger: Ledger, number: signal.Signals
) -> None:
    stream = Stream(site)
    async with run_in(site, ["prlimit", "--core=0"], *QUICK) as daemon:
        await daemon.ws_id()
        await stream.send_and_see(await backend.greeted(), 50)
        daemon.signal(number)
        status = await daemon.exit_status()
    free = lock_is_free(site)
    async with site.daemon(*QUICK) as daemon:
        await daemon.ws_id()
        await stream.send_and_see(await backend.greeted(1), 50)
        assert await daemon.stop() == 0
    found = stream.on_disk()
    ledger.row(
        "44",
        f"{number.name}, then a new start",
        sent=100,
        on_disk=len(found),
        fired=f"status {status}; the lock was {'free' if free else 'held'}",
    )
    assert status == -number
    assert free
    assert found == stream.sent


async def test_sighup_is_no_end(site: Site, backend: Backend, ledger: Ledger) -> None:
    stream = Stream(site)
    async with site.daemon(*QUICK) as daemon:
        await daemon.ws_id()
        peer = await backend.greeted()
        for _ in range(10):
            daemon.signal(signal.SIGHUP)
            await stream.send_and_see(peer, 10)
        await daemon.stderr_line("SIGHUP")
        assert await daemon.stop() == 0
        said = daemon.stderr.count("SIGHUP")
    found = stream.on_disk()
    ledger.row("44", "SIGHUP, ten times", sent=100, on_disk=len(found), fired=f"said {said} times on stderr")
    assert found == stream.sent
    assert len(backend.peers) == 1


@pytest.mark.parametrize("after", [1, 100, 5000, 15_000])
async def test_kill_9_in_a_burst_leaves_whole_lines(lone_site: Site, ledger: Ledger, after: int) -> None:
    async def endless(peer: Peer) -> None:
        await peer.hello()
        await peer.burst(event(n, 300) for n in range(BURST * 3))

    async with Backend([endless]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon(*QUICK) as daemon:
            await lines_written(lone_site.files.events, after)
            await daemon.kill()
        left = lone_site.files.events.read_bytes()
        sent = len(backend.peers[0].sent)
    whole = left.count(b"\n")
    async with Backend() as backend:
        lone_site.backend = backend
        async with lone_site.daemon(*QUICK) as daemon:
            await daemon.ws_id()
            await (await backend.greeted()).event(b'{"last":1}')
            await file_matches(lone_site.files.events, lambda data: data.endswith(b'"last":1}\n'))
            assert await daemon.stop() == 0
    found = [after_stamps(line) for line in lone_site.lines()]
    ledger.row(
        "45",
        f"SIGKILL in a burst, after {after} lines",
        sent=sent,
        on_disk=whole,
        fired="status -9; the rest was in the socket or in memory",
    )
    assert left.endswith(b"\n"), "the kernel tears no line on a disk with room"
    assert found == [*(event(n, 300) for n in range(whole)), b'{"last":1}']


# -- streams --


@contextmanager
def pipe() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    read, write = os.pipe()
    with os.fdopen(read, "rb", buffering=0) as reader, os.fdopen(write, "wb", buffering=0) as writer:
        yield reader, writer


def stdout_of(pid: int) -> str:
    return str(Path(f"/proc/{pid}/fd/1").readlink())


REDIRECTIONS = {
    "stdout closed": (">&-", "/dev/null"),
    "stdout full": ("> /dev/full", "/dev/full"),
    "stdout and stderr full": ("> /dev/full 2>&1", "/dev/full"),
    "all closed": ("<&- >&- 2>&-", "/dev/null"),
}


@pytest.mark.parametrize("how", REDIRECTIONS)
async def test_a_stdout_that_takes_nothing(site: Site, backend: Backend, ledger: Ledger, how: str) -> None:
    redirection, target = REDIRECTIONS[how]
    stream = Stream(site, size=200)
    async with run_in(site, ["sh", "-c", f'exec "$@" {redirection}', "sh"], "--output", "json") as daemon:
        peer = await backend.greeted()
        await stream.send_and_see(peer, 5000)
        stdout = stdout_of(daemon.pid)
        assert await daemon.stop() == 0
    found = stream.on_disk()
    ledger.row("50", how, sent=5000, on_disk=len(found), fired=f"stdout of the daemon was {stdout}")
    assert stdout == target
    assert found == stream.sent


async def test_a_stdout_whose_reader_has_gone(site: Site, backend: Backend, ledger: Ledger) -> None:
    stream = Stream(site, size=200)
    with pipe() as (reader, writer):
        async with site.daemon("--output", "json", stdout=writer) as daemon:
            writer.close()
            peer = await backend.greeted()
            await stream.send_and_see(peer, 10)
            reader.close()
            await stream.send_and_see(peer, 5000)
            assert await daemon.stop() == 0
    found = stream.on_disk()
    dropped = site.state()["dropped_previews"]
    ledger.row(
        "50",
        "the reader of stdout leaves",
        sent=len(stream.sent),
        on_disk=len(found),
        fired=f"{dropped} copies dropped",
    )
    assert dropped > 0
    assert found == stream.sent


async def test_a_stdout_that_is_full_holds_up_neither_lines_nor_sigterm(
    site: Site, backend: Backend, ledger: Ledger
) -> None:
    stream = Stream(site, size=200)
    with pipe() as (reader, writer):
        async with site.daemon("--output", "json", stdout=writer) as daemon:
            writer.close()
            peer = await backend.greeted()
            await stream.send_and_see(peer, BURST)
            waiting = int.from_bytes(fcntl.ioctl(reader, 0x541B, b"\0" * 4), "little")  # FIONREAD
            assert await daemon.stop() == 0
    found = stream.on_disk()
    dropped = site.state()["dropped_previews"]
    ledger.row(
        "51",
        "a pipe that nobody reads",
        sent=BURST,
        on_disk=len(found),
        fired=f"{waiting} bytes waited in the pipe; {dropped} copies dropped, and counted",
    )
    assert waiting > 60_000
    assert dropped > 0
    assert found == stream.sent


@pytest.mark.usefixtures("needs_mounts")
async def test_no_id_and_no_warning_is_lost_to_a_full_disk_under_stdout_and_stderr(
    site: Site, backend: Backend, ledger: Ledger, tmp_path: Path
) -> None:
    with (
        tmpfs(tmp_path / "small", "64k") as small,
        (small / "out").open("ab") as out,
        (small / "err").open("ab") as err,
    ):
        async with site.daemon("--output", "json", "--min-backoff", "10ms", stdout=out, stderr=err):
            stream = Stream(site, size=1000)
            await stream.send_and_see(await backend.greeted(), 1)
            for filler in ("filler", "last"):
                with (small / filler).open("wb", buffering=0) as file, contextlib.suppress(OSError):
                    file.write(b"x" * (1 << 20))
            free = os.statvfs(small).f_bavail
            for index in range(3):
                await stream.send_and_see(await backend.greeted(index), 50)
                (await backend.greeted(index)).rst()
            last = await backend.greeted(3)
            await site.id_published(last.id)
            (small / "filler").unlink()
            await file_matches(small / "out", lambda data: f"WS_ID={last.id}\n".encode() in data)
            await file_matches(small / "err", lambda data: last.id.encode() in data)
        ids = [line[6:] for line in (small / "out").read_text().splitlines() if line.startswith("WS_ID=")]
        said = (small / "err").read_text()
    ledger.row(
        "50",
        "the disk under stdout and stderr is full for three reconnects",
        sent=len(stream.sent),
        on_disk=len(stream.on_disk()),
        fired=f"statvfs: {free} bytes free; {len(ids)} ids of {len(backend.peers)} connections",
    )
    assert free == 0
    assert ids == [peer.id for peer in backend.peers]
    assert all(f"bound to {peer.id}" in said for peer in backend.peers[:-1])


async def test_a_stdout_that_is_read_slowly_costs_copies_only(site: Site, backend: Backend, ledger: Ledger) -> None:
    """A reader that takes 64 bytes now and then: whole copies come, or none."""
    stream = Stream(site, size=200)
    with pipe() as (reader, writer):
        os.set_blocking(reader.fileno(), False)
        async with site.daemon("--output", "json", stdout=writer) as daemon:
            writer.close()
            peer = await backend.greeted()
            read = bytearray()
            for _ in range(BURST // 500):
                await stream.send_and_see(peer, 500)
                with contextlib.suppress(BlockingIOError):
                    read += os.read(reader.fileno(), 64)
            await file_matches(site.files.state, lambda _: site.state()["dropped_previews"] > 0)
            os.set_blocking(reader.fileno(), True)
            daemon.signal(signal.SIGTERM)
            while more := await asyncio.to_thread(os.read, reader.fileno(), 1 << 16):
                read += more
            assert await daemon.exit_status() == 0
    found = stream.on_disk()
    copies = bytes(read).splitlines()[1:]
    dropped = site.state()["dropped_previews"]
    ledger.row(
        "51",
        "a reader that takes 64 bytes for every 500 events",
        sent=BURST,
        on_disk=len(found),
        fired=f"{len(copies)} copies read, {dropped} dropped, and counted",
    )
    assert found == stream.sent
    assert len(copies) + dropped == BURST
    lines = set(site.lines())
    assert all(copy in lines for copy in copies[:-1])
