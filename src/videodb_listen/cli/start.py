"""`start`: the daemon detached, and the wait until it is connected."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from typing import Any

import click
import orjson

from videodb_listen import presence
from videodb_listen.cli import WORDS
from videodb_listen.cli.control import wait_for_id
from videodb_listen.cli.options import chosen_directory, find_layout, listener_options, read_dotenv
from videodb_listen.errors import Bug, DirectoryBusy, ListenError, NotRunning, TimedOut
from videodb_listen.listener import directory as directories
from videodb_listen.listener.own_log import open_log
from videodb_listen.paths import Layout
from videodb_listen.settings import value_of
from videodb_listen.system import descriptors
from videodb_listen.units import format_duration

_LOOK_AGAIN_S = 0.05
"""Between looks at a listener that is ending."""


@click.command()
@listener_options
@click.pass_context
def start(
    ctx: click.Context, /, dir_argument: str | None, directory: str | None, cwd: str | None, **options: Any
) -> None:
    """Record events in the background; return when connected, or with the daemon's own status when that fails.

    Prints WS_ID=<connection id>. When a listener runs already, prints its id. What the daemon prints goes to
    videodb_ws.log in the state directory.

    \b
    videodb-listen start --clear
    """
    descriptors.occupy_standard()
    layout = find_layout(chosen_directory(dir_argument, directory), read_dotenv(cwd))
    timeout_s = value_of("startup_timeout_s", options, os.environ) or None
    click.echo(f"WS_ID={connection_id(layout, ctx.meta[WORDS], timeout_s, clear=options['clear'])}")


def connection_id(layout: Layout, words: list[str], timeout_s: float | None, *, clear: bool = False) -> str:
    """The id of the listener that runs, else of one that is launched; one that is ending is waited for first.

    `words` are the options of one that is launched. `timeout_s` is how long to wait for another listener, None: for
    ever. Raises TimedOut after it, DirectoryBusy when one runs and `clear` is wanted, and what the daemon failed with.
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
                return wait_for_id(layout, timeout_s)


def _outlast_ending(layout: Layout, timeout_s: float | None) -> None:
    """Wait until a listener that is on its way out has left. Raises TimedOut after `timeout_s`; None: never."""
    deadline = float("inf") if timeout_s is None else time.monotonic() + timeout_s
    while presence.look(layout, time.time()).ending:
        if time.monotonic() >= deadline:
            raise TimedOut(
                f"the listener in {layout.directory} is stopping and was not gone within "
                f"{format_duration(timeout_s or 0)}",
                fix="try again, or see videodb-listen status",
            )
        time.sleep(_LOOK_AGAIN_S)


def _runs_already(layout: Layout) -> DirectoryBusy:
    state = presence.read_state(layout)
    since = time.strftime("%H:%M:%S", time.localtime(state.started_unix_ts)) if state else "just now"
    return DirectoryBusy(
        f"a listener runs in {layout.directory} since {since} (pid {presence.read_pid(layout)})",
        fix="stop it first: videodb-listen stop",
    )


def _launch(layout: Layout, words: list[str]) -> str:
    """Start `run` with the options that `start` was given; the connection id.

    Raises what the daemon failed with, and NotRunning when it was stopped before it connected.
    """
    reading, writing = os.pipe()
    command = [sys.executable, "-P", "-m", "videodb_listen", "run", f"--ready-fd={writing}", *words]
    shared = directories.prepare(layout)
    log_file = open_log(layout.log, shared=shared)
    process = subprocess.Popen(
        command,
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
