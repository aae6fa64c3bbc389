"""Lines on their way to the disk: in order, whole, and in bounded memory while the disk refuses.

Lines that arrive in one turn of the loop wait together, and leave in one write(2). What the disk did not take goes on
waiting, in front of everything that comes later. So the file and what waits, put together, are all lines in order, and
that is what has to stay true whatever happens:

- A *partial line* is on the disk when a write was short. It is never taken back: offsets only grow, and readers may
  follow. Its rest waits, and can only be written to the same file. Until then there is no rotation and no reopening.
- Somebody truncates the file below a partial line: its beginning is gone, so it waits again, in front of the rest.
- Somebody unlinks the file: what went into it since its name was last seen waits again, with the partial line at its
  end, which is then completed in the new file.

Errors are of two kinds. A disk that is full or read-only passes: lines wait up to a limit, then the daemon hangs up, so
that the far side holds what we cannot. An I/O error is fatal, because what it left behind cannot be known.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections.abc import Callable
from typing import NamedTuple

from videodb_listen.errors import DirectoryUnusable, SinkError
from videodb_listen.listener.events_file import EventsFile
from videodb_listen.paths import Layout
from videodb_listen.settings import Disk, Rotation
from videodb_listen.system.clock import Reminder
from videodb_listen.units import format_size

log = logging.getLogger(__name__)

RETRY_S = 0.5
"""Between tries while the disk refuses: soon enough to be unnoticed, rare enough to cost nothing."""

_PASSING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EAGAIN, errno.ENOMEM})


class Progress(NamedTuple):
    """What was appended in this run, and where the run began: see `run_after` and `run_from` of the state file."""

    events: int
    bytes: int
    run_after: str | None
    run_from: int


class Sink:
    """Appends lines to `videodb_events.jsonl`. `events` and `bytes` count what was appended in this run.

    `on_trouble` gets what keeps lines from the disk, and None when that has passed. `on_failure` gets the SinkError
    that ends the recording. `on_full` is called when more than `memory_limit_bytes` wait for the disk: the daemon hangs
    up then, and comes back when `room` is set. `on_repaired` gets how a torn tail was mended.
    """

    def __init__(
        self,
        layout: Layout,
        disk: Disk,
        rotation: Rotation,
        *,
        shared: bool,
        now: Callable[[], float],
        on_full: Callable[[], None],
        on_failure: Callable[[SinkError], None],
        on_trouble: Callable[[str | None], None] = lambda _: None,
        on_repaired: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.events = self.bytes = 0
        self.room = asyncio.Event()
        self.room.set()
        self._path = layout.events
        self._memory_limit_bytes = disk.memory_limit_bytes
        self._on_trouble, self._on_repaired = on_trouble, on_repaired
        self._on_full, self._on_failure = on_full, on_failure
        self._loop = asyncio.get_running_loop()
        self._file = EventsFile(layout, disk, rotation, shared=shared, now=now, on_failure=self._sync_failed)
        self._partial = b""  # of the line that the last write ended in; its rest is the first that waits
        self._seen_to = 0  # how far whole lines reached when the name was last seen to be ours, in bytes
        self._waiting, self._waiting_bytes = list[bytes](), 0
        self._open = self._held = self._reopen_due = False
        self._next_flush: asyncio.Handle | None = None
        self._mending: asyncio.Task[None] | None = None  # None: nothing has to be mended now
        self._broken: SinkError | None = None  # what ended the recording; None: nothing did
        self._full, self._moved = Reminder(), Reminder()

    @property
    def progress(self) -> Progress:
        """How far the recording has come."""
        return Progress(self.events, self.bytes, self._file.run_after, self._file.run_from)

    async def open(self, *, held: bool) -> None:
        """Open the file, and mend a torn tail.

        `held`: lines wait until `clear` is called, so that a start that fails destroys nothing.
        Raises DirectoryUnusable when the file cannot be opened, repaired or trusted.
        """
        repaired = await self._file.open()
        self._open, self._held, self._seen_to = True, held, self._file.size
        if repaired:
            self._on_repaired(repaired)

    def append(self, line: bytes) -> None:
        """Take one whole line; it is written in this turn of the loop, with those that came together with it."""
        self.events += 1
        self.bytes += len(line)
        self._waiting.append(line)
        self._waiting_bytes += len(line)
        if self._next_flush is None:
            self._next_flush = self._loop.call_soon(self.flush)
        if self._waiting_bytes > self._memory_limit_bytes and self.room.is_set():
            self._overflow()

    def clear(self) -> None:
        """Empty the file in place, then let the held lines follow. Raises SinkError when it cannot be emptied."""
        if not self._held:
            return
        self.follow_name()
        try:
            if not self._is_named():
                raise OSError(errno.ESTALE, "the name belongs to another file, or to none")
            self._file.empty()
        except OSError as exc:
            raise self._fail("emptying", exc) from None
        self._partial, self._seen_to, self._held = b"", 0, False
        self.flush()

    def flush(self) -> None:
        """Write everything that waits, as far as the disk takes it."""
        self._unschedule()
        if self._held or self._broken or self._mending or not self._waiting:
            return
        try:
            if not self._can_follow():
                self._mending = self._loop.create_task(self._mend())
                return
            self._write()
        except MemoryError:
            self._refused(OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)))
            return
        except OSError as exc:
            self._refused(exc)
            return
        self.room.set()
        if self._full.lasts:
            self._full.over()
            self._on_trouble(None)
        if self._reopen_due:
            self.reopen()
        elif self._file.rotate_if_due():
            self._seen_to = self._file.size

    def reopen(self) -> None:
        """Write on to whatever file has our name now.

        A partial line is completed first, where it is; in an unlinked file nobody would see it.
        """
        if not self._open:
            return  # it will be opened under that name
        self._reopen_due = False
        self.flush()
        if self._mending or (self._partial and not self._file.is_unlinked):
            self._reopen_due = True
            return
        try:
            unlinked = self._file.reopen(self._seen_to)
        except OSError as exc:
            self._fail("reading back", exc)
            return
        if unlinked is None:
            return
        self._partial, self._seen_to = b"", self._file.size
        self._wait_first(unlinked)
        self.flush()

    def follow_name(self) -> None:
        """Notice that our name belongs to another file, or to none, and go on there."""
        if not self._open or self._is_named():
            self._moved.over()
            return
        if self._moved.due():
            log.warning("%s is not the file that was open any more: opening it anew", self._path)
        self.reopen()

    def release(self) -> None:
        """The name is somebody else's for good: go on in the file that is open, whatever becomes of it."""
        self._open = False

    async def close(self) -> None:
        """The last flush and the last sync. Raises SinkError when lines are left over, with their number."""
        self._held = False
        if self._open and self._file.is_unlinked:
            self.reopen()
        self.flush()
        if self._mending:
            await self._mending
        self._unschedule()
        unlinked = self._open and self._file.is_unlinked
        self._open = False
        try:
            await self._file.close()
        except OSError as exc:
            self._fail("sync", exc)
        if self._broken:
            raise self._broken
        if self._waiting:
            lines = sum(chunk.count(b"\n") for chunk in self._waiting)
            raise SinkError(f"stopped with {lines} lines that {self._path} did not take", fix="make room")
        if unlinked:
            raise SinkError(
                f"{self._path} was deleted and could not be made anew: what came since then is gone with it",
                fix="mend the directory, then start again",
            )

    def _can_follow(self) -> bool:
        """Whether a line can be appended: the file is as we left it, or what others made of it ends with a line."""
        if self._file.is_as_left():
            return True
        self._seen_to = min(self._seen_to, self._file.size)
        self._wait_first(self._partial)
        self._partial = b""
        return self._file.take_over()

    async def _mend(self) -> None:
        try:
            repaired = await self._file.mend()
        except OSError as exc:
            self._mending = None
            self._refused(exc)
        except DirectoryUnusable as exc:
            self._mending = None
            self._give_up(SinkError(f"{self._path} cannot be mended: {exc.message}", fix=exc.fix))
        else:
            self._mending = None
            if repaired:
                self._on_repaired(repaired)
            self.flush()

    def _write(self) -> None:
        while self._waiting:
            data = self._waiting[0] if len(self._waiting) == 1 else b"".join(self._waiting)
            self._waiting = [data]  # joined once, however often the disk refuses it
            written = self._file.write(data)
            self._waiting_bytes -= written
            if written == len(data):
                self._waiting, self._partial = [], b""
            else:
                newline = data.rfind(b"\n", 0, written) + 1
                self._partial = data[newline:written] if newline else self._partial + data[:written]
                self._waiting = [data[written:]]

    def _wait_first(self, data: bytes) -> None:
        """Have `data` written once more, before all that waits."""
        if data:
            self._waiting.insert(0, data)
            self._waiting_bytes += len(data)

    def _is_named(self) -> bool:
        """Whether our name still belongs to the open file; it is seen so now."""
        if named := self._file.is_named():
            self._seen_to = self._file.size - len(self._partial)
        return named

    def _overflow(self) -> None:
        """More waits than may: write what can be written; if that does not help, have the connection cut."""
        if self._held:
            log.warning("%s is not emptied: too much came before the connection id", self._path)
            self._held = False
        self.flush()
        if self._waiting_bytes > self._memory_limit_bytes:
            self.room.clear()
            self._on_full()

    def _refused(self, exc: OSError) -> None:
        if exc.errno not in _PASSING:
            self._fail("write", exc)
            return
        if self._full.due():
            size = format_size(self._waiting_bytes)
            log.warning("%s: %s; %s wait in memory until there is room", self._path, exc.strerror, size)
            self._on_trouble(f"{self._path}: {exc.strerror}")
        self._next_flush = self._loop.call_later(RETRY_S, self.flush)  # not sooner: `append` schedules none meanwhile

    def _sync_failed(self, exc: OSError) -> None:
        self._fail("sync", exc)

    def _unschedule(self) -> None:
        if self._next_flush is not None:
            self._next_flush.cancel()
            self._next_flush = None

    def _fail(self, what: str, exc: OSError) -> SinkError:
        """Give up: what an I/O error left on the disk cannot be known, except up to the last good sync."""
        return self._give_up(
            SinkError(
                f"{what} of {self._path} failed: {exc.strerror}; it was last synced up to byte {self._file.synced_to}",
                fix="check the disk, then start again",
            )
        )

    def _give_up(self, failure: SinkError) -> SinkError:
        """End the recording with `failure`, or with what ended it already: that is what it returns."""
        if self._broken is None:
            self._broken = failure
            self._on_failure(failure)
        return self._broken
