"""The files that a command reads and the output that it writes, and what is said when either fails."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import click

from videodb_listen.errors import DirectoryUnusable
from videodb_listen.paths import Layout
from videodb_listen.reader.history import History


@contextlib.contextmanager
def readable(directory: Path) -> Iterator[None]:
    """Turn an OSError of reading in `directory`, in the block, into DirectoryUnusable."""
    try:
        yield
    except BrokenPipeError:
        raise  # that is the output's
    except OSError as exc:
        where = exc.filename or directory
        raise DirectoryUnusable(f"{where} cannot be read: {exc.strerror}", fix="check who may read it") from None


def find_history(layout: Layout) -> History:
    """The history in `layout`. Raises DirectoryUnusable when there is no events file, not even a rotated one."""
    with readable(layout.directory):
        history = History(layout.directory)
        if not history.events.exists() and len(history.parts()) == 1:
            raise DirectoryUnusable(
                f"there is no events file {history.events}", fix="start a listener, or name another --dir"
            )
    return history


@contextlib.contextmanager
def damage_counter() -> Iterator[Callable[[bytes], None]]:
    """Gives what takes each damaged line; at the end, their number is said."""
    damaged = 0

    def take(_line: bytes) -> None:
        nonlocal damaged
        damaged += 1

    yield take
    if damaged:
        say(f"{damaged} damaged {'line was' if damaged == 1 else 'lines were'} left out; see videodb-listen verify")


@contextlib.contextmanager
def writable(name: str) -> Iterator[None]:
    """Turn an OSError of writing to `name`, in the block, into DirectoryUnusable; a reader that left ends the block."""
    try:
        yield
    except BrokenPipeError:
        pass  # whoever reads our output has seen enough
    except OSError as exc:
        fix = "check the directory, its permissions and the free space"
        raise DirectoryUnusable(f"{name} cannot be written: {exc.strerror}", fix=fix) from None


@contextlib.contextmanager
def standard_output() -> Iterator[BinaryIO]:
    """A buffer of our own on stdout: what `sys.stdout` could not write it would try again at exit, and complain.

    Not by `sys.stdout.fileno()`: a closed stdout has no `sys.stdout` at all.
    """
    with writable("standard output"), open(1, "wb", closefd=False) as file:
        yield file


def write_out(lines: Iterable[bytes]) -> None:
    """Write to stdout, at once. A reader that left ends the command, with 0. Raises DirectoryUnusable."""
    data = memoryview(b"".join(lines))
    with writable("standard output"):
        while data:
            try:
                data = data[os.write(1, data) :]
            except BlockingIOError:  # someone who shares the pipe made it non-blocking
                select.select([], [1], [])
        return
    raise click.exceptions.Exit(0)


def say(what: str) -> None:
    """One line on stderr."""
    click.echo(f"videodb-listen: {what}", err=True)
