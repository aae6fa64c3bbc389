"""A listener seen from outside: start one, stop it, ask how it is. Its lock and its files answer, not the process.

Everything that is shown to a person or a program builds on these; nothing here prints, or knows a command line.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

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
from videodb_listen.system.clock import Deadline, until
from videodb_listen.system.files import explained
from videodb_listen.system.processes import start_detached, terminate
from videodb_listen.units import format_duration

if TYPE_CHECKING:
    from subprocess import Popen


def status(layout: Layout) -> Presence:
    """What holds in `layout` now. Raises DirectoryUnusable when we may not ask."""
    return presence.look(layout)


def live_id(layout: Layout, timeout_s: float | None) -> str:
    """The id of a live connection in `layout`, waiting for it `timeout_s` seconds (None: for ever).

    Raises NotRunning when no listener holds the directory, TimedOut when none connected in time, DirectoryUnusable when
    we may not ask.
    """

    def look() -> str | None:
        seen = status(layout)
        if not seen.held:
            raise NotRunning(f"no listener runs in {layout.directory}", fix="start one: videodb-listen start")
        return presence.read_ws_id(layout) if seen.connected else None

    if (ws_id := until(look, Deadline(timeout_s))) is None:
        raise TimedOut(
            f"the listener in {layout.directory} is {status(layout).phase} and had no connection id within "
            f"{format_duration(timeout_s or 0)}",
            fix="see videodb-listen status",
        )
    return ws_id


# -- starting --


def start(
    layout: Layout,
    words: Sequence[str],
    timeout_s: float | None,
    *,
    clear: bool = False,
    key: Callable[[], str | None] = lambda: None,
) -> str:
    """The id of the listener that runs, else of one that is launched; one that is ending is waited for first.

    `words` are the command line of a `run` that is launched; they name the directory of `layout`, too. `timeout_s` is
    how long to wait for another listener, None: for ever. `key` gives the API key for one that is launched; None: it
    finds that by itself. As long as it is not connected it ends when we do.
    Raises TimedOut after it, DirectoryBusy when one runs and `clear` is wanted, and what the daemon failed with.
    """
    while True:
        _outlast_ending(layout, timeout_s)
        if not presence.is_held(layout):
            try:
                return _launch(layout, words, key())
            except DirectoryBusy:  # someone else was faster
                if not presence.is_held(layout):
                    raise
        elif clear:
            raise _runs_already(layout)
        else:
            with contextlib.suppress(NotRunning):  # it has ended meanwhile
                return live_id(layout, timeout_s)


def _outlast_ending(layout: Layout, timeout_s: float | None) -> None:
    """Wait until no listener is on its way out. Raises TimedOut."""
    if not until(lambda: not status(layout).ending, Deadline(timeout_s)):
        raise TimedOut(
            f"the listener in {layout.directory} is stopping and was not gone within {format_duration(timeout_s or 0)}",
            fix="try again, or see videodb-listen status",
        )


def _runs_already(layout: Layout) -> DirectoryBusy:
    state = presence.read_state(layout)
    since = time.strftime("%H:%M:%S", time.localtime(state.started_unix_ts)) if state else "just now"
    return DirectoryBusy(
        f"a listener runs in {layout.directory} since {since} (pid {presence.read_pid(layout)})",
        fix="stop it first: videodb-listen stop",
    )


def _launch(layout: Layout, words: Sequence[str], key: str | None) -> str:
    """Start `run` detached; the connection id that it tells.

    Raises what the daemon failed with, and NotRunning when it was stopped before it connected.
    """
    process, telling = _detached(layout, words, key)
    with open(telling, "rb") as answer:  # noqa: PTH123  # a descriptor, not a path
        message = answer.readline()
    if not message:
        raise _silent(process.wait(), layout)
    said = orjson.loads(message)
    if "ws_id" not in said:
        process.wait()
        raise ListenError.from_dict(said)
    return str(said["ws_id"])


def _detached(layout: Layout, words: Sequence[str], key: str | None) -> tuple[Popen[bytes], int]:
    """The process of a `run` that logs into `layout`, and the descriptor on which it tells how its start went.

    The key goes through a pipe: the file that it came from may be one that only we have open, as in `<(...)`.
    """
    from videodb_listen.listener import directory as directories  # here: to ask how it is needs none of it
    from videodb_listen.listener.own_log import open_log

    log_file = open_log(layout.log, shared=directories.prepare(layout))
    telling, told = os.pipe()
    reading, writing = os.pipe()
    command = [sys.executable, "-P", "-m", "videodb_listen", "run", f"--ready-fd={told}", *words]
    try:
        keyed = [*command, f"--api-key-file=/dev/fd/{reading}"] if key else command
        process = start_detached(keyed, log_file, keep=[told, reading])
        with contextlib.suppress(BrokenPipeError):  # it has ended, and will be asked why
            os.write(writing, (key or "").encode())
    finally:
        for descriptor in (told, reading, writing, log_file):
            os.close(descriptor)
    return process, telling


def _silent(exit_status: int, layout: Layout) -> ListenError:
    """Why a daemon that ended with this status has said nothing: one that was asked to stop has no failure to tell."""
    if exit_status == 0:
        return NotRunning("the daemon was stopped before it was connected", fix="start it again: videodb-listen start")
    return Bug(f"the daemon ended with status {exit_status} and said nothing", fix=f"see {layout.log}")


# -- stopping --


def stop(layout: Layout, timeout_s: float, *, after: Sequence[str] = ()) -> int | None:
    """The process id of the listener that was stopped, and is gone; None when none ran.

    One of the events `after` is waited for first, at most `timeout_s` seconds: what Recording.wait raises leaves the
    listener as it is. Then it has `timeout_s` seconds to end. Raises CannotStop.
    """
    try:
        if not presence.is_held(layout):
            return None
    except DirectoryUnusable as exc:  # it may well run
        raise CannotStop(exc.message, fix=exc.fix) from None
    if after:
        _wait_for(layout, after, timeout_s)
    pid = presence.holder(layout)
    if pid is None and presence.is_held(layout):
        raise CannotStop(
            f"a listener holds {layout.directory}, and no process that can be seen here is proven to be it",
            fix="stop it where it runs: as its user, in its container, on its machine",
        )
    if pid is not None and not _ended(pid, layout, timeout_s):
        fix = f"see what it logged; kill -KILL {pid} ends it the hard way"
        raise CannotStop(f"process {pid} did not end within {format_duration(timeout_s)}", fix=fix)
    return pid


def _wait_for(layout: Layout, events: Sequence[str], timeout_s: float) -> None:
    from videodb_listen.reader import Recording, query  # here: to stop at once needs none of it

    with explained(layout.directory, "cannot be read", fix="check who may read it"):
        Recording(layout).wait(query.event(*events), since="start", timeout_s=timeout_s)


def _ended(pid: int, layout: Layout, timeout_s: float) -> bool:
    """Ask the listener `pid` to end; whether it has, and let the lock go, within `timeout_s`. Raises CannotStop."""
    try:
        return terminate(
            pid,
            timeout_s,
            is_it=lambda: presence.holder(layout) == pid,
            is_gone=lambda: not presence.is_held(layout) or presence.holder(layout) not in (None, pid),
        )
    except PermissionError:
        raise CannotStop(f"process {pid} belongs to someone else", fix="stop it as that user") from None
