"""`stop`, `status` and `id`: what to ask of a listener that runs, through its lock and its files."""

from __future__ import annotations

import dataclasses
import os
import select
import signal
import time
from typing import Any

import click
import orjson

from videodb_listen import presence
from videodb_listen.cli.logs import json_safe
from videodb_listen.cli.options import Parsed, directory_options, find_layout, read_dotenv
from videodb_listen.errors import DirectoryUnusable, ListenError, NotConnected, NotRunning, TimedOut
from videodb_listen.paths import Layout
from videodb_listen.text import visible
from videodb_listen.units import format_duration, format_size, parse_duration

_LOOK_AGAIN_S = 0.05
"""Between looks at a lock or an id that is about to change: below what a person notices, next to no work."""

_DURATION = Parsed(parse_duration, "TIME")


class _CannotStop(ListenError):
    """The daemon was asked to stop and did not, or may not be asked."""

    status, code = 1, "cannot_stop"


@click.command("id")
@directory_options
@click.option("--timeout", "timeout_s", type=_DURATION, metavar="TIME", help="Wait no longer than this. [default: 30s]")
def id(directory: str | None, cwd: str | None, timeout_s: float | None) -> None:
    """Print the live connection id, waiting for one through a reconnect.

    \b
    WS_ID=$(videodb-listen id)
    """
    click.echo(wait_for_id(find_layout(directory, read_dotenv(cwd)), 30.0 if timeout_s is None else timeout_s))


def wait_for_id(layout: Layout, timeout_s: float | None) -> str:
    """The id of a live connection in `layout`, waiting for it `timeout_s` seconds (None: for ever).

    Raises NotRunning when no listener holds the directory, TimedOut when none connected in time, DirectoryUnusable when
    we may not ask.
    """
    deadline = float("inf") if timeout_s is None else time.monotonic() + timeout_s
    while True:
        seen = presence.look(layout, time.time())
        if not seen.held:
            raise _no_listener(layout)
        ws_id = presence.read_ws_id(layout)
        if seen.connected and ws_id:
            return ws_id
        if time.monotonic() >= deadline:
            raise TimedOut(
                f"the listener in {layout.directory} is {seen.phase} and had no connection id within "
                f"{format_duration(timeout_s or 0)}",
                fix="see videodb-listen status",
            )
        time.sleep(_LOOK_AGAIN_S)


@click.command()
@directory_options
@click.option("--after", "events", multiple=True, metavar="EVENT", help="Wait for this event first, as wait does.")
@click.option(
    "--timeout",
    "timeout_s",
    type=_DURATION,
    default=60.0,
    metavar="TIME",
    help="Give up after this: waiting for the event, then for the end. [default: 60s]",
)
def stop(directory: str | None, cwd: str | None, events: tuple[str, ...], timeout_s: float) -> None:
    """Stop the daemon cleanly and wait until it is gone. Nothing running is fine, too.

    An event that does not come in time, or a session that failed, leaves the daemon as it is.

    \b
    videodb-listen stop
    videodb-listen stop --after capture_session.exported --timeout 10m
    """
    layout = find_layout(directory, read_dotenv(cwd))
    if not _may_be_stopped(layout):
        click.echo(f"no listener runs in {layout.directory}", err=True)
        return
    if events:
        from videodb_listen.cli.reading import readable
        from videodb_listen.reader import Recording, query

        with readable(layout.directory):
            Recording(layout).wait(query.event(*events), since="start", timeout_s=timeout_s)
    deadline = time.monotonic() + timeout_s
    pid = _holder(layout, deadline)
    try:
        gone = _terminate(pid, layout, deadline - time.monotonic())
    except PermissionError:
        raise _CannotStop(f"process {pid} belongs to someone else", fix="stop it as that user") from None
    if not gone:
        fix = f"see what it logged; kill -KILL {pid} ends it the hard way"
        raise _CannotStop(f"process {pid} did not end within {format_duration(timeout_s)}", fix=fix)
    click.echo(f"stopped (pid {pid})", err=True)


def _may_be_stopped(layout: Layout) -> bool:
    """Whether a listener runs. Raises _CannotStop when we may not ask: it may well run."""
    try:
        return presence.is_held(layout)
    except DirectoryUnusable as exc:
        raise _CannotStop(exc.message, fix=exc.fix) from None


def _holder(layout: Layout, deadline: float) -> int:
    """The process that holds the lock. One that has just taken it needs a moment to replace the pid file of a crash.

    Raises _CannotStop when the pid file does not name it before `deadline` (monotonic seconds).
    """
    while (pid := presence.read_pid(layout)) is None or not presence.holds_lock(pid, layout):
        if time.monotonic() >= deadline:
            raise _CannotStop(f"a listener holds {layout.directory}, but no pid file says which", fix="try again")
        time.sleep(_LOOK_AGAIN_S)
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
        time.sleep(_LOOK_AGAIN_S)
    return True


@click.command()
@directory_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a screen.")
def status(directory: str | None, cwd: str | None, as_json: bool) -> None:
    """Show whether a listener runs and is connected; exit 0 only if it is.

    3: no listener runs. 4: it runs, but has no proven connection now.

    \b
    videodb-listen status --json | jq .phase
    """
    layout = find_layout(directory, read_dotenv(cwd))
    seen = presence.look(layout, time.time())
    if as_json:
        click.echo(orjson.dumps(json_safe(_described(seen, layout))))
    else:
        click.echo("\n".join(f"{name:<11}{visible(text)}" for name, text in _screen(seen, layout)))
    if not seen.held:
        raise click.exceptions.Exit(NotRunning.status)
    if not seen.connected:
        raise click.exceptions.Exit(NotConnected.status)


def _described(seen: presence.Presence, layout: Layout) -> dict[str, Any]:
    """The state file's object, corrected by what the lock and the last pong say."""
    state = dataclasses.asdict(seen.state or presence.State())
    if not seen.connected:
        state["ws_id"] = None
    return {
        **state,
        "phase": seen.phase,
        "running": seen.held,
        "connected": seen.connected,
        "directory": str(layout.directory),
    }


def _screen(seen: presence.Presence, layout: Layout) -> list[tuple[str, str]]:
    """One screen for people: label and text a row; what is not known has no row."""
    state = seen.state or presence.State()
    now = seen.looked_unix_ts

    def ago(then: float | None) -> str | None:
        return None if then is None else f"{format_duration(max(0.0, now - then))} ago"

    rows: list[tuple[str, str | None]] = [
        ("phase", seen.phase),
        ("ws id", state.ws_id if seen.connected else None),
        ("pid", str(state.pid) if seen.held and state.pid else None),
        ("started", ago(state.started_unix_ts)),
        ("connected", ago(state.connected_unix_ts) if seen.connected else None),
        ("last pong", f"{ago(state.last_pong_unix_ts)}, {state.latency_ms} ms" if state.last_pong_unix_ts else None),
        ("last event", ago(state.last_event_unix_ts)),
        ("events", f"{state.events} ({format_size(state.bytes)}) in this run"),
        ("history", f"connections: {state.connects}, gaps: {state.gaps}"),
        ("error", state.error),
        ("file", str(layout.events)),
    ]
    return [(name, text) for name, text in rows if text]


def _no_listener(layout: Layout) -> NotRunning:
    return NotRunning(f"no listener runs in {layout.directory}", fix="start one: videodb-listen start")
