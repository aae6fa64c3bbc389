"""A listener seen from outside: the lock is held by the test, or by a process of its own."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
import pytest

from videodb_listen import service
from videodb_listen.errors import Bug, CannotStop, ConfigurationError, DirectoryBusy, NotRunning, TimedOut
from videodb_listen.paths import Layout
from videodb_listen.presence import State
from videodb_listen.system import locks


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def publish(layout: Layout, pid: int, phase: str, **fields: Any) -> None:
    """Write the state and the pid file of a listener that is process `pid`."""
    state = State(phase=phase, pid=pid, started_unix_ts=time.time(), **fields)
    layout.state.write_bytes(orjson.dumps(asdict(state)))
    layout.pid.write_text(str(pid))


@contextmanager
def held(layout: Layout, phase: str = "starting", **fields: Any) -> Iterator[None]:
    """Be a listener that owns the directory, for the length of the block."""
    descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        publish(layout, os.getpid(), phase, **fields)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def connected(layout: Layout) -> Iterator[None]:
    with held(layout, "connected", proven_unix_ts=time.time()):
        layout.ws_id.write_text("conn-1=")
        yield


# -- how it is --


def test_the_live_id_is_that_of_a_connection_that_is_proven(layout: Layout) -> None:
    with connected(layout):
        assert service.status(layout).connected
        assert service.live_id(layout, 0.0) == "conn-1="


def test_without_a_listener_there_is_no_id_to_wait_for(layout: Layout) -> None:
    layout.ws_id.write_text("conn-0=")
    with pytest.raises(NotRunning, match="no listener runs in"):
        service.live_id(layout, None)


def test_an_id_that_does_not_come_in_time_says_in_which_phase_the_listener_is(layout: Layout) -> None:
    with held(layout, "reconnecting"), pytest.raises(TimedOut, match="is reconnecting and had no connection id"):
        service.live_id(layout, 0.0)


# -- starting --


def test_a_listener_that_runs_is_not_started_again_and_needs_no_key(layout: Layout) -> None:
    def no_key() -> str:
        raise ConfigurationError("no such file", fix="look for it")

    with connected(layout):
        assert service.start(layout, ["--nonsense"], 0.0, key=no_key) == "conn-1="


def test_a_file_that_is_to_be_emptied_is_not_taken_from_a_listener_that_runs(layout: Layout) -> None:
    with connected(layout), pytest.raises(DirectoryBusy, match=rf"since \d\d:\d\d:\d\d \(pid {os.getpid()}\)"):
        service.start(layout, [], 0.0, clear=True)


def test_a_listener_that_does_not_come_to_its_end_in_time_is_not_waited_for(layout: Layout) -> None:
    with held(layout, "stopping"), pytest.raises(TimedOut, match="is stopping and was not gone"):
        service.start(layout, [], 0.0)


def test_a_launch_that_fails_raises_what_the_daemon_failed_with(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEO_DB_API", "ftp://nowhere")
    monkeypatch.setenv("VIDEO_DB_API_KEY", "sk-test")
    with pytest.raises(ConfigurationError, match="ftp://nowhere is not https"):
        service.start(layout, ["--dir", str(layout.directory)], None)
    assert b"ftp://nowhere" in layout.log.read_bytes()


@pytest.mark.parametrize(("program", "error"), [("raise SystemExit(9)", Bug), ("", NotRunning)])
def test_a_daemon_that_ends_without_a_word_is_told_by_its_status(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, program: str, error: type[Exception]
) -> None:
    stub = layout.directory / "python"
    stub.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{program}'\n")
    stub.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(stub))
    with pytest.raises(error):
        service.start(layout, [], None)


# -- stopping --

HOLDER = """
import fcntl, os, signal, sys, time
lock = open(sys.argv[1], "w")
fcntl.flock(lock, fcntl.LOCK_EX)
if sys.argv[3] == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if sys.argv[3] == "survived by its child" and not os.fork():
    sys.stdin.read()
    os._exit(0)
open(sys.argv[2], "w").write(str(os.getpid()))
print("ready", flush=True)
signal.pause()
"""


@contextmanager
def holder(layout: Layout, manner: str = "good") -> Iterator[subprocess.Popen[bytes]]:
    """A process that owns the directory."""
    words = [sys.executable, "-S", "-c", HOLDER, str(layout.lock), str(layout.pid), manner]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def as_soon_as_it_is_free(layout: Layout) -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits for the directory, and then owns it."""
    words = ["flock", str(layout.lock), "sleep", "1000"]
    with subprocess.Popen(words) as process:
        while f" {process.pid} " not in Path("/proc/locks").read_text():
            assert process.poll() is None
        yield process
        process.kill()


def test_nothing_that_runs_is_nothing_to_stop(layout: Layout) -> None:
    layout.pid.write_text(str(os.getpid()))  # of a crash: the number is ours now
    assert service.stop(layout, 0.0, after=["capture_session.exported"]) is None


def test_a_listener_is_ended_and_named(layout: Layout) -> None:
    with holder(layout) as process:
        assert service.stop(layout, 20.0) == process.pid
        assert process.wait() == -signal.SIGTERM


def test_an_event_that_does_not_come_leaves_the_listener_as_it_is(layout: Layout) -> None:
    with holder(layout) as process:
        publish(layout, process.pid, "connected")
        with pytest.raises(TimedOut, match="no such event"):
            service.stop(layout, 0.0, after=["capture_session.exported"])
        assert process.poll() is None


def test_an_event_that_is_there_lets_the_listener_end(layout: Layout) -> None:
    with holder(layout) as process:
        publish(layout, process.pid, "connected")
        layout.events.write_bytes(
            b'{"ts":"2033-05-18T03:33:20.000Z","unix_ts":2000000000.0,"channel":"capture_session",'
            b'"event":"capture_session.exported","capture_session_id":"cap-1"}\n'
        )
        assert service.stop(layout, 20.0, after=["alert", "capture_session.exported"]) == process.pid


def test_a_listener_that_does_not_end_in_time_is_named(layout: Layout) -> None:
    with holder(layout, "stubborn") as process, pytest.raises(CannotStop, match=f"process {process.pid} did not end"):
        service.stop(layout, 0.0)


def test_a_process_that_does_not_hold_the_lock_is_never_signalled(layout: Layout, tmp_path: Path) -> None:
    elsewhere = Layout(tmp_path / "elsewhere")
    elsewhere.directory.mkdir()
    with holder(layout) as listener, holder(elsewhere) as stranger:
        layout.pid.write_text(str(stranger.pid))
        assert service.stop(layout, 20.0) == listener.pid
        assert (listener.wait(), stranger.poll()) == (-signal.SIGTERM, None)


def test_where_nobody_is_proven_to_hold_the_lock_nobody_is_signalled(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    with holder(layout) as listener:
        monkeypatch.setattr(locks, "holds", lambda *_: None)
        with pytest.raises(CannotStop, match="no process that can be seen here is proven to be it"):
            service.stop(layout, 20.0)
        assert listener.poll() is None


def test_a_listener_that_takes_the_place_of_the_one_that_was_stopped_is_not_waited_for(layout: Layout) -> None:
    with holder(layout) as first, as_soon_as_it_is_free(layout) as second:
        assert service.stop(layout, 20.0) == first.pid
        assert second.poll() is None


def test_a_lock_that_outlives_the_process_is_not_taken_for_stopped(layout: Layout) -> None:
    with holder(layout, "survived by its child") as process:
        with pytest.raises(CannotStop, match=f"process {process.pid} did not end"):
            service.stop(layout, 0.2)
        assert process.wait() == -signal.SIGTERM
