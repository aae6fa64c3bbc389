"""The daemon's stdout and stderr, written by a thread each: no reader, slow or gone, ever holds the recording up.

The descriptors were inherited and may be shared with other programs, so their flags are never changed; a write to them
may block for ever, and must not block the loop.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import select
import threading
from collections.abc import Callable

from videodb_listen.event import preview
from videodb_listen.system.descriptors import STDOUT

MAX_WAITING = 10_000
"""Copies that wait for a slow reader; above it they are dropped and counted. `tail -f` is the lossless way."""

MAX_WAITING_BYTES = 16 << 20
"""No more copies are taken while so many bytes wait: a few large events must not fill the memory either."""


class LineWriter:
    """Writes to `descriptor` from a thread of its own. `render` turns what was put into bytes, there."""

    def __init__(self, descriptor: int, render: Callable[[bytes], bytes] = bytes) -> None:
        self.dropped = 0
        self._descriptor = descriptor
        self._render = render
        self._broken = False
        self._taken_bytes = 0  # of copies, counted by those who offer
        self._done_bytes = 0  # the same, counted by the thread: with one writer each, neither needs a lock
        self._queue: queue.SimpleQueue[tuple[bytes, bool] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"writer-{descriptor}", daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:
        """Write `line` as it is; never dropped."""
        self._queue.put((line, False))

    def offer(self, line: bytes) -> None:
        """Write `render(line)`, unless the reader is too slow or gone."""
        waiting_bytes = self._taken_bytes - self._done_bytes
        if self._broken or self._queue.qsize() >= MAX_WAITING or waiting_bytes >= MAX_WAITING_BYTES:
            self.dropped += 1
        else:
            self._taken_bytes += len(line)
            self._queue.put((line, True))

    def close(self, timeout_s: float) -> None:
        """Write what waits, but for no longer than `timeout_s`."""
        self._queue.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            batch = [item]
            with contextlib.suppress(queue.Empty):
                while len(batch) < MAX_WAITING and (more := self._queue.get_nowait()) is not None:
                    batch.append(more)
                if len(batch) < MAX_WAITING:
                    self._queue.put(None)  # the end was among them: meet it again after this batch
            self._write(b"".join(self._render(line) if copy else line for line, copy in batch))
            self._done_bytes += sum(len(line) for line, copy in batch if copy)

    def _write(self, data: bytes) -> None:
        while data and not self._broken:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:  # someone who shares the pipe made it non-blocking
                select.select([], [self._descriptor], [])
            except OSError:
                self._broken = True  # closed, or its reader is gone: nobody will ever read this


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


class WriterHandler(logging.Handler):
    """Log records to a LineWriter: as copies, so that a stderr that nobody reads cannot fill the memory."""

    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Hand the formatted record to the thread."""
        self._writer.offer(self.format(record).encode("utf-8", "backslashreplace") + b"\n")
