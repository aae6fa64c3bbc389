"""`show`: one event by its id."""

from __future__ import annotations

import sys

import click

from videodb_listen import environment
from videodb_listen.cli.filters import Filters
from videodb_listen.cli.output import write_out
from videodb_listen.cli.reading import with_recording
from videodb_listen.cli.render import format_option, shown_as
from videodb_listen.errors import Usage
from videodb_listen.reader.query import ANY
from videodb_listen.reader.recording import Recording


@click.command()
@click.argument("id")
@with_recording()
@format_option("brief")
def show(recording: Recording, id: str, format: str) -> None:
    """Print the event with this id, all of it; its beginning, eight characters, is enough.

    Ids are those of feed, and of the format brief. They stay the same through rotation and compression.

    \b
    videodb-listen show 5sk0jzdj --format json
    """
    try:
        found = recording.find(id)
    except ValueError as exc:
        raise Usage(str(exc), fix="an id is in what feed prints, as 5sk0jzdj") from None
    if not found:
        raise Usage(f"no event has the id {id}", fix="it may have been rotated away, or is in another --dir")
    chosen = Filters(ANY, None, None, recording.voices(environment.owners(())))
    shown = shown_as(format, chosen, recording, longest=sys.maxsize)
    write_out([shown.head, shown.batch(found), shown.end()])
