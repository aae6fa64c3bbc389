"""`tail`: the last events, and what comes."""

from __future__ import annotations

from typing import Any

import click

from videodb_listen.cli.filters import filter_options, filters_of
from videodb_listen.cli.flags import with_layout
from videodb_listen.cli.output import say, write_out
from videodb_listen.cli.reading import find_recording, readable
from videodb_listen.cli.render import format_option, heading, renderer
from videodb_listen.paths import Layout


@click.command()
@with_layout
@filter_options
@click.option(
    "-n", "--limit", "count", type=click.IntRange(min=0), metavar="N", default=10, help="How many. [default: 10]"
)
@click.option("-f", "--follow", "follows", is_flag=True, help="Go on with what comes, for ever.")
@format_option("text")
def tail(layout: Layout, count: int, follows: bool, format: str, **options: Any) -> None:
    """Show the last events.

    \b
    videodb-listen tail -f --channel transcript --final
    """
    recording, render = find_recording(layout), renderer(format)
    with readable(recording.directory):
        where = filters_of(options, recording).where
        with recording.follow(where, on_restart=say) as following:
            found = recording.last(count, where, before=following.place)
            write_out([*heading(format), *(render(line, event) for line, event in found)])
            while follows:
                for block in following.blocks():
                    write_out(render(line, event) for line, event in block)
                following.wait()
