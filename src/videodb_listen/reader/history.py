"""The files of one history, oldest first, and a place in them that is found again, whatever happened meanwhile.

A history is the events file and the generations that were rotated before it. Generations get other names, then
another form (.gz), then disappear; the events file is truncated by `--clear`, moved by log rotation, deleted by people.
So a place is not a name and a number: it says after which generation its file came, how that file begins, and how far
it had been read.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import os
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from videodb_listen.paths import Layout, stamps_in
from videodb_listen.system import descriptors, files

_HEAD_BYTES = 4096
"""What identifies a file: its first line, or this much of it. The line has a stamp, so no two files begin alike."""

_UNPACKED_BYTES = 256 << 10

_CHUNK_BYTES = 1 << 20

_PROBE_BYTES = 4096
"""Read at a time to find the end of a line: most are shorter."""

_SIZE_BYTES = 4  # a gzip file ends with its unpacked size, modulo 2^32


@dataclass(frozen=True, slots=True)
class Place:
    """A spot between two lines.

    `after` is the stamp of the newest generation older than the file, None when there was none. `head` says how the
    file begins, None when it had no line yet. `offset` counts bytes, uncompressed. The default is the very beginning.
    """

    after: str | None = None
    head: str | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a history: a generation, or with `stamp` None the events file."""

    stamp: str | None
    paths: tuple[Path, ...]  # the forms that it may be there in


class OpenPart:
    """A file that is being read. It stays readable when it is renamed, compressed or deleted."""

    def __init__(self, part: Part, after: str | None) -> None:
        """Raise FileNotFoundError when the file is there in no form any more."""
        self.stamp = part.stamp
        self.after = after
        self._path, self._descriptor = _opened(part.paths)
        self._unpacked: gzip.GzipFile | None = None
        self.broken: str | None = None  # why a compressed file cannot be read to its end; None: it can, so far
        if self._path.suffix == ".gz":
            self._unpacked = gzip.GzipFile(fileobj=os.fdopen(self._descriptor, "rb", closefd=False))
            self._kept, self._kept_from = bytearray(), 0  # what was unpacked last: going back means to begin again
            self._packed_head = head_of(self.read_at(0, _HEAD_BYTES))
            if not os.fstat(self._descriptor).st_size:
                self.broken = "it is empty"  # which gzip takes for whole

    def __repr__(self) -> str:
        return f"<OpenPart {self._path} after {self.after}>"

    @property
    def name(self) -> str:
        """The file's name when it was opened."""
        return self._path.name

    def head(self) -> str | None:
        """How the file begins; None while it has no whole line."""
        return head_of(self.read_at(0, _HEAD_BYTES)) if self._unpacked is None else self._packed_head

    def read_at(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset`, fewer only at the end. A damaged compressed file ends where it breaks."""
        if self._unpacked is None:
            return os.pread(self._descriptor, size, offset)
        if offset < self._kept_from:
            self._unpacked.seek(0)
            self._kept, self._kept_from = bytearray(), 0
        while self._kept_from + len(self._kept) < offset + size and (more := self._unpack(self._unpacked)):
            self._kept += more
            passed = min(len(self._kept), offset - self._kept_from)
            del self._kept[:passed]
            self._kept_from += passed
        start = offset - self._kept_from
        return bytes(self._kept[start : start + size])

    def chunks(self, end: int | None = None) -> Iterator[bytes]:
        """All of it from its beginning, up to `end` (bytes; None: to its end, which a flood may put off for ever)."""
        offset = 0
        while data := self.read_at(offset, _CHUNK_BYTES if end is None else min(_CHUNK_BYTES, end - offset)):
            yield data
            offset += len(data)

    def _unpack(self, file: gzip.GzipFile) -> bytes:
        try:
            return file.read1(_UNPACKED_BYTES)
        except (EOFError, OSError, zlib.error) as exc:
            self.broken = str(exc)
            return b""

    @property
    def seekable_size(self) -> int | None:
        """The size in bytes, where any offset can be read at once; None for a compressed file."""
        return os.fstat(self._descriptor).st_size if self._unpacked is None else None

    def line_start(self, offset: int, low: int = 0) -> int:
        """Where the line that `offset` is in begins; `low` when that is nowhere behind it."""
        while offset > low:
            begin = max(low, offset - _PROBE_BYTES)
            if (found := self.read_at(begin, offset - begin).rfind(b"\n")) >= 0:
                return begin + found + 1
            offset = begin
        return low

    def line_end(self, offset: int) -> int | None:
        """Where the line that `offset` is in ends, behind its newline; None when it has none yet."""
        while data := self.read_at(offset, _PROBE_BYTES):
            if (found := data.find(b"\n")) >= 0:
                return offset + found + 1
            offset += len(data)
        return None

    def ends_before(self, offset: int) -> bool:
        """Whether the file is shorter than `offset`: it was truncated. Compressed files never are."""
        return (self.seekable_size or offset) < offset

    def is_at(self, path: Path) -> bool | None:
        """Whether `path` names this very file; None when it names none."""
        return descriptors.is_named(self._descriptor, path)

    def close(self) -> None:
        """Let the file go."""
        if self._unpacked is not None:
            self._unpacked.close()
        os.close(self._descriptor)


class History:
    """The files of a state directory; or one file alone, then `layout` is None and there are no generations."""

    def __init__(self, source: Path | Layout) -> None:
        """A path that is not there yet is a file if its name has a suffix; a Layout is a directory by any name."""
        layout = source if isinstance(source, Layout) else Layout(source)
        path = layout.directory
        alone = path.is_file() or (source is path and bool(path.suffix) and not path.is_dir())
        self.layout = None if alone else layout
        self.events = path if alone else layout.events
        self.directory = self.events.parent

    def __repr__(self) -> str:
        return f"<History {self.events}>"

    def parts(self, after: str | None = None) -> list[Part]:
        """The generations newer than `after` (None: all), oldest first, and the events file, be it there or not."""
        generations = [Part(stamp, self._forms(stamp)) for stamp in self._stamps() if after is None or stamp > after]
        return [*generations, Part(None, (self.events,))]

    def exists(self) -> bool:
        """Whether there is an events file, or a generation at least. Raises OSError when that cannot be told."""
        return self.events.exists() or len(self.parts()) > 1

    def begins(self) -> tuple[dict[str | None, int], int]:
        """Where each file begins, in bytes, by the stamp of the generation before it; and where all end."""
        begins: dict[str | None, int] = {}
        size, after = 0, None
        for part in self.parts():
            begins[after] = size
            size += max(map(_unpacked_size, part.paths))
            after = part.stamp
        return begins, size

    def open_first(self, after: str | None) -> OpenPart | None:
        """The oldest file that is newer than the generation `after`; None when there is none."""
        return next(self.open_each(after), None)

    def open_each(self, after: str | None) -> Generator[OpenPart, None, None]:
        """Each file that is newer than the generation `after`, oldest first; whoever takes one closes it."""
        while True:
            part = self.parts(after)[0]
            try:
                opened = OpenPart(part, after)
            except FileNotFoundError:
                if part.stamp is None:
                    return
                after = part.stamp  # removed while we looked: it was the oldest
                continue
            if part.stamp is None:
                if len(self.parts(after)) == 1:
                    yield opened
                    return
                opened.close()  # rotated while we looked: what was the events file is a generation now
                continue
            yield opened
            after = part.stamp

    def end(self) -> Place:
        """The place behind the last whole line that is there now."""
        generations = self.parts()[:-1]
        part = self.open_first(generations[-1].stamp if generations else None)
        if part is None:
            return Place(generations[-1].stamp if generations else None)
        try:
            return Place(part.after, part.head(), part.line_start(part.seekable_size or 0))
        finally:
            part.close()

    def is_live(self, part: OpenPart) -> bool | None:
        """Whether the events file's name belongs to `part`; None when it belongs to no file."""
        return part.is_at(self.events)

    def _stamps(self) -> list[str]:
        if self.layout is None:
            return []
        try:
            return stamps_in(self.directory.iterdir())
        except OSError:
            return []

    def _forms(self, stamp: str) -> tuple[Path, ...]:
        assert self.layout is not None
        plain = self.layout.generation(stamp)
        return plain, plain.with_name(plain.name + ".gz")


def head_of(beginning: bytes) -> str | None:
    """What identifies a file that begins so; None when that is less than a line."""
    end = beginning.find(b"\n", 0, _HEAD_BYTES) + 1
    if not end and len(beginning) < _HEAD_BYTES:
        return None
    return hashlib.sha256(beginning[: end or _HEAD_BYTES]).hexdigest()[:16]


def _opened(paths: tuple[Path, ...]) -> tuple[Path, int]:
    """The first of `paths` that is there, open for reading."""
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            return path, files.open_to_read(path)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(paths[0]))


def _unpacked_size(path: Path) -> int:
    """The size of what is in `path`, which may be compressed; 0 when it is not there."""
    try:
        if path.suffix != ".gz":
            return path.stat().st_size
        with path.open("rb") as file:
            file.seek(-_SIZE_BYTES, os.SEEK_END)
            return int.from_bytes(file.read(_SIZE_BYTES), "little")
    except OSError:
        return 0
