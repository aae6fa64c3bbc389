"""`query`: the events of a time, a channel, a stream, a session."""

from __future__ import annotations

import sys
from typing import Any

import click

from videodb_listen.cli.filters import filter_options, filters_of
from videodb_listen.cli.flags import with_layout
from videodb_listen.cli.output import write_out
from videodb_listen.cli.reading import damage_counter, find_recording, readable
from videodb_listen.cli.render import format_option, heading, renderer
from videodb_listen.paths import Layout
from videodb_listen.reader.query import select


@click.command()
@with_layout
@filter_options
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The first N only. [default: no limit]")
@format_option("text")
def query(layout: Layout, limit: int | None, format: str, **options: Any) -> None:
    """Show the events of a time, a channel, a stream, a session.

    \b
    videodb-listen query --since 10m --channel alert
    videodb-listen query --channel transcript --final --grep budget --format json | jq .data.text
    """
    recording, render = find_recording(layout), renderer(format)
    left = sys.maxsize if limit is None else limit
    with readable(recording.directory), damage_counter() as on_damage:
        chosen = filters_of(options, recording)
        write_out(heading(format))
        for block in recording.blocks(chosen.since_s):
            shown = [render(line, event) for line, event in select(block.data, chosen.where, on_damage)][:left]
            write_out(shown)
            left -= len(shown)
            if not left:
                return
