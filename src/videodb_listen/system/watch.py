"""Being told that a file changed. The only importer of inotify_simple.

The kernel tells on Linux; elsewhere, and where it cannot (no watches left, a network file system whose other end
writes), a look now and then has to do.
"""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Self

if sys.platform == "linux":
    from inotify_simple import INotify, flags

    _TOLD = flags.MODIFY | flags.CREATE | flags.MOVED_TO | flags.MOVED_FROM | flags.DELETE | flags.MOVE_SELF

LOOK_ANYWAY_S = 1.0
"""How long a change may stay unseen that the kernel did not tell of: one on another machine, or a lock let go."""

POLL_S = 0.1
"""Between looks where the kernel tells nothing."""


class Watch:
    """Tells of changes to files called `names` in `directory`, from the moment it is made.

    Make it before you look: a change in between is then never missed.
    """

    def __init__(self, directory: Path, names: Iterable[str] = ()) -> None:
        """Watch `directory`; without `names`, all that is in it."""
        self._directory = directory
        self._names = frozenset(names)
        self._inotify: INotify | None = None
        self._watch()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop watching."""
        if self._inotify is not None:
            self._inotify.close()
            self._inotify = None

    def fileno(self) -> int | None:
        """A descriptor that is readable after a change, for an event loop; None where the kernel does not tell."""
        return None if self._inotify is None else self._inotify.fileno()

    def wait(self, timeout_s: float | None = None) -> None:
        """Return after a change, or after `timeout_s` seconds (None: only LOOK_ANYWAY_S bounds it)."""
        limit_s = LOOK_ANYWAY_S if timeout_s is None else min(timeout_s, LOOK_ANYWAY_S)
        if self._inotify is None:
            time.sleep(min(limit_s, POLL_S))
            self._watch()
            return
        deadline = time.monotonic() + limit_s
        while (left_s := deadline - time.monotonic()) > 0 and not self.changed(left_s):
            pass

    def changed(self, within_s: float = 0.0) -> bool:
        """Take what the kernel has told, waiting for the first word at most `within_s`; whether it concerns us."""
        if self._inotify is None:
            return True
        told = self._inotify.read(timeout=math.ceil(within_s * 1000))
        if any(event.mask & (flags.IGNORED | flags.MOVE_SELF) for event in told):  # the directory is another one now
            self.close()
            return True
        return any(not self._names or event.name in self._names for event in told)

    def _watch(self) -> None:
        if sys.platform != "linux":
            return
        with contextlib.suppress(OSError):  # no directory yet, or no watches left: then we look now and then
            inotify = INotify()
            try:
                inotify.add_watch(self._directory, _TOLD)
            except OSError:
                inotify.close()
                raise
            self._inotify = inotify
