"""`query`: the events of a time, a channel, a stream, a session."""

from __future__ import annotations

import sys

import click

from videodb_listen.cli.filters import Filters, filter_options
from videodb_listen.cli.output import write_out
from videodb_listen.cli.reading import damage_counter, with_recording
from videodb_listen.cli.render import format_option, shown_as
from videodb_listen.reader.query import select
from videodb_listen.reader.recording import Recording


@click.command()
@with_recording()
@filter_options
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The first N only. [default: no limit]")
@format_option("text")
def query(recording: Recording, chosen: Filters, limit: int | None, format: str) -> None:
    """Show the events of a time, a channel, a stream, a session.

    \b
    videodb-listen query --since 10m --channel alert
    videodb-listen query --channel transcript --final --grep budget --format json | jq .data.text
    """
    shown, left = shown_as(format, chosen, recording), sys.maxsize if limit is None else limit
    write_out([shown.head])
    with damage_counter() as on_damage:
        for block in recording.blocks(chosen.since_s):
            found = list(select(block.data, chosen.where, on_damage))[:left]
            write_out([shown.batch(found)])
            left -= len(found)
            if not left:
                break
    write_out([shown.end()])
