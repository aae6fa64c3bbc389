"""Open files by their number: the three that every program has, and which file a number stands for."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from pathlib import Path

STDIN, STDOUT, STDERR = 0, 1, 2


def occupy_standard() -> None:
    """Put /dev/null where 0, 1 or 2 is closed: otherwise the next file opened gets that number, and our output.

    In the place of stdout it is open for reading only. What is written there was asked for, and would be lost without a
    word: so writing fails, as it does on a closed descriptor.
    """
    for number, access in ((STDIN, os.O_RDONLY), (STDOUT, os.O_RDONLY), (STDERR, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            descriptor = os.open(os.devnull, access)  # the lowest free number, which is this one
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)


def is_named(descriptor: int, path: Path) -> bool | None:
    """Whether `path` names the very file that is open; None when it names none, or we may not look.

    False when the file was renamed, replaced or deleted. Raises OSError when nothing is open at `descriptor`.
    """
    if (ours := _status(descriptor)) is None:
        return False
    with contextlib.suppress(OSError):
        return os.path.samestat(ours, path.stat())
    return None


def is_regular(descriptor: int) -> bool:
    """Whether it is a file, and no terminal, pipe or device."""
    status = _status(descriptor)
    return status is not None and stat.S_ISREG(status.st_mode)


def is_unlinked(descriptor: int) -> bool:
    """Whether the open file has no name left at all: what is in it is gone with its descriptor. Raises OSError."""
    return (status := _status(descriptor)) is None or status.st_nlink == 0


def _status(descriptor: int) -> os.stat_result | None:
    """None for a file that another machine has deleted on a shared file system."""
    try:
        return os.fstat(descriptor)
    except OSError as exc:
        if exc.errno != errno.ESTALE:
            raise
        return None


def is_writable(descriptor: int) -> bool:
    """Whether it was opened for writing. Raises OSError."""
    return fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY


def is_opened_with(descriptor: int, flags: int) -> bool:
    """Whether it was opened with these flags, of reading, writing and appending. Raises OSError."""
    return fcntl.fcntl(descriptor, fcntl.F_GETFL) & (os.O_ACCMODE | os.O_APPEND) == flags
