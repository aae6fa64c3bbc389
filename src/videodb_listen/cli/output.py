"""What commands print: lines on stdout, fit for what it is, a word on stderr; and what is said when that fails.

`take_streams` comes first in every process. From then on `sys.stdout` and `sys.stderr` are there, whatever we were
started with, and nothing waits in a buffer: what could not be written is known at once, and not when Python exits.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import click
import orjson

from videodb_listen.system.descriptors import STDERR, STDOUT, occupy_standard
from videodb_listen.system.files import explained
from videodb_listen.text import visible

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def take_streams() -> None:
    """Keep the descriptors 0, 1 and 2 from our files, and have everything that is printed go where failures are met."""
    occupy_standard()
    if sys.stdout is sys.__stdout__:  # a test has others
        sys.stdout = io.TextIOWrapper(_Stdout(), "utf-8", "backslashreplace", write_through=True)
    if sys.stderr is sys.__stderr__:
        sys.stderr = io.TextIOWrapper(_Stderr(), "utf-8", "backslashreplace", write_through=True)


class _Stdout(io.RawIOBase):
    """Descriptor 1. A reader that left ends the command, with 0; anything else raises DirectoryUnusable."""

    name = "<stdout>"

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return STDOUT

    def isatty(self) -> bool:
        return os.isatty(self.fileno())

    def write(self, data: ReadableBuffer) -> int:
        with writable("standard output"):
            return _write_all(STDOUT, memoryview(data).cast("B"))
        raise click.exceptions.Exit(0)


class _Stderr(_Stdout):
    """Descriptor 2. What cannot be said there, nobody wants to hear."""

    name = "<stderr>"

    def fileno(self) -> int:
        return STDERR

    def write(self, data: ReadableBuffer) -> int:
        rest = memoryview(data).cast("B")
        with contextlib.suppress(OSError):
            _write_all(STDERR, rest)
        return len(rest)


def _write_all(descriptor: int, data: memoryview) -> int:
    """Write all of `data`, however slow its reader is. Raises OSError."""
    rest = data
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # someone who shares the pipe made it non-blocking
            select.select([], [descriptor], [])
    return len(data)


@contextlib.contextmanager
def writable(name: str) -> Iterator[None]:
    """Turn an OSError of writing to `name`, in the block, into DirectoryUnusable; a reader that left ends the block."""
    fix = "check the directory, its permissions and the free space"
    with contextlib.suppress(BrokenPipeError), explained(name, "cannot be written", fix=fix):
        yield


def write_out(lines: Iterable[bytes]) -> None:
    """Write to stdout, at once. A reader that left ends the command, with 0. Raises DirectoryUnusable."""
    click.echo(b"".join(lines), nl=False)


def for_stdout(lines: bytes) -> bytes:
    """`lines` as they are; for a terminal, what could steer it is written out."""
    if not is_terminal():
        return lines
    return "\n".join(map(visible, lines.decode("utf-8", "backslashreplace").split("\n"))).encode()


@cache
def is_terminal() -> bool:
    """Whether stdout is one."""
    return sys.stdout.isatty()


def labelled(rows: Sequence[tuple[str, str | None]], columns: int = 12) -> list[str]:
    """A screen for people: label and text a row; what is not known has no row."""
    return [f"{label:<{columns}}{visible(text)}" for label, text in rows if text]


def print_screen(lines: Iterable[str]) -> None:
    """A screen for people."""
    click.echo("\n".join(lines))


def print_object(content: dict[str, Any]) -> None:
    """One JSON object for programs."""
    write_out([for_stdout(orjson.dumps(content) + b"\n")])


def say(what: str) -> None:
    """One line on stderr."""
    click.echo(f"videodb-listen: {what}", err=True)
