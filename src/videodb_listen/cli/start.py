"""`start`: the daemon detached, and the wait until it is connected."""

from __future__ import annotations

from typing import Any

import click

from videodb_listen import environment, service
from videodb_listen.cli.first_word import WORDS
from videodb_listen.cli.flags import chosen_directory, listener_options
from videodb_listen.system import descriptors


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
    environ = environment.read(cwd)
    layout = environ.layout(chosen_directory(dir_argument, directory))
    timeout_s = environ.value("startup_timeout_s", options) or None
    ws_id = service.start(layout, ctx.meta[WORDS], timeout_s, clear=options["clear"])
    if descriptors.is_writable(descriptors.STDOUT):  # a listener is worth having without anybody to read its id
        click.echo(f"WS_ID={ws_id}")
