"""A listener seen from outside: start one, stop it, ask how it is. Its lock and its files answer, not the process.

Everything that can be shown to a person or a program builds on these; nothing here prints, or knows a command line.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence

import orjson

from videodb_listen import presence
from videodb_listen.errors import (
    Bug,
    CannotStop,
    DirectoryBusy,
    DirectoryUnusable,
    ListenError,
    NotRunning,
    TimedOut,
)
from videodb_listen.paths import Layout
from videodb_listen.presence import Presence
from videodb_listen.units import format_duration

LOOK_AGAIN_S = 0.05
"""Between looks at a lock or an id that is about to change: below what a person notices, next to no work."""

# -- how it is --


def status(layout: Layout) -> Presence:
    """What holds in `layout` now. Raises DirectoryUnusable when we may not ask."""
    return presence.look(layout, time.time())


def live_id(layout: Layout, timeout_s: float | None) -> str:
    """The id of a live connection in `layout`, waiting for it `timeout_s` seconds (None: for ever).

    Raises NotRunning when no listener holds the directory, TimedOut when none connected in time, DirectoryUnusable when
    we may not ask.
    """
    deadline = _deadline(timeout_s)
    while True:
        seen = status(layout)
        if not seen.held:
            raise NotRunning(f"no listener runs in {layout.directory}", fix="start one: videodb-listen start")
        ws_id = presence.read_ws_id(layout)
        if seen.connected and ws_id:
            return ws_id
        if time.monotonic() >= deadline:
            raise TimedOut(
                f"the listener in {layout.directory} is {seen.phase} and had no connection id within "
                f"{format_duration(timeout_s or 0)}",
                fix="see videodb-listen status",
            )
        time.sleep(LOOK_AGAIN_S)


# -- starting --


def start(layout: Layout, words: Sequence[str], timeout_s: float | None, *, clear: bool = False) -> str:
    """The id of the listener that runs, else of one that is launched; one that is ending is waited for first.

    `words` are what `run` is told when it is launched, with its directory among them. `timeout_s` is how long to wait
    for another listener, None: for ever.
    Raises TimedOut after it, DirectoryBusy when one runs and `clear` is wanted, and what the daemon failed with.
    """
    while True:
        _outlast_ending(layout, timeout_s)
        if not presence.is_held(layout):
            try:
                return _launch(layout, words)
            except DirectoryBusy:  # someone else was faster
                if not presence.is_held(layout):
                    raise
        elif clear:
            raise _runs_already(layout)
        else:
            with contextlib.suppress(NotRunning):  # it has ended meanwhile
                return live_id(layout, timeout_s)


def _outlast_ending(layout: Layout, timeout_s: float | None) -> None:
    """Wait until a listener that is on its way out has left. Raises TimedOut after `timeout_s`; None: never."""
    deadline = _deadline(timeout_s)
    while status(layout).ending:
        if time.monotonic() >= deadline:
            raise TimedOut(
                f"the listener in {layout.directory} is stopping and was not gone within "
                f"{format_duration(timeout_s or 0)}",
                fix="try again, or see videodb-listen status",
            )
        time.sleep(LOOK_AGAIN_S)


def _runs_already(layout: Layout) -> DirectoryBusy:
    state = presence.read_state(layout)
    since = time.strftime("%H:%M:%S", time.localtime(state.started_unix_ts)) if state else "just now"
    return DirectoryBusy(
        f"a listener runs in {layout.directory} since {since} (pid {presence.read_pid(layout)})",
        fix="stop it first: videodb-listen stop",
    )


def _launch(layout: Layout, words: Sequence[str]) -> str:
    """Start `run` detached; the connection id that it tells.

    Raises what the daemon failed with, and NotRunning when it was stopped before it connected.
    """
    import subprocess  # here, like the next: to ask how it is costs nothing of this

    from videodb_listen.listener import directory as directories
    from videodb_listen.listener.own_log import open_log

    shared = directories.prepare(layout)
    log_file = open_log(layout.log, shared=shared)
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "videodb_listen", "run", f"--ready-fd={writing}", *words],
        stdin=subprocess.DEVNULL,
        stdout=log_file,
        stderr=log_file,
        pass_fds=(writing,),
        start_new_session=True,
    )
    os.close(writing)
    os.close(log_file)
    try:
        with open(reading, "rb") as answer:  # noqa: PTH123  # a descriptor, not a path
            message = answer.readline()
    except KeyboardInterrupt:
        process.terminate()
        raise
    if not message:
        raise _silent(process.wait(), layout)
    said = orjson.loads(message)
    if "ws_id" not in said:
        process.wait()
        raise ListenError.from_dict(said)
    return str(said["ws_id"])


def _silent(status: int, layout: Layout) -> ListenError:
    """Why a daemon that ended with `status` has said nothing: one that was asked to stop has no failure to tell."""
    if status == 0:
        return NotRunning("the daemon was stopped before it was connected", fix="start it again: videodb-listen start")
    return Bug(f"the daemon ended with status {status} and said nothing", fix=f"see {layout.log}")


# -- stopping --


def stop(layout: Layout, timeout_s: float, *, first: Callable[[], None] = lambda: None) -> int | None:
    """The process id of the listener that was stopped, and is gone; None when none ran.

    `first` is called when one runs, and may wait for something; what it raises leaves the listener as it is. After it
    the listener has `timeout_s` seconds to end. Raises CannotStop.
    """
    try:
        if not presence.is_held(layout):
            return None
    except DirectoryUnusable as exc:  # it may well run
        raise CannotStop(exc.message, fix=exc.fix) from None
    first()
    deadline = _deadline(timeout_s)
    pid = _holder(layout, deadline)
    try:
        gone = _terminate(pid, layout, deadline - time.monotonic())
    except PermissionError:
        raise CannotStop(f"process {pid} belongs to someone else", fix="stop it as that user") from None
    if not gone:
        fix = f"see what it logged; kill -KILL {pid} ends it the hard way"
        raise CannotStop(f"process {pid} did not end within {format_duration(timeout_s)}", fix=fix)
    return pid


def _holder(layout: Layout, deadline: float) -> int:
    """The process that holds the lock. One that has just taken it needs a moment to replace the pid file of a crash.

    Raises CannotStop when the pid file does not name it before `deadline` (monotonic seconds).
    """
    while (pid := presence.read_pid(layout)) is None or not presence.holds_lock(pid, layout):
        if time.monotonic() >= deadline:
            raise CannotStop(f"a listener holds {layout.directory}, but no pid file says which", fix="try again")
        time.sleep(LOOK_AGAIN_S)
    return pid


def _terminate(pid: int, layout: Layout, timeout_s: float) -> bool:
    """Send SIGTERM to the listener `pid` and wait for its end; whether it came in time.

    Where the platform has pidfds the process is held by one before the lock is looked at again, so that a process that
    got the number meanwhile is never signalled.
    """
    if not hasattr(os, "pidfd_open"):
        return _terminate_by_number(pid, layout, timeout_s)
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return not presence.is_held(layout)
    try:
        if presence.is_held(layout) and presence.holds_lock(pid, layout):
            signal.pidfd_send_signal(handle, signal.SIGTERM)
        ended, _, _ = select.select([handle], [], [], max(0.0, timeout_s))
        return bool(ended)
    finally:
        os.close(handle)


def _terminate_by_number(pid: int, layout: Layout, timeout_s: float) -> bool:
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout_s
    while presence.is_held(layout):
        if time.monotonic() >= deadline:
            return False
        time.sleep(LOOK_AGAIN_S)
    return True


def _deadline(timeout_s: float | None) -> float:
    return float("inf") if timeout_s is None else time.monotonic() + timeout_s
