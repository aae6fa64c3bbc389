"""The partial line at the end of the events file: mended before anything is appended.

Lines are appended whole, but a crash or a full disk can cut the last one anywhere, and people truncate files or put
others in their place; the next line would be glued onto what is there. Only the bytes behind the last newline can be
such a line; only they are ever touched. Two cases:

- They are a whole event that lacks nothing but its newline. It gets that: the event was received, and counts.
- They are anything else. Nobody can tell how the line would have gone on, but somebody may want what there is of it. So
  it is copied to a file of its own, that file and its name are forced onto the disk, and only then it is cut off; where
  a file can only grow it is ended instead. A crash at any point leaves the fragment twice rather than nowhere, and the
  next start finds the same two cases.

Damage further up was not made by us: it is reported by readers, never repaired.
"""

from __future__ import annotations

import contextlib
import errno
import os
from datetime import UTC, datetime
from pathlib import Path

from videodb_listen.line import decode_beginning
from videodb_listen.paths import Layout
from videodb_listen.pieces import pieces
from videodb_listen.system.files import LACKING, open_private, sync_content, sync_directory, write_all

_BLOCK_BYTES = 1 << 20

_WHOLE_BYTES = 128 << 20
"""A longer tail is not asked whether it is an event: a line seldom is, and it need not fit into memory."""

_ONLY_GROWS = LACKING | {errno.EPERM}  # as after chattr +a


def repair_tail(descriptor: int, layout: Layout, *, shared: bool, now_s: float) -> str | None:
    """Make the events file open at `descriptor` end with a newline; says what was done, None when nothing was.

    A fragment goes to `videodb_events.torn.<UTC time>`, `now_s` in unix seconds. However long it is, a block of it is
    in memory. Raises OSError, and DirectoryUnusable for a trap in that place; the file is unchanged then.
    """
    size = os.fstat(descriptor).st_size
    start = _last_line_end(descriptor, size)
    if start == size:
        return None
    if _lacks_its_newline_only(descriptor, start, size):
        write_all(descriptor, b"\n")
        sync_content(descriptor)
        return "the newline that the last line lacked was added"
    path = _keep_fragment(descriptor, start, size, layout.torn(_stamp(now_s)), shared=shared)
    done = f"{size - start} bytes of an unfinished line were moved to {path}"
    try:
        os.ftruncate(descriptor, start)
    except OSError as exc:
        if exc.errno not in _ONLY_GROWS:
            raise
        write_all(descriptor, b"\n")
        done = f"{size - start} bytes of an unfinished line were copied to {path}, and ended where they are"
    sync_content(descriptor)
    return done


def _last_line_end(descriptor: int, size: int) -> int:
    """The offset just behind the last newline, 0 when there is none."""
    end = size
    while end > 0:
        start = max(0, end - _BLOCK_BYTES)
        found = _read(descriptor, start, end).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _lacks_its_newline_only(descriptor: int, start: int, end: int) -> bool:
    if end - start > _WHOLE_BYTES or os.pread(descriptor, 1, end - 1) != b"}":
        return False
    with contextlib.suppress(ValueError, MemoryError):
        tail = _read(descriptor, start, end)
        decode_beginning(tail)  # an object begins there
        return all(True for _ in pieces(tail, type))  # and is whole
    return False


def _read(descriptor: int, start: int, end: int) -> bytes:
    parts = []
    while start < end and (part := os.pread(descriptor, end - start, start)):
        parts.append(part)
        start += len(part)
    return b"".join(parts)


def _keep_fragment(descriptor: int, start: int, end: int, path: Path, *, shared: bool) -> Path:
    """Have what lies between the two offsets on the disk at `path`, too."""
    copy = open_private(path, os.O_WRONLY | os.O_APPEND, shared=shared)
    try:
        for offset in range(start, end, _BLOCK_BYTES):
            write_all(copy, _read(descriptor, offset, min(end, offset + _BLOCK_BYTES)))
        sync_content(copy)
    finally:
        os.close(copy)
    sync_directory(path.parent)
    return path


def _stamp(now_s: float) -> str:
    return datetime.fromtimestamp(now_s, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
