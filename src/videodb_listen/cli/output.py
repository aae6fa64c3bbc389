"""What commands print: lines on stdout, fit for what it is, a word on stderr; and what is said when that fails."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import BinaryIO

import click

from videodb_listen.system.descriptors import STDOUT
from videodb_listen.system.files import explained
from videodb_listen.text import visible


@contextlib.contextmanager
def writable(name: str) -> Iterator[None]:
    """Turn an OSError of writing to `name`, in the block, into DirectoryUnusable; a reader that left ends the block."""
    fix = "check the directory, its permissions and the free space"
    with contextlib.suppress(BrokenPipeError), explained(name, "cannot be written", fix=fix):
        yield


@contextlib.contextmanager
def standard_output() -> Iterator[BinaryIO]:
    """A buffer of our own on stdout: what `sys.stdout` could not write it would try again at exit, and complain.

    Not by `sys.stdout.fileno()`: a closed stdout has no `sys.stdout` at all.
    """
    with writable("standard output"), open(STDOUT, "wb", closefd=False) as file:
        yield file


def write_out(lines: Iterable[bytes]) -> None:
    """Write to stdout, at once. A reader that left ends the command, with 0. Raises DirectoryUnusable."""
    data = memoryview(b"".join(lines))
    with writable("standard output"):
        while data:
            try:
                data = data[os.write(STDOUT, data) :]
            except BlockingIOError:  # someone who shares the pipe made it non-blocking
                select.select([], [STDOUT], [])
        return
    raise click.exceptions.Exit(0)


def for_stdout(line: bytes) -> bytes:
    """`line` as it is; for a terminal, what could steer it is written out."""
    if not is_terminal():
        return line
    return visible(line.decode("utf-8", "backslashreplace").removesuffix("\n")).encode() + b"\n"


@cache
def is_terminal() -> bool:
    """Whether stdout is one."""
    return sys.stdout is not None and sys.stdout.isatty()


def labelled(rows: Sequence[tuple[str, str | None]]) -> list[str]:
    """A screen for people: label and text a row; what is not known has no row."""
    return [f"{label:<12}{visible(text)}" for label, text in rows if text]


def say(what: str) -> None:
    """One line on stderr."""
    click.echo(f"videodb-listen: {what}", err=True)
