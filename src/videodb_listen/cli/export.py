"""`export`: subtitles, a transcript, a table."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import click

from videodb_listen import environment
from videodb_listen.cli.filters import Filters, filter_options, filters_of
from videodb_listen.cli.flags import with_layout
from videodb_listen.cli.output import for_stdout, say, standard_output, writable
from videodb_listen.cli.reading import damage_counter, find_recording, readable
from videodb_listen.event import Event
from videodb_listen.formats import csv
from videodb_listen.formats.cues import cues_of
from videodb_listen.formats.subtitles import WRITERS
from videodb_listen.paths import Layout
from videodb_listen.reader import query
from videodb_listen.reader.history import History, Place
from videodb_listen.reader.recording import Recording
from videodb_listen.system.files import refuse_special, replacing

_SPOKEN = query.channel("transcript") & query.final()
"""What can become a cue: lines of other channels are passed over without being parsed."""

Reading = AbstractContextManager[Iterator[Event]]
"""The events that match, to be read once; what there is to say about the files is said at the end."""


@click.command()
@click.argument("format", type=click.Choice([*WRITERS, "csv"]), metavar="FORMAT")
@click.option("-o", "--output", metavar="FILE", help="Write to FILE, whole or not at all. [default: stdout]")
@with_layout
@filter_options
def export(format: str, output: str | None, layout: Layout, **options: Any) -> None:
    """Write what was said as subtitles (srt, vtt) or a transcript (txt), or any events as a table (csv).

    What was said first is at 00:00:00; interim transcripts are left out. A FILE that is there already is replaced when
    the new one is complete.

    \b
    videodb-listen export srt --since 2h -o meeting.srt
    videodb-listen export txt --stream mic:default
    videodb-listen export csv --channel alert > alerts.csv
    """
    output = None if output is None else str(environment.path(output))
    recording = find_recording(layout)
    with readable(recording.directory):
        chosen = filters_of(options, recording)
    _refuse_ours(output, recording.directory)
    if format != "csv":
        chosen = replace(chosen, where=chosen.where & _SPOKEN)
    reading = _reading(recording, chosen, shown=output is not None and sys.stderr.isatty())
    fit = for_stdout if output is None else bytes
    with _target(output) as file:
        if format == "csv":
            _write_table(reading, file, fit)
        else:
            _write_subtitles(format, reading, file, fit)


def _write_table(reading: Reading, file: BinaryIO, fit: Callable[[bytes], bytes]) -> None:
    """A row an event, as they are read: a history of any size needs no more memory than a short one."""
    file.write(csv.header().encode())
    with reading as events:
        file.writelines(fit(csv.row(event).encode()) for event in events)


def _write_subtitles(format: str, reading: Reading, file: BinaryIO, fit: Callable[[bytes], bytes]) -> None:
    with reading as events:
        cues = cues_of(events)
    if not cues:
        say("no transcript among the events that match; see videodb-listen stats")
    file.writelines(fit(line) for text in WRITERS[format](cues) for line in text.encode().splitlines(keepends=True))


# -- reading --


@contextlib.contextmanager
def _reading(recording: Recording, chosen: Filters, *, shown: bool) -> Iterator[Iterator[Event]]:
    with damage_counter() as on_damage, _progress(recording.history, shown=shown) as moved:
        yield _events(recording, chosen, on_damage, moved)


def _events(
    recording: Recording, chosen: Filters, on_damage: query.OnDamage, moved: Callable[[Place], None]
) -> Iterator[Event]:
    """The events that match; `moved` is told how far the history was read. Raises DirectoryUnusable."""
    with readable(recording.directory):
        for block in recording.blocks(chosen.since_s, on_restart=say):
            for _, event in query.select(block.data, chosen.where, on_damage):
                yield event
            moved(block.end)


@contextlib.contextmanager
def _progress(history: History, *, shown: bool) -> Iterator[Callable[[Place], None]]:
    """Gives what is told how far `history` was read, and shows that on stderr."""
    if not shown:
        yield lambda _: None
        return
    begins, size = history.begins()
    with click.progressbar(length=size, label="reading", file=sys.stderr) as bar:

        def moved(place: Place) -> None:
            if place.after in begins:  # else it was rotated meanwhile: so new that there is no more to show
                bar.update(min(begins[place.after] + place.offset, size) - bar.pos)

        yield moved
        bar.update(size - bar.pos)


# -- writing --


@contextlib.contextmanager
def _target(output: str | None) -> Iterator[BinaryIO]:
    """The file named `output`, None for stdout. Raises DirectoryUnusable when it cannot be written."""
    if output is None:
        with standard_output() as file:
            yield file
    else:
        path = Path(output)
        with writable(output):
            refuse_special(path, fix="name another one, or leave out -o and redirect the output")
            with replacing(path, alone=False, synced=True) as file:
                yield file


def _refuse_ours(output: str | None, directory: Path) -> None:
    """Raise UsageError where a slip of the fingers would replace the recording itself, or what a listener keeps."""
    path = Path(output or "")
    if path.name.startswith("videodb_") and path.resolve().parent == directory.resolve():
        raise click.UsageError(f"{path} is the listener's own: name another file")
