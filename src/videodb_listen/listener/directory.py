"""The state directory: created, found trustworthy, and owned by one listener at a time.

The kernel's lock decides who owns it: flock(2) on a file that is never unlinked, held for the life of the process.
A pid file proves nothing, since process ids are reused.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from videodb_listen import presence
from videodb_listen.errors import DirectoryBusy, DirectoryUnusable
from videodb_listen.paths import Layout

_LOCK_TRIES = 6
_LOCK_PAUSE_S = 0.02  # `status` holds a shared lock for microseconds; six tries outlast any number of them


class Owner:
    """Holds the lock of `layout`'s directory. `shared`: others can write there."""

    def __init__(self, layout: Layout) -> None:
        """Raise DirectoryUnusable when there is no trusting the directory, DirectoryBusy when another owns it."""
        self._layout = layout
        self.shared, self._descriptor = _acquired(layout)

    def renew_if_removed(self) -> bool:
        """Make the directory and the lock anew if someone removed them; whether that was so.

        Without the file the lock keeps nobody out. Raises what __init__ raises; the old lock is kept then.
        """
        with explained(self._layout.lock), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if os.path.samestat(os.fstat(self._descriptor), self._layout.lock.stat()):
                return False
        self.shared, descriptor = _acquired(self._layout)
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


def _acquired(layout: Layout) -> tuple[bool, int]:
    shared = prepare(layout)
    descriptor = open_file(layout.lock, os.O_RDWR, shared=shared)
    try:
        with explained(layout.lock):
            if not _locked(descriptor):
                raise _busy(layout)
    except BaseException:
        os.close(descriptor)
        raise
    return shared, descriptor


def prepare(layout: Layout) -> bool:
    """Create the directory (0700) where there is none and refuse traps in it; whether others can write to it.

    Raises DirectoryUnusable.
    """
    with explained(layout.directory):
        _create(layout.directory)
        shared = _is_shared(layout.directory)
        _refuse_traps(layout, shared=shared)
    return shared


def sync_directory(directory: Path) -> None:
    """Force new names in `directory` onto the disk: without it a power loss can take a file whose content was synced.

    Raises OSError.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_file(path: Path, flags: int, *, shared: bool, keep_mode: bool = False) -> int:
    """A descriptor of the regular file at `path`, created 0600 whatever the umask.

    A file of ours that was there gets 0600 as well, unless `keep_mode`: what it will hold is private.
    O_NONBLOCK: opening a FIFO that was planted in its place must not hang.
    Raises DirectoryUnusable when it is not a regular file, or, in a shared directory, is a symlink or someone else's.
    """
    flags |= os.O_CLOEXEC | os.O_NONBLOCK | (os.O_NOFOLLOW if shared else 0)
    with explained(path):
        try:
            descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
            keep_mode = False  # the umask may have taken our own bits
        except FileExistsError:
            descriptor = os.open(path, flags)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or (shared and status.st_uid != os.geteuid()):
            os.close(descriptor)
            raise _untrusted(path)
        if status.st_uid == os.geteuid() and not keep_mode:
            os.fchmod(descriptor, 0o600)
    return descriptor


def _create(directory: Path) -> None:
    """Every missing part of the path, 0700 as the XDG base directory specification asks."""
    missing = []
    for part in (directory, *directory.parents):
        if part.exists():
            break
        missing.append(part)
    for part in reversed(missing):
        with contextlib.suppress(FileExistsError):
            part.mkdir(0o700)
            part.chmod(0o700)  # the umask may have taken our own bits
    if not directory.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(directory))


def _is_shared(directory: Path) -> bool:
    """Whether someone else may put files into `directory` (root may anywhere, and is trusted)."""
    status = directory.stat()
    return bool(status.st_mode & 0o022) or status.st_uid not in (os.geteuid(), 0)


def _refuse_traps(layout: Layout, *, shared: bool) -> None:
    """Refuse whatever stands in place of one of our files, before anything is written through it."""
    for path in (layout.events, layout.ws_id, layout.pid, layout.state, layout.journal, layout.lock, layout.log):
        with contextlib.suppress(FileNotFoundError):
            status = path.lstat() if shared else path.stat()
            if not stat.S_ISREG(status.st_mode) or (shared and status.st_uid != os.geteuid()):
                raise _untrusted(path)


def _untrusted(path: Path) -> DirectoryUnusable:
    return DirectoryUnusable(
        f"{path} is a symlink, not a regular file, or someone else's", fix="remove it or choose another directory"
    )


def _locked(descriptor: int) -> bool:
    for attempt in range(_LOCK_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if attempt + 1 < _LOCK_TRIES:
                time.sleep(_LOCK_PAUSE_S)
        else:
            return True
    return False


def _busy(layout: Layout) -> DirectoryBusy:
    pid = presence.read_pid(layout)
    who = f"pid {pid}" if pid else "whose pid file is not there yet"
    return DirectoryBusy(
        f"another listener ({who}) owns {layout.directory}", fix="use it, stop it, or choose another directory"
    )


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an OSError of the block into DirectoryUnusable; `path` is what is named where the error names nothing."""
    try:
        yield
    except OSError as exc:
        raise DirectoryUnusable(
            f"{exc.filename or path}: {exc.strerror or exc}", fix="choose a directory that you can write to"
        ) from None
