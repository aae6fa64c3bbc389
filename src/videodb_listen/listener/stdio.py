"""The daemon's stdout and stderr, written by a thread each: no reader, slow or gone, ever holds the recording up.

A refusal is no end: a disk that is full gets room again, and a pipe another reader. Copies are dropped meanwhile.

The descriptors were inherited and may be shared with other programs, so their flags are never changed; a write to them
may block for ever, and must not block the loop.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import queue
import select
import threading
from collections.abc import Callable

from videodb_listen.event import preview
from videodb_listen.system.descriptors import STDOUT
from videodb_listen.system.files import write_some

MAX_WAITING = 10_000
"""Copies that wait for a slow reader; above it they are dropped and counted. `tail -f` is the lossless way."""

MAX_WAITING_BYTES = 16 << 20
"""No more copies are taken while so many bytes wait: a few large events must not fill the memory either."""


RETRY_S = 0.5
"""Between tries while nothing is taken."""

_GONE = frozenset({errno.EPIPE, errno.EBADF, errno.ENXIO, errno.EIO})
"""Whoever read has left, or the terminal has. Anything else, as a full disk, is over some time."""

_Lines = list[tuple[bytes, bool]]  # each with whether it is a copy, which may be dropped


class LineWriter:
    """Writes to `descriptor` from a thread of its own. `render` turns what was offered into bytes, there.

    What is refused is dropped if it is a copy. Other lines, and the rest of one that was begun, wait for the next try.
    """

    def __init__(self, descriptor: int, render: Callable[[bytes], bytes] = bytes) -> None:
        self._descriptor = descriptor
        self._render = render
        self._refusing = False  # the last try failed; until the next one copies are not even taken
        # Each of these is counted on one side only, by those who offer or by the thread: so neither needs a lock.
        self._not_taken = self._not_written = 0  # copies
        self._taken_bytes = self._done_bytes = 0  # of copies
        self._queue: queue.SimpleQueue[tuple[bytes, bool] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"writer-{descriptor}", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Copies that found no reader."""
        return self._not_taken + self._not_written

    def put(self, line: bytes) -> None:
        """Write `line` as it is; never dropped, unless whoever reads is gone."""
        self._queue.put((line, False))

    def offer(self, line: bytes) -> None:
        """Write `render(line)`, unless the reader is too slow or gone."""
        waiting_bytes = self._taken_bytes - self._done_bytes
        if self._refusing or self._queue.qsize() >= MAX_WAITING or waiting_bytes >= MAX_WAITING_BYTES:
            self._not_taken += 1
        else:
            self._taken_bytes += len(line)
            self._queue.put((line, True))

    def close(self, timeout_s: float) -> None:
        """Write what waits, but for no longer than `timeout_s`."""
        self._queue.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        waiting: _Lines = []
        ended = False
        while not ended:
            batch, ended = self._next()
            self._refusing = False
            waiting = self._write([*waiting, *((self._rendered(line) if copy else line, copy) for line, copy in batch)])
            self._done_bytes += sum(len(line) for line, copy in batch if copy)

    def _next(self) -> tuple[_Lines, bool]:
        """What has come, and whether the end was behind it; nothing when it is time to try again."""
        batch: _Lines = []
        with contextlib.suppress(queue.Empty):
            item = self._queue.get(timeout=RETRY_S if self._refusing else None)
            while item is not None:
                batch.append(item)
                if len(batch) == MAX_WAITING:
                    return batch, False
                item = self._queue.get_nowait()
            return batch, True
        return batch, False

    def _rendered(self, line: bytes) -> bytes:
        try:
            return self._render(line)
        except MemoryError:
            self._not_written += 1
            return b""

    def _write(self, lines: _Lines) -> _Lines:
        """Write them; what is left over is to be tried again."""
        written = 0
        try:
            data = memoryview(b"".join(line for line, _ in lines))
            while written < len(data):
                try:
                    written += write_some(self._descriptor, data[written:])
                except BlockingIOError:  # someone who shares the pipe made it non-blocking
                    select.select([], [self._descriptor], [])
        except MemoryError:
            return self._refused(lines, written)
        except OSError as exc:
            left = self._refused(lines, written)
            return [] if exc.errno in _GONE else left
        return []

    def _refused(self, lines: _Lines, written: int) -> _Lines:
        """What is left of `lines` when so many bytes of them were taken."""
        self._refusing = True
        left: _Lines = []
        start = 0
        for line, copy in lines:
            rest = line[max(0, written - start) :]
            start += len(line)
            if rest and copy and len(rest) == len(line):
                self._not_written += 1
            elif rest:
                left.append((rest, False))
        return left


class Stdout:
    """What the daemon prints: `WS_ID=` lines, always and first, and a copy of each event as `output` says."""

    def __init__(self, output: str) -> None:
        self._writer = LineWriter(STDOUT, bytes if output == "json" else _previewed)
        self._held: list[bytes] | None = []  # copies of what came before the first id; None: that is out
        self._held_bytes = 0
        self._not_held = 0
        self._wanted = output != "none"

    @property
    def dropped(self) -> int:
        """Copies that found no reader."""
        return self._writer.dropped + self._not_held

    def announce(self, ws_id: str) -> None:
        """Print a connection id."""
        self._writer.put(f"WS_ID={ws_id}\n".encode())
        held, self._held = self._held, None
        for line in held or ():
            self._writer.offer(line)

    def copy(self, line: bytes) -> None:
        """Print `line`, as it is or as a preview, if stdout has a reader that keeps up."""
        if not self._wanted:
            return
        if self._held is None:
            self._writer.offer(line)
        elif len(self._held) < MAX_WAITING and self._held_bytes < MAX_WAITING_BYTES:
            self._held.append(line)
            self._held_bytes += len(line)
        else:
            self._not_held += 1

    def close(self, timeout_s: float) -> None:
        """Print what waits, but for no longer than `timeout_s`."""
        self._writer.close(timeout_s)


def _previewed(line: bytes) -> bytes:
    return preview(line).encode() + b"\n"


KEPT = {"kept": True}
"""`extra` of a log record that must not be dropped."""


class WriterHandler(logging.Handler):
    """Log records to a LineWriter: as copies, so that a stderr that nobody reads cannot fill the memory.

    But a record with the attribute `kept` (see KEPT) is told however late that is.
    """

    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Hand the formatted record to the thread."""
        line = self.format(record).encode("utf-8", "backslashreplace") + b"\n"
        (self._writer.put if hasattr(record, "kept") else self._writer.offer)(line)
