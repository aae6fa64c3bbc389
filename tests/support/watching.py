"""Waiting for another process's files: the kernel says when something changed, then the file is looked at."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from inotify_simple import INotify, flags

from support.waiting import LIMIT_S, Changes

_ALL = flags.MODIFY | flags.ATTRIB | flags.CLOSE_WRITE | flags.MOVED_FROM | flags.MOVED_TO | flags.CREATE | flags.DELETE


@contextmanager
def _inotify(directory: Path) -> Iterator[INotify]:
    with INotify() as inotify:
        inotify.add_watch(directory, _ALL)
        yield inotify


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

        with _inotify(directory) as inotify:
            # Looked at only once the watch stands: otherwise a change in between would be missed.
            def readable(inotify: INotify = inotify) -> None:
                inotify.read(timeout=0)
                changes.tell()

            loop.add_reader(inotify, readable)
            try:
                await changes.until(settled, f"a change of {path}: {_look(path)}", limit_s=limit_s)
            finally:
                loop.remove_reader(inotify)
        if _nearest_directory(path) == directory or condition():
            return


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
