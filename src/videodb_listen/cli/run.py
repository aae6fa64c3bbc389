"""`run`: the daemon in the foreground. The work is in `foreground`, which `--help` need not load."""

from __future__ import annotations

from typing import Any

import click

from videodb_listen.cli.flags import chosen_directory, listener_options


@click.command()
@listener_options
@click.option(
    "--ready-fd", type=int, hidden=True, help="Descriptor that is told of the first connection, or the failure."
)
def run(dir_argument: str | None, directory: str | None, cwd: str | None, ready_fd: int | None, **flags: Any) -> None:
    """Record events in the foreground until SIGTERM or SIGINT.

    The first line on stdout is WS_ID=<connection id>; a copy of each event follows, as --output says. DIR is the state
    directory. Every option but --clear, --base-url and --cwd can also be set as VIDEODB_LISTEN_<OPTION>.

    \b
    videodb-listen --clear &
    videodb-listen run ./out --output json | grep --line-buffered -v ^WS_ID= | jq .channel
    """
    directory = chosen_directory(dir_argument, directory)
    from videodb_listen.cli.foreground import record

    raise click.exceptions.Exit(record(flags, directory, cwd, ready_fd=ready_fd))
