"""What is looked at once a second, since nothing tells of it: the clock, the files, the directory."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable

from videodb_listen.errors import Bug, DirectoryBusy, DirectoryUnusable, ListenError
from videodb_listen.listener.announce import Outside
from videodb_listen.listener.directory import Owner
from videodb_listen.listener.own_log import OwnLog
from videodb_listen.listener.publish import Publisher
from videodb_listen.listener.sink import Sink
from videodb_listen.system.clock import Clock, Reminder
from videodb_listen.units import format_duration

log = logging.getLogger(__name__)

TICK_S = 1.0
"""The state file is written at most this often; clock steps and sleep are noticed this late."""

CLOCK_STEP_S = 1.0
"""A smaller step of the wall clock is everyday correction; a larger one is journalled."""

SLEPT_S = 10.0
"""A wall clock that ran ahead this far means that the machine slept, and that its connections may be dead."""

MAX_LOG_BYTES = 8 << 20


class Watch:
    """Looks after one run. `on_failure` gets what ends it, `on_sleep` is called after the machine slept."""

    def __init__(
        self,
        owner: Owner,
        clock: Clock,
        sink: Sink,
        publisher: Publisher,
        outside: Outside,
        *,
        on_failure: Callable[[ListenError], None],
        on_sleep: Callable[[], None],
    ) -> None:
        self._owner = owner
        self._clock = clock
        self._sink = sink
        self._publisher = publisher
        self._outside = outside
        self._on_failure = on_failure
        self._on_sleep = on_sleep
        self._log = OwnLog(owner.layout.log, MAX_LOG_BYTES, shared=owner.shared)
        self._renewal_fails = Reminder()
        self._lost = False  # the directory is somebody else's: nothing in it is ours to touch

    def start(self) -> asyncio.Task[None]:
        """Look once a second until the task is cancelled. Whatever else ends it ends the run: nobody would notice."""
        task = asyncio.create_task(self._for_ever())
        task.add_done_callback(self._ended)
        return task

    def reopen(self) -> None:
        """Write on to whatever files have our names now: after a SIGHUP. Not when they are somebody else's by now."""
        if self._lost:
            return
        log.info("SIGHUP: opening the files in %s anew", self._owner.layout.directory)
        self._publisher.reopen()
        self._sink.reopen()
        self._log.reopen()

    def look_at_files(self) -> None:
        """Notice what others did to our files: rotated, deleted, or the whole directory removed."""
        if self._lost:
            return
        try:
            if self._owner.renew_if_removed():
                self._publisher.restore()
                self._log.reopen()
        except DirectoryBusy as exc:
            self._lost = True
            self._publisher.release()
            self._sink.release()
            self._on_failure(exc)
        except DirectoryUnusable as exc:
            if self._renewal_fails.due():
                log.warning("%s was removed and cannot be made anew: %s", self._owner.layout.directory, exc.message)
        else:
            self._renewal_fails.over()
            self._sink.follow_name()

    async def _for_ever(self) -> None:
        notifier = self._outside.notifier
        beats = math.ceil(TICK_S / notifier.alive_every_s)
        while True:
            for _ in range(beats):
                await asyncio.sleep(TICK_S / beats)
                notifier.alive()
            with contextlib.suppress(MemoryError):  # the next look may find some
                self._look_at_clock()
                self.look_at_files()
                self._publisher.tick(self._sink.progress, self._outside.stdout.dropped)
                self._log.bound()

    def _look_at_clock(self) -> None:
        step_s = self._clock.step()
        if abs(step_s) > CLOCK_STEP_S:
            self._publisher.clock_stepped(step_s, self._clock.now())
        if step_s > SLEPT_S:
            log.info("the clock ran ahead by %s: the machine slept, or was set", format_duration(step_s))
            self._on_sleep()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and isinstance(exc := task.exception(), Exception):
            self._on_failure(Bug.of(exc))
