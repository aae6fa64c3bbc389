"""The key of the fence, `feeds/@fence.key`: made when it is first needed, and kept: equal output stays equal."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from videodb_listen.errors import DirectoryUnusable
from videodb_listen.system import files, locks

KEY_BYTES = 32
DIRECTORY = "feeds"


def fence_key(directory: Path) -> bytes:
    """The key of `directory`. Where it cannot be kept, as in someone else's directory, it is another one each time."""
    path = directory / DIRECTORY / "@fence.key"  # no feed has such a name
    with contextlib.suppress(OSError, DirectoryUnusable):
        files.make_private_directory(path.parent)
        return _kept(path) or _made(path)
    return os.urandom(KEY_BYTES)


def _kept(path: Path) -> bytes | None:
    """The key that is there; None when there is none, or not a whole one."""
    with contextlib.suppress(FileNotFoundError):
        key = files.read(path)
        return key if len(key) == KEY_BYTES else None
    return None


def _made(path: Path) -> bytes:
    """A new key, or that of whoever was faster."""
    descriptor = files.open_private(path.with_suffix(".lock"), os.O_RDWR, shared=False)
    try:
        locks.wait_for(descriptor)
        if (key := _kept(path)) is None:
            key = os.urandom(KEY_BYTES)
            files.replace(path, key, alone=True, synced=True)
        return key
    finally:
        os.close(descriptor)
