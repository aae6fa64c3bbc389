"""`query`: the events of a time, a channel, a stream, a session."""

from __future__ import annotations

import itertools
import sys

import click

from videodb_listen.cli.filters import Filters, filter_options
from videodb_listen.cli.flags import COUNT
from videodb_listen.cli.output import write_out
from videodb_listen.cli.reading import with_recording
from videodb_listen.cli.render import Show, rendered
from videodb_listen.reader.query import select
from videodb_listen.reader.recording import Recording


@click.command()
@with_recording()
@filter_options
@rendered("text")
@click.option("--limit", type=COUNT, metavar="N", help="The first N that match. [default: no limit]")
def query(recording: Recording, chosen: Filters, render: Show, limit: int | None) -> None:
    """Show the events of a time, a channel, a stream, a session.

    \b
    videodb-listen query --since 10m --channel alert
    videodb-listen query --channel transcript --final --grep budget --format json | jq .data.text
    """
    left = sys.maxsize if limit is None else limit
    write_out([render.heading])
    for block in recording.blocks(chosen.since_s):
        found = list(itertools.islice(select(block.data, chosen.where, recording.losses.damaged), left))
        write_out(render.batch(found))
        left -= len(found)
        if not left:
            break
    write_out(render.end())
