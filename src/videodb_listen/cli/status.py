"""`status`: whether a listener runs and is connected, as a screen or as JSON."""

from __future__ import annotations

import click

from videodb_listen import service
from videodb_listen.cli.flags import with_layout
from videodb_listen.cli.logs import json_safe
from videodb_listen.cli.output import labelled, print_object, print_screen
from videodb_listen.cli.render import json_option
from videodb_listen.errors import NotConnected, NotRunning
from videodb_listen.paths import Layout
from videodb_listen.presence import Presence, State
from videodb_listen.units import format_duration, format_size


@click.command()
@with_layout
@json_option
def status(layout: Layout, as_json: bool) -> None:
    """Show whether a listener runs and is connected; exit 0 only if it is.

    3: no listener runs. 4: it runs, but has no proven connection now.

    \b
    videodb-listen status --json | jq .phase
    """
    seen = service.status(layout)
    if as_json:
        print_object(json_safe(seen.as_dict()))
    else:
        print_screen(_screen(seen, layout))
    if not seen.held:
        raise click.exceptions.Exit(NotRunning.status)
    if not seen.connected:
        raise click.exceptions.Exit(NotConnected.status)


def _screen(seen: Presence, layout: Layout) -> list[str]:
    """One screen for people; what is not known has no row."""
    state = seen.state or State()
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
    return labelled(rows, 11)
