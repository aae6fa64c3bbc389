"""Who owns something, as the kernel sees it: flock(2), which goes with the process, however that ends.

A lock file is never unlinked: whoever makes it anew would be a second owner beside the first.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

TRIES = 6
PAUSE_S = 0.02
"""Between tries. `is_taken` holds a shared lock for microseconds; six tries outlast any number of them."""


def take(descriptor: int) -> bool:
    """Take the lock of the open file for us alone; whether nobody else has it. Raises OSError.

    It is let go when the descriptor is closed, and so are its copies.
    """
    for _ in range(TRIES - 1):
        if _tried(descriptor, fcntl.LOCK_EX):
            return True
        time.sleep(PAUSE_S)
    return _tried(descriptor, fcntl.LOCK_EX)


def wait_for(descriptor: int) -> None:
    """Take the lock of the open file for us alone, however long others keep it. Raises OSError."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def is_taken(path: Path) -> bool:
    """Whether somebody has the lock of the file at `path` for themselves; no file, nobody.

    flock(2) cannot be asked, only tried: this takes a shared lock for an instant, which is why `take` tries more than
    once. O_NONBLOCK: a FIFO in its place must not hang. Raises OSError when it cannot be tried: a lock that we may not
    read is not a free one.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        return not _tried(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _tried(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
