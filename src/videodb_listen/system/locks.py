"""Who owns something, as the kernel sees it: flock(2), which goes with the process, however that ends.

A lock file is never unlinked: whoever makes it anew would be a second owner beside the first.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from videodb_listen.system import files

TRIES = 6
PAUSE_S = 0.02
"""Between tries. `is_taken` holds a shared lock for microseconds; six tries outlast any number of them."""


_LSOF_S = 10.0  # it can hang on a file system whose server is away


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
    once. Raises what files.open_to_read raises when it cannot be tried: a lock that we may not read is not a free one,
    and one that somebody planted says nothing.
    """
    try:
        descriptor = files.open_to_read(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        return not _tried(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def holds(pid: int, path: Path) -> bool | None:
    """Whether process `pid` holds the lock of the file at `path` for itself; None when the system does not tell.

    That it has the file open proves nothing: so has whoever looks at it, or waits for its lock.
    """
    try:
        wanted = path.stat()
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed since
                if os.path.samestat(descriptor.stat(), wanted) and _is_taken_by(pid, descriptor.name):
                    return True
    except FileNotFoundError:
        return False if Path("/proc/self/fd").exists() else None
    except OSError:  # another user's, or one with more rights than ours
        return None
    return False


def holder(path: Path, named: int | None = None) -> int | None:
    """The process that is proven to hold the lock of the file at `path`, None when none is.

    The kernel lists who took which lock, by their numbers in our pid namespace. `named` is a process that is said to
    hold it: where the kernel lists nothing, as on macOS, it does when it has the file open.
    """
    if not Path("/proc/self/fd").exists():
        return named if named is not None and _has_open(named, path) else None
    return next((pid for pid in _takers(path) if holds(pid, path)), None)


def _is_taken_by(pid: int, descriptor: str) -> bool:
    """Whether `descriptor` of process `pid` is the one that it took a lock with (proc(5), fdinfo)."""
    for line in Path(f"/proc/{pid}/fdinfo/{descriptor}").read_text().splitlines():
        match line.split():
            case ["lock:", _, "FLOCK", _, "WRITE", taker, *_] if taker == str(pid):
                return True
    return False


def _takers(path: Path) -> Iterator[int]:
    """Who took a lock of a file with the inode number of `path`, be it on another disk (proc(5), locks)."""
    with contextlib.suppress(OSError):
        inode = str(path.stat().st_ino)
        for line in Path("/proc/locks").read_text().splitlines():
            match line.split():
                case [_, "FLOCK", _, "WRITE", taker, place, *_] if place.rpartition(":")[2] == inode:
                    yield int(taker)


def _has_open(pid: int, path: Path) -> bool:
    """Whether lsof(8) says that process `pid` has the file at `path` open."""
    import subprocess

    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        command = ["lsof", "-w", "-t", "-a", "-p", str(pid), "--", str(path)]
        return subprocess.run(command, capture_output=True, timeout=_LSOF_S, check=False).stdout.split() == [
            b"%d" % pid
        ]
    return False


def _tried(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
