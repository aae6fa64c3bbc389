"""Which file the lines go to: opened, repaired, rotated, opened anew, synced. Inodes and offsets, no lines.

A name and an open file are two things. People and log rotation rename, delete and replace what has our name, while we
hold a descriptor. So there are three ways to another inode, and each of them ends with `_use`:

- `open`, once.
- `rotate_if_due`: we rename the file ourselves, only while its name is ours, and make a new one.
- `reopen`: somebody else took the name. What we wrote since it was last seen to be ours is still in the old file, for
  whoever renamed it. If it has no name left it is *unlinked*: it goes with its descriptor, so its bytes are read back,
  to be written once more.

The old file is given up in the background: synced, closed, and after a rotation its predecessors tidied, while its
successor already takes lines. A failed sync of it counts like one of the file in use.

The descriptor is O_APPEND: whatever others do to the file, nothing of theirs is overwritten. And nothing is appended to
what they left there, be it in a file that is new to us or in one whose length they changed, before that is known to
end with a whole line: `is_as_left`, else `take_over`, else `mend`.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
from collections.abc import Callable

from videodb_listen.errors import DirectoryUnusable
from videodb_listen.listener.repair import repair_tail
from videodb_listen.listener.rotate import Generations
from videodb_listen.listener.sync import Syncer
from videodb_listen.paths import Layout
from videodb_listen.settings import Disk, Rotation
from videodb_listen.system.clock import Reminder
from videodb_listen.system.descriptors import is_named, is_unlinked
from videodb_listen.system.files import ends_line, explained, open_private, sync_directory, write_some

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
        self.size = 0  # bytes, as we left it: others may truncate and append
        self._is_ours = False  # what it ends with: a whole line, or one of ours whose rest is to follow
        self._layout = layout
        self._disk = disk
        self._shared = shared
        self._now = now
        self._on_failure = on_failure
        self._descriptor = -1
        self._syncer: Syncer
        self._generations = Generations(layout, rotation)
        self._rotate_again_s = 0.0
        self._reopen_fails = Reminder()
        self._retiring: set[asyncio.Task[None]] = set()
        self._tidying = asyncio.Lock()

    @property
    def synced_to(self) -> int:
        """The offset in bytes up to which the open file is certain to be on the disk."""
        return self._syncer.synced_to

    @property
    def is_unlinked(self) -> bool:
        """Whether the open file has no name left at all: what is in it is gone with its descriptor."""
        return is_unlinked(self._descriptor)

    async def open(self) -> str | None:
        """Open the file; says how a torn tail was repaired, None when it was whole.

        Raises DirectoryUnusable when the file cannot be opened, repaired or trusted.
        """
        self._use(self._opened())
        try:
            with explained(self._layout.events, "cannot be made ready", fix="make room or choose another directory"):
                sync_directory(self._layout.directory)
                repaired = await self.mend()
        except DirectoryUnusable:
            os.close(self._descriptor)
            raise
        self.run_after, self.run_from = self._generations.newest(), self.size
        return repaired

    def is_as_left(self) -> bool:
        """Whether the file is as long as we left it, and so ends as we left it. `size` is what it has now."""
        if (size := os.fstat(self._descriptor).st_size) != self.size:
            self.size, self._is_ours = size, False
            self.run_from = min(self.run_from, size)
        return self._is_ours

    def take_over(self) -> bool:
        """Go on behind what others left there, if that is whole lines; whether it is."""
        self._is_ours = ends_line(self._descriptor)
        return self._is_ours

    async def mend(self) -> str | None:
        """Have the file end with a whole line; says how, None when it did. Raises OSError and DirectoryUnusable.

        In a thread: there may be much to copy. Nothing else is to be done to the file meanwhile.
        """
        repair = functools.partial(repair_tail, self._descriptor, self._layout, shared=self._shared, now_s=self._now())
        once = functools.cache(repair)  # where no thread can be started the work stays queued, and may come late
        try:
            repaired = await asyncio.get_running_loop().run_in_executor(None, once)
        except RuntimeError:
            repaired = once()
        self.size, self._is_ours = os.fstat(self._descriptor).st_size, True
        return repaired

    def write(self, data: bytes) -> int:
        """Append as much of `data` as the disk takes; its length. Raises OSError when it takes nothing."""
        written = write_some(self._descriptor, data)
        self.size += written
        self._syncer.wrote()
        return written

    def empty(self) -> None:
        """Truncate in place: the same inode, `tail -f` goes on. Raises OSError."""
        os.ftruncate(self._descriptor, 0)
        self.size, self.run_from, self._is_ours = 0, 0, True

    def is_named(self) -> bool:
        """Whether our name still belongs to the open file; False when it was renamed, replaced or deleted."""
        return bool(is_named(self._descriptor, self._layout.events))

    def reopen(self, seen_to: int) -> bytes | None:
        """Go on in whatever file has our name now, creating it where there is none; None when that is impossible.

        Returns what has to be written once more: what an unlinked file holds behind the offset `seen_to`, where its
        name was last seen. Nobody else has that, unless the file was copied since, before it was deleted. Raises
        OSError when it cannot be read back.
        """
        left = self.size - seen_to if self.is_unlinked else 0
        unlinked = os.pread(self._descriptor, left, seen_to) if left > 0 else b""
        try:
            descriptor = self._opened(keep_mode=True)
        except DirectoryUnusable as exc:
            if self._reopen_fails.due():
                log.warning("%s; recording goes on in the file that was open", exc.message)
            return None
        self._reopen_fails.over()
        self._retire(tidy=False)
        self._use(descriptor)
        return unlinked

    def rotate_if_due(self) -> bool:
        """Rotate the file when it has grown enough, and go on in a new one; whether that was done.

        When it fails the file goes on growing. A file that does not have our name is not ours to rename.
        """
        if not self._generations.due(self.size) or self._now() < self._rotate_again_s or not self.is_named():
            return False
        try:
            stamp = self._generations.rotate(self._now())
            if self.run_from:  # what is behind the whole generation is all of this run
                self.run_after, self.run_from = stamp, 0
            descriptor = self._opened()
        except (OSError, DirectoryUnusable) as exc:
            self._rotate_again_s = self._now() + ROTATE_AGAIN_S
            log.warning("%s cannot be rotated: %s", self._layout.events, exc)
            return False
        self._retire(tidy=True)
        self._use(descriptor)
        return True

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
        return open_private(self._layout.events, os.O_RDWR | os.O_APPEND, shared=self._shared, keep_mode=keep_mode)

    def _use(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._syncer = Syncer(descriptor, self._layout.directory, self._disk, self._on_failure)
        self.size, self._is_ours = os.fstat(descriptor).st_size, False

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
