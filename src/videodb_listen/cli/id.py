"""`id`: the live connection id."""

from __future__ import annotations

import click

from videodb_listen import service
from videodb_listen.cli.flags import DURATION, with_layout
from videodb_listen.paths import Layout

DEFAULT_S = 30.0


@click.command("id")
@with_layout
@click.option("--timeout", "timeout_s", type=DURATION, metavar="TIME", help="Wait no longer than this. [default: 30s]")
def id(layout: Layout, timeout_s: float | None) -> None:
    """Print the live connection id, waiting for one through a reconnect.

    \b
    WS_ID=$(videodb-listen id)
    """
    click.echo(service.live_id(layout, DEFAULT_S if timeout_s is None else timeout_s))
