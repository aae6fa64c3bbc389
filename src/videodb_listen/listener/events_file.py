"""Which file the lines go to: opened, repaired, synced, set aside and opened anew, always between two lines.

One descriptor is open for writing (O_APPEND, so whatever others do to the file, nothing is overwritten). A file that is
given up is synced and closed behind the scenes, while its successor already takes lines.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable

from videodb_listen.errors import DirectoryUnusable
from videodb_listen.listener.directory import open_file, sync_directory
from videodb_listen.listener.repair import repair_tail
from videodb_listen.listener.rotate import Generations
from videodb_listen.listener.sync import Syncer
from videodb_listen.paths import Layout
from videodb_listen.settings import Disk, Rotation
from videodb_listen.system.clock import Reminder

log = logging.getLogger(__name__)

ROTATE_AGAIN_S = 60.0
"""After a rotation that failed: the file goes on growing meanwhile."""


class EventsFile:
    """`videodb_events.jsonl`, whichever inode that is. `on_failure` gets the OSError of a failed sync."""

    def __init__(
        self,
        layout: Layout,
        disk: Disk,
        rotation: Rotation,
        *,
        shared: bool,
        now: Callable[[], float],
        on_failure: Callable[[OSError], None],
    ) -> None:
        self.run_after: str | None = None  # the newest generation when we began; None: there was none
        self.run_from = 0  # where in the file behind it we began, in bytes: from there on stamps never decrease
        self._layout = layout
        self._disk = disk
        self._shared = shared
        self._now = now
        self._on_failure = on_failure
        self._descriptor = -1
        self._syncer: Syncer
        self._size = 0  # as far as we know; others may truncate
        self._begun = b""  # of the line that the last write ended in; its rest belongs to the same file
        self._named_to = 0  # how far whole lines reached when the name was last seen to be ours
        self._generations = Generations(layout, rotation)
        self._rotate_again_s = 0.0
        self._homeless = Reminder()
        self._retiring: set[asyncio.Task[None]] = set()
        self._tidying = asyncio.Lock()

    @property
    def synced_to(self) -> int:
        """The offset in bytes up to which the open file is certain to be on the disk."""
        return self._syncer.synced_to

    @property
    def torn(self) -> bool:
        """Whether the last write ended inside a line."""
        return bool(self._begun)

    @property
    def is_deleted(self) -> bool:
        """Whether the open file has no name left at all: what is in it is gone with its descriptor."""
        return os.fstat(self._descriptor).st_nlink == 0

    def open(self) -> str | None:
        """Open the file; says how a torn tail was repaired, None when it was whole.

        Raises DirectoryUnusable when the file cannot be opened, repaired or trusted.
        """
        self._use(self._opened())
        try:
            sync_directory(self._layout.directory)
            repaired = repair_tail(self._descriptor, self._layout, shared=self._shared, now_s=self._now())
        except OSError as exc:
            os.close(self._descriptor)
            raise DirectoryUnusable(
                f"{self._layout.events} cannot be made ready: {exc.strerror}",
                fix="make room or choose another directory",
            ) from None
        self._use(self._descriptor)
        self.run_after, self.run_from = self._generations.newest(), self._size
        return repaired

    def write(self, data: bytes) -> int:
        """Append as much of `data` as the disk takes; its length. Raises OSError when it takes nothing."""
        written = os.write(self._descriptor, data)
        newline = data.rfind(b"\n", 0, written) + 1
        self._begun = data[newline:written] if newline else self._begun + data[:written]
        self._size += written
        self._syncer.wrote()
        return written

    def begun_but_cut(self) -> bytes:
        """The beginning of the unfinished line, when somebody has truncated the file below it; b"" otherwise.

        It has to be written again, in front of its rest.
        """
        size = os.fstat(self._descriptor).st_size
        if size >= self._size:
            return b""
        begun, self._begun, self._size = self._begun, b"", size
        return begun

    def empty(self) -> None:
        """Truncate in place: the same inode, `tail -f` goes on. Raises OSError."""
        os.ftruncate(self._descriptor, 0)
        self._size = self._named_to = self.run_from = 0
        self._begun = b""

    def is_named(self) -> bool:
        """Whether our name still belongs to the file that is open; False when it was renamed, replaced or deleted."""
        ours = os.fstat(self._descriptor)
        try:
            named = os.path.samestat(ours, self._layout.events.stat())
        except OSError:
            return False
        if named:
            self._size = ours.st_size
            self._named_to = max(0, self._size - len(self._begun))
        return named

    def reopen(self) -> bytes:
        """Go on in whatever file has our name now, creating it where there is none.

        Returns what has to be written once more: the lines that went into a file that has no name any more, since it
        was last seen to have one. Nobody else has them, unless it was copied in that time before it was deleted.
        """
        try:
            descriptor = self._opened(keep_mode=True)
        except DirectoryUnusable as exc:
            if self._homeless.due():
                log.warning("%s; recording goes on in the file that was open", exc.message)
            return b""
        self._homeless.over()
        nameless = b""
        status = os.fstat(self._descriptor)
        if status.st_nlink == 0 and status.st_size > self._named_to:
            nameless = os.pread(self._descriptor, status.st_size - self._named_to, self._named_to)
        self._retire(tidy=False)
        self._use(descriptor)
        return nameless

    def rotate_if_due(self) -> None:
        """Set the file aside when it has grown enough; when that fails, go on in it."""
        if not self._generations.due(self._size) or self._now() < self._rotate_again_s or not self.is_named():
            return  # what has our name, if it is not our file, is not ours to set aside
        try:
            stamp = self._generations.set_aside(self._now())
            if self.run_from:  # what is behind the whole generation is all of this run
                self.run_after, self.run_from = stamp, 0
            descriptor = self._opened()
        except (OSError, DirectoryUnusable) as exc:
            self._rotate_again_s = self._now() + ROTATE_AGAIN_S
            log.warning("%s cannot be rotated: %s", self._layout.events, exc)
            return
        self._retire(tidy=True)
        self._use(descriptor)

    async def close(self) -> None:
        """The last sync, of this file and of those given up. Raises OSError when it fails."""
        try:
            await self._syncer.finish()
        finally:
            os.close(self._descriptor)
            self._descriptor = -1
            for task in self._retiring:
                task.cancel()  # it syncs before it heeds this; only tidying can wait for the next run
            if self._retiring:
                await asyncio.wait(self._retiring)

    def _opened(self, *, keep_mode: bool = False) -> int:
        return open_file(self._layout.events, os.O_RDWR | os.O_APPEND, shared=self._shared, keep_mode=keep_mode)

    def _use(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._syncer = Syncer(descriptor, self._disk, self._on_failure)
        self._size = self._named_to = os.fstat(descriptor).st_size
        self._begun = b""

    def _retire(self, *, tidy: bool) -> None:
        task = asyncio.get_running_loop().create_task(self._finish(self._descriptor, self._syncer, tidy=tidy))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _finish(self, descriptor: int, syncer: Syncer, *, tidy: bool) -> None:
        loop = asyncio.get_running_loop()
        syncing = loop.create_task(self._sync_and_close(descriptor, syncer))
        try:
            await asyncio.shield(syncing)
            if tidy:
                async with self._tidying:
                    await loop.run_in_executor(None, sync_directory, self._layout.directory)
                    await loop.run_in_executor(None, self._generations.tidy)
        except OSError as exc:
            log.warning("rotated files of %s were not tidied: %s", self._layout.events, exc)
        finally:
            await syncing

    async def _sync_and_close(self, descriptor: int, syncer: Syncer) -> None:
        try:
            await syncer.finish()
        except OSError as exc:
            self._on_failure(exc)
        finally:
            os.close(descriptor)
