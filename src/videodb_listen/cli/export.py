"""`export`: subtitles, a transcript, a table."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click

from videodb_listen.cli.filters import Filters, filter_options
from videodb_listen.cli.output import for_stdout, say, writable, write_out
from videodb_listen.cli.progress import ProgressLines
from videodb_listen.cli.reading import damage_counter, readable, with_recording
from videodb_listen.event import Event
from videodb_listen.formats import csv
from videodb_listen.formats.cues import cues_of
from videodb_listen.formats.subtitles import WRITERS
from videodb_listen.reader import query
from videodb_listen.reader.recording import Recording
from videodb_listen.system.files import refuse_special, replacing

_SPOKEN = query.channel("transcript") & query.final()
"""What can become a cue: lines of other channels are passed over without being parsed."""

Write = Callable[[Iterable[bytes]], None]
"""Takes the next pieces of what is exported."""


@click.command()
@click.argument("format", type=click.Choice([*WRITERS, "csv"]), metavar="FORMAT")
@click.option("-o", "--output", metavar="FILE", help="Write to FILE, whole or not at all. [default: stdout]")
@with_recording()
@filter_options
def export(format: str, output: str | None, recording: Recording, chosen: Filters) -> None:
    """Write what was said as subtitles (srt, vtt) or a transcript (txt), or any events as a table (csv).

    What was said first is at 00:00:00; interim transcripts are left out. A FILE that is there already is replaced when
    the new one is complete.

    \b
    videodb-listen export srt --since 2h -o meeting.srt
    videodb-listen export txt --stream mic:default
    videodb-listen export csv --channel alert > alerts.csv
    """
    _refuse_ours(output, recording.directory)
    with _target(output) as write:
        if format == "csv":
            _write_table(_events(recording, chosen, watched=output is not None), write)
        else:
            spoken = Filters(chosen.where & _SPOKEN, chosen.since_s, chosen.until_s)
            _write_subtitles(format, _events(recording, spoken, watched=output is not None), write)


def _write_table(events: Iterator[list[Event]], write: Write) -> None:
    """A row an event, as they are read: a history of any size needs no more memory than a short one."""
    write([csv.header().encode()])
    for some in events:
        write(csv.row(event).encode() for event in some)


def _write_subtitles(format: str, events: Iterator[list[Event]], write: Write) -> None:
    cues = cues_of(event for some in events for event in some)
    if not cues:
        say("no transcript among the events that match; see videodb-listen stats")
    write(text.encode() for text in WRITERS[format](cues))


def _events(recording: Recording, chosen: Filters, *, watched: bool) -> Iterator[list[Event]]:
    """The events that match, a block at a time. `watched`: a terminal is shown how far it is."""
    progress = ProgressLines(moving=watched)
    begins, size = recording.history.begins() if watched else ({}, 1)
    with readable(recording.directory), damage_counter() as on_damage:
        for block in recording.blocks(chosen.since_s, on_restart=say):
            yield [event for _, event in query.select(block.data, chosen.where, on_damage)]
            if block.end.after in begins:  # else it was rotated meanwhile: so new that there is no more to show
                progress.move(f"reading {min(1.0, (begins[block.end.after] + block.end.offset) / (size or 1)):.0%}")
    progress.rub_out()


@contextlib.contextmanager
def _target(output: str | None) -> Iterator[Write]:
    """The file named `output`, None for stdout. Raises DirectoryUnusable when it cannot be written."""
    if output is None:
        yield lambda pieces: write_out(map(for_stdout, pieces))
        return
    path = Path(output)
    with writable(output):
        refuse_special(path, fix="name another one, or leave out -o and redirect the output")
        with replacing(path, alone=False, synced=True) as file:
            yield file.writelines


def _refuse_ours(output: str | None, directory: Path) -> None:
    """Raise UsageError where a slip of the fingers would replace the recording itself, or what a listener keeps."""
    path = Path(output or "")
    if path.name.startswith("videodb_") and path.resolve().parent == directory.resolve():
        raise click.UsageError(f"{path} is the listener's own: name another file")
