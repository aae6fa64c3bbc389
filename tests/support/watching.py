"""Waiting for another process's files: the kernel says when something changed, then the file is looked at."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from support.waiting import LIMIT_S, Changes

_IN_MODIFY, _IN_ATTRIB, _IN_CLOSE_WRITE, _IN_MOVED, _IN_CREATE, _IN_DELETE = 0x2, 0x4, 0x8, 0xC0, 0x100, 0x200
_ALL = _IN_MODIFY | _IN_ATTRIB | _IN_CLOSE_WRITE | _IN_MOVED | _IN_CREATE | _IN_DELETE
_HEAD = struct.calcsize("iIII")


@contextmanager
def _inotify(directory: Path) -> Iterator[int]:
    libc = ctypes.CDLL(None, use_errno=True)
    fd: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "inotify_init1")
    try:
        if libc.inotify_add_watch(fd, os.fsencode(directory), _ALL) < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(directory))
        yield fd
    finally:
        os.close(fd)


def _nearest_directory(path: Path) -> Path:
    return next(parent for parent in path.parents if parent.is_dir())


async def changed_until(path: Path, condition: Callable[[], bool], *, limit_s: float = LIMIT_S) -> None:
    """Return once `condition` holds, looking whenever something changes beside `path`, which need not exist yet."""
    changes = Changes()
    loop = asyncio.get_running_loop()
    while True:
        # The watch may sit on an ancestor: then the next directory of the path moves it one step down.
        directory = _nearest_directory(path)

        def settled(watched: Path = directory) -> bool:
            return condition() or _nearest_directory(path) != watched

        with _inotify(directory) as fd:
            # Looked at only once the watch stands: otherwise a change in between would be missed.
            def readable(fd: int = fd) -> None:
                _empty(fd)
                changes.tell()

            loop.add_reader(fd, readable)
            try:
                await changes.until(settled, f"a change of {path}: {_look(path)}", limit_s=limit_s)
            finally:
                loop.remove_reader(fd)
        if _nearest_directory(path) == directory or condition():
            return


def _empty(fd: int) -> None:
    try:
        while os.read(fd, 65536):
            pass
    except OSError as error:
        if error.errno != errno.EAGAIN:
            raise


def _look(path: Path) -> str:
    try:
        return f"{path.stat().st_size} bytes"
    except OSError as error:
        return str(error)


async def file_matches(path: Path, predicate: Callable[[bytes], bool], *, limit_s: float = LIMIT_S) -> None:
    """Return once the file is there and its content satisfies `predicate`."""

    def matches() -> bool:
        try:
            return predicate(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return False

    await changed_until(path, matches, limit_s=limit_s)


async def file_gone(path: Path, *, limit_s: float = LIMIT_S) -> None:
    """Return once there is no such file."""
    await changed_until(path, lambda: not os.path.lexists(path), limit_s=limit_s)


async def lines_written(path: Path, count: int, *, limit_s: float = LIMIT_S) -> None:
    """Return once the file has at least `count` whole lines; each byte is read once."""
    seen = read = 0

    def enough() -> bool:
        nonlocal seen, read
        try:
            with path.open("rb") as file:
                file.seek(read)
                data = file.read()
        except (FileNotFoundError, NotADirectoryError):
            return False
        seen, read = seen + data.count(b"\n"), read + len(data)
        return seen >= count

    await changed_until(path, enough, limit_s=limit_s)
