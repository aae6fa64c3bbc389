"""The recording that a command reads, and what is said when it cannot be read or is damaged."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from videodb_listen.cli.flags import Command, with_layout
from videodb_listen.cli.output import say
from videodb_listen.errors import DirectoryUnusable, Incomplete
from videodb_listen.paths import Layout
from videodb_listen.reader.losses import Break, Losses
from videodb_listen.reader.recording import Recording
from videodb_listen.system.files import explained
from videodb_listen.text import visible


class Told(Losses):
    """Says on stderr what is passed over: a hole at once, damaged lines by their number when all was read."""

    def __init__(self) -> None:
        self._damaged = 0
        self._broken: set[str] = set()

    def restarted(self, why: str) -> None:
        """Say it."""
        say(why)

    def damaged(self, line: bytes) -> None:
        """Count it."""
        self._damaged += 1

    def broken(self, at: Break) -> None:
        """Say it, once for each file: some commands read it twice."""
        if at.file not in self._broken:
            say(str(at))
            self._broken.add(at.file)

    def settle(self) -> None:
        """Say how many lines were damaged since the last time."""
        if self._damaged:
            count = "1 damaged line was" if self._damaged == 1 else f"{self._damaged} damaged lines were"
            say(f"{count} left out; see videodb-listen verify")
        self._damaged = 0

    def end(self) -> None:
        """Everything was printed. Raises Incomplete when that is not everything which was recorded."""
        self.settle()
        if self._broken:
            what = "what could not be read is missing here"
            raise Incomplete(f"{what}: {', '.join(sorted(self._broken))}", fix="see videodb-listen verify")


class News:
    """Says on stderr what a quiet screen does not: that no listener runs, or since when it has no connection."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._said: str | None = None  # the phase that was told last; None: all was well so far

    def say(self) -> None:
        """Say what has changed since the last time. Raises DirectoryUnusable when that cannot be told."""
        if self._recording.layout is None:
            return
        phase = self._recording.presence().phase
        if phase == (self._said or "connected"):
            return
        self._said = phase
        if phase == "connected":
            say("the listener is connected")
        elif phase == "reconnecting":
            say(f"the listener has no connection{self._since()}, and tries again")
        elif phase == "starting":
            say("the listener has no connection yet")
        elif phase in ("stopped", "crashed"):
            say(f"no listener runs in {visible(str(self._recording.directory))}: nothing new can come")

    def _since(self) -> str:
        lost_s = self._recording.journal().lost_s
        return "" if lost_s is None else f" since {time.strftime('%H:%M:%S', time.localtime(lost_s))}"


def with_recording(*, there: bool = True) -> Callable[[Command], Command]:
    """`--dir` and `--cwd`; the command is handed the `recording` that they name.

    DirectoryUnusable ends it when a file cannot be read, and where it has to be `there`, when there is no events file,
    not even a rotated one. Incomplete ends it when it has done its work, and a file could not be read to its end.
    """

    def decorate(command: Command) -> Command:
        @with_layout
        @functools.wraps(command)
        def called(*args: Any, layout: Layout, **options: Any) -> Any:
            told = Told()
            with readable(layout.directory):
                recording = Recording(layout, losses=told)
                if there and not recording.history.exists():
                    what = f"there is no events file {recording.history.events}"
                    raise DirectoryUnusable(what, fix="start a listener, or name another --dir")
                command(*args, recording=recording, **options)
            told.end()

        return called

    return decorate


def readable(directory: Path) -> AbstractContextManager[None]:
    """Turn an OSError of reading in `directory`, in the block, into DirectoryUnusable."""
    return explained(directory, "cannot be read", fix="check who may read it")
