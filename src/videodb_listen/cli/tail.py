"""`tail`: the last events, and what comes."""

from __future__ import annotations

import click

from videodb_listen.cli.filters import Filters, filter_options
from videodb_listen.cli.flags import COUNT
from videodb_listen.cli.output import write_out
from videodb_listen.cli.reading import News, with_recording
from videodb_listen.cli.render import Show, rendered
from videodb_listen.reader.recording import Recording


@click.command()
@with_recording()
@filter_options
@rendered("text")
@click.option(
    "-n", "--limit", "count", type=COUNT, metavar="N", default=10, help="The last N that match. [default: 10]"
)
@click.option("-f", "--follow", "follows", is_flag=True, help="Go on with what comes, for ever.")
def tail(recording: Recording, chosen: Filters, render: Show, count: int, follows: bool) -> None:
    """Show the last events.

    \b
    videodb-listen tail -f --channel transcript --final
    """
    write_out([render.heading])
    if not follows:
        write_out([*render.batch(recording.last(count, chosen.where)), *render.end()])
        return
    news = News(recording)
    with recording.follow(chosen.where) as following:
        write_out(render.batch(recording.last(count, chosen.where, before=following.place)))
        while True:
            for block in following.blocks():
                write_out(render.batch(block))
            write_out(render.news())
            news.say()
            following.wait()
