"""When what was written is forced onto the disk, and with it, the first time, the name that it goes by.

fdatasync(2) runs in a thread, so that a slow disk stops neither pings nor signals. At most one runs at a time; what is
written meanwhile is covered by the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from videodb_listen.settings import Disk
from videodb_listen.system.files import sync_content, sync_directory

AGAIN_S = 1.0
"""Between tries while no descriptor is free."""


class Syncer:
    """Syncs one open file by policy: `always` after each batch, `interval` within `fsync_interval_s` of it, `never`.

    The name of the file is in `directory`.
    `synced_to` is the offset in bytes that the last good sync covered. `on_failure` gets the OSError of a bad one.
    """

    def __init__(self, descriptor: int, directory: Path, disk: Disk, on_failure: Callable[[OSError], None]) -> None:
        self.synced_to = 0
        self._descriptor = descriptor
        self._unnamed: Path | None = directory  # where the name is not certain to be on the disk; None: it is
        self._wanted = disk.fsync != "never"
        self._delay_s = 0.0 if disk.fsync == "always" else disk.fsync_interval_s
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._due: asyncio.TimerHandle | None = None
        self._running: asyncio.Future[int] | None = None
        self._dirty = False

    def wrote(self) -> None:
        """Something was written: have it synced in time."""
        self._dirty = True
        if self._wanted and self._due is None and self._running is None:
            self._due = self._loop.call_later(self._delay_s, self._start)

    async def finish(self) -> None:
        """Sync what is not synced yet, for the last time. Raises OSError when that fails."""
        while self._due is not None or self._running is not None:
            if self._due is not None:
                self._due.cancel()
                self._due = None
            if self._running is not None:
                await asyncio.wait([self._running])
        if self._wanted and self._dirty:
            self._dirty = False
            try:
                syncing = self._in_thread()
            except (OSError, RuntimeError):  # no descriptor or no thread is free: here and now, then
                self.synced_to = self._sync(self._descriptor)
            else:
                self.synced_to = await syncing

    def _start(self) -> None:
        try:
            self._running = self._in_thread()
        except (OSError, RuntimeError):  # no descriptor, or no thread, is free
            self._due = self._loop.call_later(AGAIN_S, self._start)
            return
        self._due = None
        self._dirty = False
        self._running.add_done_callback(self._finished)

    def _in_thread(self) -> asyncio.Future[int]:
        # A descriptor of its own: ours may be closed, and its number given to another file, before the thread runs.
        # Where no thread can be started the work stays queued, and whoever does it in the end closes the descriptor.
        return self._loop.run_in_executor(None, self._sync_and_close, os.dup(self._descriptor))

    def _finished(self, done: asyncio.Future[int]) -> None:
        self._running = None
        if done.cancelled():
            return
        if isinstance(exc := done.exception(), OSError):
            self._on_failure(exc)
            return
        self.synced_to = done.result()
        if self._dirty:
            self.wrote()

    def _sync(self, descriptor: int) -> int:
        """Sync; the size in bytes that is now certain to be on the disk."""
        size = os.fstat(descriptor).st_size
        sync_content(descriptor)
        if self._unnamed is not None:
            with contextlib.suppress(FileNotFoundError):  # somebody removed the directory, and the file with it
                sync_directory(self._unnamed)
            self._unnamed = None
        return size

    def _sync_and_close(self, descriptor: int) -> int:
        try:
            return self._sync(descriptor)
        finally:
            os.close(descriptor)
