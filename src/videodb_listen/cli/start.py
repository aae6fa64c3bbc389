"""`start`: the daemon detached, and the wait until it is connected."""

from __future__ import annotations

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
from videodb_listen.errors import Bug, DirectoryBusy, ListenError
from videodb_listen.listener import directory as directories
from videodb_listen.paths import Layout


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
    layout = find_layout(chosen_directory(dir_argument, directory), read_dotenv(cwd))
    wait_s = options["startup_timeout_s"] if options["startup_timeout_s"] is not None else 60.0
    if presence.is_held(layout):
        ws_id = _id_of_running(layout, wait_s, clear=options["clear"])
    else:
        try:
            ws_id = _launch(layout, ctx.meta[WORDS])
        except DirectoryBusy:  # someone else was faster
            ws_id = _id_of_running(layout, wait_s, clear=options["clear"])
    click.echo(f"WS_ID={ws_id}")


def _id_of_running(layout: Layout, timeout_s: float, *, clear: bool) -> str:
    if clear:
        state = presence.read_state(layout)
        since = time.strftime("%H:%M:%S", time.localtime(state.started_unix_ts)) if state else "just now"
        raise DirectoryBusy(
            f"a listener runs in {layout.directory} since {since} (pid {presence.read_pid(layout)})",
            fix="stop it first: videodb-listen stop",
        )
    return wait_for_id(layout, timeout_s or None)


def _launch(layout: Layout, words: list[str]) -> str:
    """Start `run` with the options that `start` was given; the connection id. Raises what the daemon failed with."""
    reading, writing = os.pipe()
    command = [sys.executable, "-P", "-m", "videodb_listen", "run", f"--ready-fd={writing}", *words]
    shared = directories.prepare(layout)
    log_file = directories.open_file(layout.log, os.O_WRONLY | os.O_APPEND, shared=shared)
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
        raise Bug(f"the daemon ended with status {process.wait()} and said nothing", fix=f"see {layout.log}")
    said = orjson.loads(message)
    if "ws_id" not in said:
        process.wait()
        raise ListenError.from_dict(said)
    return str(said["ws_id"])
