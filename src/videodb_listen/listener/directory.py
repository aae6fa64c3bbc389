"""The state directory: created, found trustworthy, and owned by one listener at a time.

The kernel's lock decides who owns it: it is held for the life of the process, on a file that is never unlinked.
A pid file proves nothing, since process ids are reused.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from videodb_listen import presence
from videodb_listen.errors import DirectoryBusy
from videodb_listen.paths import Layout
from videodb_listen.system import files, locks
from videodb_listen.system.descriptors import is_named


class Owner:
    """Holds the lock of the directory of `layout`. `shared`: others can write there."""

    def __init__(self, layout: Layout) -> None:
        """Raise DirectoryUnusable when there is no trusting the directory, DirectoryBusy when another owns it."""
        self.layout = layout
        self.shared, self._descriptor = _acquired(layout)

    def renew_if_removed(self) -> bool:
        """Make the directory and the lock anew if someone removed them; whether that was so.

        Without the file the lock keeps nobody out. Raises what __init__ raises; the old lock is kept then.
        """
        if is_named(self._descriptor, self.layout.lock):
            return False
        self.shared, descriptor = _acquired(self.layout)
        os.close(self._descriptor)
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Drop the lock."""
        os.close(self._descriptor)


@contextlib.contextmanager
def owned(layout: Layout) -> Iterator[Owner]:
    """Own the directory of `layout` for the length of the block. Raises what Owner raises."""
    owner = Owner(layout)
    try:
        yield owner
    finally:
        owner.release()


def prepare(layout: Layout) -> bool:
    """Create the directory (0700) where there is none and refuse traps in it; whether others can write to it.

    Raises DirectoryUnusable.
    """
    with files.explained(layout.directory):
        files.make_directories(layout.directory)
        shared = files.is_shared(layout.directory)
        for path in (layout.events, layout.ws_id, layout.pid, layout.state, layout.journal, layout.lock, layout.log):
            files.refuse_trap(path, shared=shared)
    return shared


def _acquired(layout: Layout) -> tuple[bool, int]:
    """Whether the directory is shared, and the descriptor that holds its lock."""
    shared = prepare(layout)
    descriptor = files.open_private(layout.lock, os.O_RDWR, shared=shared)
    try:
        with files.explained(layout.lock, "cannot be locked", fix="choose a directory on a file system with flock(2)"):
            if not locks.take(descriptor):
                raise _busy(layout)
    except BaseException:
        os.close(descriptor)
        raise
    return shared, descriptor


def _busy(layout: Layout) -> DirectoryBusy:
    pid = presence.read_pid(layout)
    who = f"pid {pid}" if pid else "whose pid file is not there yet"
    return DirectoryBusy(
        f"another listener ({who}) owns {layout.directory}", fix="use it, stop it, or choose another directory"
    )
