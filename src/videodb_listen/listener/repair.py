"""The partial line that a crash left at the end of the events file: mended before anything is appended.

Lines are appended whole, but a crash or a full disk can cut the last one anywhere, and the next would be glued onto it.
Only the bytes behind the last newline can be such a line; only they are ever touched. Two cases:

- They are a whole event that lacks nothing but its newline. It gets that: the event was received, and counts.
- They are anything else. Nobody can tell how the line would have gone on, but somebody may want what there is of it. So
  it is copied to a file of its own, that file and its name are forced onto the disk, and only then it is cut off. A
  crash at any point leaves the fragment twice rather than nowhere, and the next start finds the same two cases.

Damage further up was not made by us: it is reported by readers, never repaired.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from videodb_listen.line import decode_line
from videodb_listen.paths import Layout
from videodb_listen.system.files import open_private, sync_content, sync_directory, write_all

_BLOCK_BYTES = 1 << 16


def repair_tail(descriptor: int, layout: Layout, *, shared: bool, now_s: float) -> str | None:
    """Make the events file open at `descriptor` end with a newline; says what was done, None when nothing was.

    A fragment goes to `videodb_events.torn.<UTC time>`, `now_s` in unix seconds.
    Raises OSError, and DirectoryUnusable for a trap in that place; the file is unchanged then.
    """
    size = os.fstat(descriptor).st_size
    start = _last_line_end(descriptor, size)
    if start == size:
        return None
    tail = _read(descriptor, start, size)
    try:
        decode_line(tail)
    except ValueError:
        path = _keep_fragment(tail, layout, shared=shared, now_s=now_s)
        os.ftruncate(descriptor, start)
        sync_content(descriptor)
        return f"{len(tail)} bytes of an unfinished line were moved to {path}"
    write_all(descriptor, b"\n")
    sync_content(descriptor)
    return "the newline that the last line lacked was added"


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


def _read(descriptor: int, start: int, end: int) -> bytes:
    parts = []
    while start < end and (part := os.pread(descriptor, end - start, start)):
        parts.append(part)
        start += len(part)
    return b"".join(parts)


def _keep_fragment(fragment: bytes, layout: Layout, *, shared: bool, now_s: float) -> Path:
    """Where `fragment` is on the disk from now on."""
    path = layout.torn(datetime.fromtimestamp(now_s, UTC).strftime("%Y%m%dT%H%M%S.%fZ"))
    descriptor = open_private(path, os.O_WRONLY | os.O_APPEND, shared=shared)
    try:
        write_all(descriptor, fragment)
        sync_content(descriptor)
    finally:
        os.close(descriptor)
    sync_directory(layout.directory)
    return path
