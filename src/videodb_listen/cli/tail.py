"""`tail`: the last events, and what comes."""

from __future__ import annotations

import click

from videodb_listen.cli.filters import Filters, filter_options
from videodb_listen.cli.output import say, write_out
from videodb_listen.cli.reading import with_recording
from videodb_listen.cli.render import format_option, shown_as
from videodb_listen.reader.recording import Recording


@click.command()
@with_recording()
@filter_options
@click.option(
    "-n", "--limit", "count", type=click.IntRange(min=0), metavar="N", default=10, help="How many. [default: 10]"
)
@click.option("-f", "--follow", "follows", is_flag=True, help="Go on with what comes, for ever.")
@format_option("text")
def tail(recording: Recording, chosen: Filters, count: int, follows: bool, format: str) -> None:
    """Show the last events.

    \b
    videodb-listen tail -f --channel transcript --final
    """
    shown = shown_as(format, chosen, recording)
    with recording.follow(chosen.where, on_restart=say) as following:
        found = recording.last(count, chosen.where, before=following.place)
        write_out([shown.head, shown.batch(found)])
        while follows:
            for block in following.blocks():
                write_out([shown.batch(block)])
            following.wait()
        write_out([shown.end()])
