"""The tail that a crash tore off the events file: mended, or moved aside, before anything is appended to it.

Only the bytes behind the last newline are ever touched. Damage further up is reported by readers, never repaired.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime

from videodb_listen.line import decode_line
from videodb_listen.listener.directory import open_file, sync_directory
from videodb_listen.listener.sync import fdatasync
from videodb_listen.paths import Layout

_BLOCK = 1 << 16


def repair_tail(descriptor: int, layout: Layout, *, shared: bool, now_s: float) -> str | None:
    """Make the events file open at `descriptor` end with a newline; says what was done, None when nothing was.

    A whole event that only lacks its newline becomes a line. Anything else goes to `videodb_events.torn.<UTC time>`,
    is synced there, and only then cut off: a crash in between leaves it twice rather than nowhere.
    Raises OSError when that fails; the file is unchanged then.
    """
    size = os.fstat(descriptor).st_size
    start = _last_line_end(descriptor, size)
    if start == size:
        return None
    tail = _read(descriptor, start, size)
    try:
        decode_line(tail)
    except ValueError:
        path = _set_aside(tail, layout, shared=shared, now_s=now_s)
        os.ftruncate(descriptor, start)
        fdatasync(descriptor)
        return f"{len(tail)} bytes of an unfinished line were moved to {path}"
    os.write(descriptor, b"\n")
    fdatasync(descriptor)
    return "the newline that the last line lacked was added"


def _last_line_end(descriptor: int, size: int) -> int:
    """The offset just behind the last newline, 0 when there is none."""
    end = size
    while end > 0:
        start = max(0, end - _BLOCK)
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


def _set_aside(tail: bytes, layout: Layout, *, shared: bool, now_s: float) -> str:
    stamp = datetime.fromtimestamp(now_s, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    path = layout.torn(stamp)
    descriptor = open_file(path, os.O_WRONLY | os.O_APPEND, shared=shared)
    try:
        rest = tail
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        fdatasync(descriptor)
    finally:
        os.close(descriptor)
    sync_directory(layout.directory)
    return str(path)
