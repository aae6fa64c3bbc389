"""`show`: one event by its id."""

from __future__ import annotations

import sys

import click

from videodb_listen import environment
from videodb_listen.cli.flags import format_option
from videodb_listen.cli.output import write_out
from videodb_listen.cli.reading import with_recording
from videodb_listen.cli.render import FORMS, show_as
from videodb_listen.errors import Usage
from videodb_listen.reader.recording import Recording


@click.command()
@click.argument("id")
@with_recording()
@format_option("brief", FORMS)
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
    render = show_as(format, recording, recording.voices(environment.owners(())), longest=sys.maxsize)
    write_out([render.heading, *render.batch(found), *render.end()])
