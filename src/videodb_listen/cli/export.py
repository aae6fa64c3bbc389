"""`export`: subtitles, a transcript, a table."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

import click

from videodb_listen.cli.files import damage_counter, find_history, readable, say, standard_output, writable
from videodb_listen.cli.filters import Filters, filter_options, filters_of
from videodb_listen.cli.options import directory_options, find_layout, read_dotenv
from videodb_listen.cli.render import csv_header, csv_row, for_stdout
from videodb_listen.errors import DirectoryUnusable
from videodb_listen.event import Event, View
from videodb_listen.formats.cues import cues_of
from videodb_listen.formats.subtitles import WRITERS
from videodb_listen.presence import read_state
from videodb_listen.reader import query
from videodb_listen.reader.history import History, Place
from videodb_listen.reader.reader import Reader
from videodb_listen.reader.seek import Run, read_since

_SPOKEN = query.channel("transcript") & query.final()
"""What can become a cue: lines of other channels are passed over without being parsed."""

_SIZE_BYTES = 4  # a gzip file ends with its unpacked size, modulo 2^32

Reading = AbstractContextManager[Iterator[Event]]
"""The events that match, to be read once; what there is to say about the files is said at the end."""


@click.command()
@click.argument("format", type=click.Choice([*WRITERS, "csv"]), metavar="FORMAT")
@click.option("-o", "--output", metavar="FILE", help="Write to FILE, whole or not at all. [default: stdout]")
@directory_options
@filter_options
def export(format: str, output: str | None, directory: str | None, cwd: str | None, **options: Any) -> None:
    """Write what was said as subtitles (srt, vtt) or a transcript (txt), or any events as a table (csv).

    What was said first is at 00:00:00; interim transcripts are left out. A FILE that is there already is replaced when
    the new one is complete.

    \b
    videodb-listen export srt --since 2h -o meeting.srt
    videodb-listen export txt --stream mic:default
    videodb-listen export csv --channel alert > alerts.csv
    """
    layout = find_layout(directory, read_dotenv(cwd))
    history = find_history(layout)
    with readable(layout.directory):
        chosen = filters_of(options, history)
    _refuse_ours(output, history)
    if format != "csv":
        chosen = Filters(chosen.where & _SPOKEN, chosen.since_s)
    reading = _reading(history, Run.of(read_state(layout)), chosen, shown=output is not None and sys.stderr.isatty())
    fit = for_stdout if output is None else bytes
    with _target(output) as file:
        if format == "csv":
            _write_table(reading, file, fit)
        else:
            _write_subtitles(format, reading, file, fit)


def _write_table(reading: Reading, file: BinaryIO, fit: Callable[[bytes], bytes]) -> None:
    """A row an event, as they are read: a history of any size needs no more memory than a short one."""
    file.write(csv_header())
    with reading as events:
        file.writelines(fit(csv_row(View.of(event))) for event in events)


def _write_subtitles(format: str, reading: Reading, file: BinaryIO, fit: Callable[[bytes], bytes]) -> None:
    with reading as events:
        cues = cues_of(events)
    if not cues:
        say("no transcript among the events that match; see videodb-listen stats")
    file.writelines(fit(line) for text in WRITERS[format](cues) for line in text.encode().splitlines(keepends=True))


# -- reading --


@contextlib.contextmanager
def _reading(history: History, run: Run | None, chosen: Filters, *, shown: bool) -> Iterator[Iterator[Event]]:
    with damage_counter() as on_damage, _progress(history, shown=shown) as moved:
        yield _events(history, run, chosen, on_damage, moved)


def _events(
    history: History,
    run: Run | None,
    chosen: Filters,
    on_damage: Callable[[bytes], None],
    moved: Callable[[Place], None],
) -> Iterator[Event]:
    """The events that match; `moved` is told how far the history was read. Raises DirectoryUnusable."""
    since_s = chosen.since_s
    with readable(history.directory), Reader(history, on_restart=say) as reader:
        for block in reader.blocks() if since_s is None else read_since(reader, run, since_s):
            for _, event in query.select(block.data, chosen.where, on_damage):
                yield event
            moved(block.end)


@contextlib.contextmanager
def _progress(history: History, *, shown: bool) -> Iterator[Callable[[Place], None]]:
    """Gives what is told how far `history` was read, and shows that on stderr."""
    if not shown:
        yield lambda _: None
        return
    begins, size = _begins(history)
    with click.progressbar(length=size, label="reading", file=sys.stderr) as bar:

        def moved(place: Place) -> None:
            if place.after in begins:  # else it was rotated meanwhile: so new that there is no more to show
                bar.update(min(begins[place.after] + place.offset, size) - bar.pos)

        yield moved
        bar.update(size - bar.pos)


def _begins(history: History) -> tuple[dict[str | None, int], int]:
    """Where each file of `history` begins, in bytes, by the stamp of the generation before it; and where all end."""
    begins: dict[str | None, int] = {}
    size, after = 0, None
    for part in history.parts():
        begins[after] = size
        size += max(map(_unpacked_size, part.paths))
        after = part.stamp
    return begins, size


def _unpacked_size(path: Path) -> int:
    """The size of what is in `path`, which may be compressed; 0 when it is not there."""
    try:
        if path.suffix != ".gz":
            return path.stat().st_size
        with path.open("rb") as file:
            file.seek(-_SIZE_BYTES, os.SEEK_END)
            return int.from_bytes(file.read(_SIZE_BYTES), "little")
    except OSError:
        return 0


# -- writing --


@contextlib.contextmanager
def _target(output: str | None) -> Iterator[BinaryIO]:
    """The file named `output`, None for stdout. Raises DirectoryUnusable when it cannot be written."""
    if output is None:
        with standard_output() as file:
            yield file
    else:
        with writable(output), _replacing(Path(output)) as file:
            yield file


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file, 0600, that becomes `path` when the block ends; a block that fails leaves no trace. Raises OSError."""
    _refuse_special(path)
    temporary = path.with_name(f".export-{os.urandom(8).hex()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123  # a descriptor, not a path
            os.fchmod(descriptor, 0o600)
            yield file
            file.flush()
            os.fsync(descriptor)  # otherwise a power loss could leave the new name with nothing in it
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _refuse_ours(output: str | None, history: History) -> None:
    """Raise UsageError where a slip of the fingers would replace the recording itself, or what a listener keeps."""
    path = Path(output or "")
    if path.name.startswith("videodb_") and path.resolve().parent == history.directory.resolve():
        raise click.UsageError(f"{path} is the listener's own: name another file")


def _refuse_special(path: Path) -> None:
    """Raise DirectoryUnusable for a directory, device, pipe or link: a rename would put a file in its place."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise DirectoryUnusable(
                f"{path} is not a regular file", fix="name another one, or leave out -o and redirect the output"
            )
