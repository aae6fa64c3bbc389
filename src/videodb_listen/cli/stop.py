"""`stop`: end the daemon."""

from __future__ import annotations

import click

from videodb_listen import service
from videodb_listen.cli.flags import DURATION, with_layout
from videodb_listen.paths import Layout


@click.command()
@with_layout
@click.option("--after", "events", multiple=True, metavar="EVENT", help="Wait for this event first, as wait does.")
@click.option(
    "--timeout",
    "timeout_s",
    type=DURATION,
    default=60.0,
    metavar="TIME",
    help="Give up after this: waiting for the event, then for the end. [default: 60s]",
)
def stop(layout: Layout, events: tuple[str, ...], timeout_s: float) -> None:
    """Stop the daemon cleanly and wait until it is gone. Nothing running is fine, too.

    An event that does not come in time, or a session that failed, leaves the daemon as it is.

    \b
    videodb-listen stop
    videodb-listen stop --after capture_session.exported --timeout 10m
    """
    pid = service.stop(layout, timeout_s, after=events)
    missing = "" if layout.directory.is_dir() else ", which is not there"
    click.echo(f"no listener runs in {layout.directory}{missing}" if pid is None else f"stopped (pid {pid})", err=True)
