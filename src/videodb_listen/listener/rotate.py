"""Generations of the events file: rotated away by rename, compressed one generation late, bounded in number.

The newest generation stays as it is: a reader that follows the events file is in it when the rename happens, and
finishes it before it opens the next.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from videodb_listen.paths import Layout, stamp_at, stamps_in, time_of_stamp
from videodb_listen.settings import Rotation
from videodb_listen.system.files import open_to_read, replacing, sync_directory, trusted_in

_UNFINISHED = ".gz.tmp"  # what `replacing` writes to; a kill leaves it behind
_BLOCK_BYTES = 1 << 20


class Generations:
    """When the events file has grown enough, and what happens to its predecessors."""

    def __init__(self, layout: Layout, rotation: Rotation) -> None:
        self._layout = layout
        self._limit_bytes = rotation.rotate_size_bytes
        self._keep = rotation.rotate_keep
        self._gzip = rotation.rotate_gzip

    def due(self, size_bytes: int) -> bool:
        """Whether a file of this size is to be rotated."""
        return self._limit_bytes is not None and size_bytes >= self._limit_bytes

    def newest(self) -> str | None:
        """The stamp of the newest generation, None when there is none. Raises OSError."""
        return max(self._generations(), default=None)

    def rotate(self, now_s: float) -> str:
        """Rename the events file to a name that nothing has; the stamp in it. Raises OSError.

        The time in the name is that of the rename, or a millisecond more than in the newest name, if that is later:
        rename(2) would replace a generation of that name, and readers take the names for the order, also after the
        clock was set back.
        """
        at = datetime.fromtimestamp(now_s, UTC)
        if earlier := self.newest():
            at = max(at, time_of_stamp(earlier) + timedelta(milliseconds=1))
        stamp = stamp_at(at)
        self._layout.events.rename(self._layout.generation(stamp))
        return stamp

    def tidy(self) -> None:
        """Compress all generations but the newest, remove those beyond `keep`. Takes as long as it takes: in a thread.

        Killed at any point, it leaves each generation whole under one name at least; the next call cleans up.
        Raises OSError.
        """
        for path in trusted_in(self._layout.directory, _is_unfinished):
            path.unlink(missing_ok=True)
        there = trusted_in(self._layout.directory, Layout.stamp_of)
        generations = stamps_in(there)
        surplus = max(0, len(generations) - self._keep)
        for path in there:
            if Layout.stamp_of(path.name) in generations[:surplus]:
                path.unlink(missing_ok=True)
        for plain in map(self._layout.generation, generations[surplus:-1] if self._gzip else ()):
            packed = _compressed(plain)
            if plain in there and (packed in there or not os.path.lexists(packed)):  # else somebody else's is there
                with contextlib.suppress(FileNotFoundError):
                    self._compress(plain, done=packed in there)

    def _generations(self) -> list[str]:
        return stamps_in(trusted_in(self._layout.directory, Layout.stamp_of))

    def _compress(self, path: Path, *, done: bool) -> None:
        """Put `path`.gz in its place: synced before the original goes, whole under its name or not there at all.

        `done`: it is there already.
        """
        if not done:
            with (
                os.fdopen(open_to_read(path), "rb") as plain,
                replacing(_compressed(path), alone=True, synced=True) as raw,
                gzip.GzipFile(filename="", mode="wb", fileobj=raw) as packed,
            ):
                shutil.copyfileobj(plain, packed, _BLOCK_BYTES)
            sync_directory(path.parent)
        path.unlink()


def _is_unfinished(name: str) -> bool:
    return name.endswith(_UNFINISHED) and Layout.stamp_of(name.removesuffix(_UNFINISHED)) is not None


def _compressed(path: Path) -> Path:
    return path.with_name(path.name + ".gz")
