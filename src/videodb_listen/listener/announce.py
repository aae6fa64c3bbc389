"""What the daemon tells the world when its connection changes.

People hear it on stderr, scripts on stdout, programs from the state directory, the service manager from its socket.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass

from videodb_listen.errors import ListenError
from videodb_listen.listener.notify import Notifier
from videodb_listen.listener.publish import Publisher
from videodb_listen.listener.sink import Progress
from videodb_listen.listener.stdio import Stdout
from videodb_listen.paths import Layout
from videodb_listen.presence import State, pid_namespace
from videodb_listen.realtime import Ended
from videodb_listen.settings import Link
from videodb_listen.units import format_duration

log = logging.getLogger(__name__)

NOT_BOUND = "what was bound to %s (sessions, transcripts, indexes, alerts) no longer reports here; bind it to %s"


@dataclass(frozen=True)
class Outside:
    """What the daemon speaks through, handed in by whoever starts it."""

    stdout: Stdout
    notifier: Notifier
    on_connected: Callable[[str], None]  # gets the first connection id, for whoever waits for the start


class Reporter:
    """Tells each change once, everywhere, in an order that readers can rely on. Times are unix seconds."""

    def __init__(self, link: Link, layout: Layout, outside: Outside, *, shared: bool, started_s: float) -> None:
        self.received_s = 0.0  # when the last frame was read; 0: none was
        self._outside = outside
        self._max_frame_bytes = link.max_frame_bytes
        self._drain_s = link.drain_s
        self._lost_id: str | None = None  # None: no connection has been lost yet
        self._proof_s = 0.0  # when the connection was last known to live
        self._failure: str | None = None  # why there is no connection; None: there is one, or none was tried
        self._trouble: str | None = None  # why lines wait for the disk; None: they do not
        self._state = State(
            pid=os.getpid(),
            pid_namespace=pid_namespace(),
            started_unix_ts=round(started_s, 3),
            stale_after_s=link.stale_after_s,
        )
        self._publisher = Publisher(layout, self._state, shared=shared)

    @property
    def ever_connected(self) -> bool:
        """Whether any connection has stood in this run."""
        return self._state.connects > 0

    @property
    def failure(self) -> str | None:
        """Why there is no connection; None while there is one, or none was tried."""
        return self._failure

    def open(self) -> None:
        """Publish the pid; remove the id that a crash left. Raises DirectoryUnusable when that cannot be done."""
        self._publisher.open()

    def restore(self) -> None:
        """The directory was removed and made anew: publish everything again."""
        self._publisher.restore()

    def reopen(self) -> None:
        """Open the journal anew, after it was rotated."""
        self._publisher.reopen()

    def connected(self, ws_id: str, now_s: float) -> None:
        """The hello came. The id is published before it is printed: who reads stdout finds the file."""
        state = self._state
        first = not self.ever_connected
        state.phase, state.connected_unix_ts = "connected", round(now_s, 3)
        state.connects += 1
        self._failure = None
        self._publisher.record("connected", now_s, ws_id, previous_ws_id=self._lost_id)
        if self._lost_id is not None:
            self._gap(self._lost_id, ws_id, now_s)
        self._proof_s = now_s
        self._publish_id(ws_id)
        self._outside.stdout.announce(ws_id)
        log.info("connected as %s", ws_id)
        if first:
            self._outside.notifier.ready(f"connected as {ws_id}")
            self._outside.on_connected(ws_id)
        else:
            self._outside.notifier.status(f"connected as {ws_id}")

    def pong(self, latency_s: float, now_s: float) -> None:
        """A ping was answered after `latency_s`."""
        self._proof_s = now_s
        self._state.last_pong_unix_ts = round(now_s, 3)
        self._state.latency_ms = round(latency_s * 1000, 3)

    def lost(self, ws_id: str, ended: Ended, now_s: float) -> None:
        """The connection `ws_id` has ended, and not because we wanted it to."""
        self._lost_id = ws_id
        self._proof_s = max(self._proof_s, self.received_s)
        self.retract("reconnecting")
        if ended.refused is not None:
            limit = self._max_frame_bytes
            self._publisher.record("refused", now_s, ws_id, reason=ended.refused, limit_bytes=limit)
        self._publisher.record("lost", now_s, ws_id, reason=ended.reason, close_code=ended.close_code)
        self._publisher.flush()

    def retrying(self, failure: ListenError, delay_s: float) -> None:
        """An attempt failed; the next comes after `delay_s`."""
        self._failure = failure.message
        log.warning("%s; trying again in %s", failure.message, format_duration(delay_s))
        self._outside.notifier.status(f"trying again: {failure.message}")

    def disk_trouble(self, what: str | None) -> None:
        """Lines wait because the disk refuses them; None: no longer."""
        self._trouble = what

    def repaired(self, detail: str, now_s: float) -> None:
        """A torn tail was mended before anything was appended."""
        log.warning("the events file was repaired: %s", detail)
        self._publisher.record("repaired", now_s, None, detail=detail)
        self._publisher.flush()

    def clock_stepped(self, step_s: float, now_s: float) -> None:
        """The machine's clock jumped by `step_s`."""
        self._publisher.record("clock", now_s, self._state.ws_id, step_s=round(step_s, 3))
        self._publisher.flush()

    def retract(self, phase: str) -> None:
        """No live connection from here on: the id file goes first."""
        self._state.phase = phase
        self._publish_id(None)

    def stopping(self) -> None:
        """The end has begun."""
        if self._state.phase != "stopping":
            self.retract("stopping")
            self._outside.notifier.stopping(self._drain_s)

    def disown(self) -> None:
        """The directory is somebody else's now: nothing more is published in it."""
        self._publisher.disown()

    def tick(self, progress: Progress) -> None:
        """Once a second: the counters, and whatever could not be written before."""
        self._count(progress)
        self._publisher.flush()

    @property
    def alive_every_s(self) -> float:
        """Seconds between two calls of `alive`."""
        return self._outside.notifier.alive_every_s

    def alive(self) -> None:
        """A sign of life, for a service manager that watches."""
        self._outside.notifier.alive()

    def stopped(self, failure: ListenError | None, progress: Progress, now_s: float) -> None:
        """The last word; `failure` is None after a clean stop. The pid file is gone afterwards."""
        self._failure, self._trouble = failure.message if failure else None, None
        self._count(progress)
        self._state.phase = "stopped"
        self._publisher.record("stopped", now_s, None, reason=self._failure, events=progress.events)
        self._publisher.close()

    def _gap(self, old_id: str, new_id: str, now_s: float) -> None:
        self._state.gaps += 1
        log.warning(NOT_BOUND, old_id, new_id)
        self._publisher.record(
            "gap",
            now_s,
            new_id,
            from_unix_ts=round(self._proof_s, 3),
            to_unix_ts=round(now_s, 3),
            old_ws_id=old_id,
            new_ws_id=new_id,
            warning=NOT_BOUND % (old_id, new_id),
        )

    def _publish_id(self, ws_id: str | None) -> None:
        self._state.error = self._trouble or self._failure
        self._publisher.set_id(ws_id)

    def _count(self, progress: Progress) -> None:
        state = self._state
        state.error = self._trouble or self._failure
        if self.received_s:
            state.last_event_unix_ts = round(self.received_s, 3)
        state.events, state.bytes = progress.events, progress.bytes
        state.run_after, state.run_from = progress.run_after, progress.run_from
        state.dropped_previews = self._outside.stdout.dropped
