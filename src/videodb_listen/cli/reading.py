"""The recording that a command reads, and what is said when it cannot be read or is damaged."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from videodb_listen.cli.flags import Command, with_layout
from videodb_listen.cli.output import say
from videodb_listen.errors import DirectoryUnusable
from videodb_listen.paths import Layout
from videodb_listen.reader.query import OnDamage
from videodb_listen.reader.recording import Recording
from videodb_listen.system.files import explained


def with_recording(*, there: bool = True) -> Callable[[Command], Command]:
    """`--dir` and `--cwd`; the command is handed the `recording` that they name.

    DirectoryUnusable ends it when a file cannot be read, and where it has to be `there`, when there is no events file,
    not even a rotated one.
    """

    def decorate(command: Command) -> Command:
        @with_layout
        @functools.wraps(command)
        def called(*args: Any, layout: Layout, **options: Any) -> Any:
            recording = Recording(layout)
            with readable(recording.directory):
                if there and not recording.history.exists():
                    raise DirectoryUnusable(
                        f"there is no events file {recording.history.events}",
                        fix="start a listener, or name another --dir",
                    )
                return command(*args, recording=recording, **options)

        return called

    return decorate


def readable(directory: Path) -> AbstractContextManager[None]:
    """Turn an OSError of reading in `directory`, in the block, into DirectoryUnusable."""
    return explained(directory, "cannot be read", fix="check who may read it")


@contextlib.contextmanager
def damage_counter() -> Iterator[OnDamage]:
    """Gives what takes each damaged line; at the end, their number is said."""
    damaged = 0

    def take(_line: bytes) -> None:
        nonlocal damaged
        damaged += 1

    yield take
    if damaged:
        say(f"{damaged} damaged {'line was' if damaged == 1 else 'lines were'} left out; see videodb-listen verify")
