"""What the daemon tells other programs: its id, pid and state files, and the journal. The one owner of all four.

Whatever happens to the connection is one *transition* here, named for it. It changes the state, adds to the journal,
publishes both at once and returns what is to be announced to people. The files are written in an order that readers
can rely on: an id goes before anything else does and comes after the journal knows it; the state comes last.

A published file is replaced whole, so a reader never sees half. Nothing is synced: after a power loss these files are
stale whatever they hold. Trouble with them never stops the recording: it is said, and what could not be written waits
for the next `flush`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson

from videodb_listen.errors import ListenError
from videodb_listen.line import encode_line
from videodb_listen.listener.announce import NOT_BOUND, Connected, Repaired, Retrying, Stopping
from videodb_listen.listener.journal import Journal, encodable
from videodb_listen.listener.predecessor import Blind, Predecessor
from videodb_listen.listener.sink import Progress
from videodb_listen.paths import Layout
from videodb_listen.presence import State, read_state
from videodb_listen.realtime import Ended
from videodb_listen.settings import Link
from videodb_listen.system.clock import Reminder
from videodb_listen.system.files import explained, replace
from videodb_listen.system.processes import pid_namespace

log = logging.getLogger(__name__)


class Publisher:
    """One run of the daemon, as others see it. Times are unix seconds. `shared`: others can write to the directory.

    The times that it is given stand still while the machine's clock, which was set back, catches up. By them nobody
    else could tell how old a proof of life is: `wall` is that clock itself.
    `anew`: the recording begins with this run, and a planned stop before it is no gap in it.
    """

    def __init__(
        self,
        link: Link,
        layout: Layout,
        *,
        shared: bool,
        started_s: float,
        wall: Callable[[], float],
        anew: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.received_s = 0.0  # when the last frame was read; 0: none was
        self.failure: str | None = None  # why there is no connection; None: there is one, or none was tried
        self._link = link
        self._wall = wall
        self._layout = layout
        self._anew = anew
        self._blind: Blind | None = None  # None: a connection stands, or none ever stood
        self._proof_s = 0.0  # when the connection was last known to live
        self._trouble: str | None = None  # why lines wait for the disk; None: they do not
        self._journal = Journal(layout.journal, shared=shared)
        self._published: dict[Path, bytes | None] = {}  # what is in each file now; None: there is none
        self._reminder = Reminder(monotonic)
        self._released = False
        self._state = State(
            pid=os.getpid(),
            pid_namespace=pid_namespace(),
            started_unix_ts=round(started_s, 3),
            stale_after_s=link.stale_after_s,
        )

    def open(self) -> None:
        """Publish the pid and remove the id that a crash left. Raises DirectoryUnusable when that cannot be done."""
        with explained(self._layout.directory):
            self._put(self._layout.ws_id, None)  # first of all: with the lock held, an id means a connection
            self._journal.open()
            try:
                self._look_back()
                self._put(self._layout.pid, self._pid())
                self._put(self._layout.state, self._content())
            except OSError:
                self._journal.close()
                raise

    def _look_back(self) -> None:
        """Take over from the run before ours: since when nobody listens, and that it crashed."""
        state = read_state(self._layout)
        before = Predecessor.of(self._journal.newest(), state)
        if before.crashed or not self._anew:
            self._blind = before.blind
        if before.crashed:
            id, proof_s = (self._blind.ws_id, self._blind.since_s) if self._blind else (None, None)
            pid, now_s = state.pid if state else None, self._state.started_unix_ts or 0.0
            self._journal.record("crashed", now_s, id, previous_pid=pid, last_proof_unix_ts=proof_s)
            with self._surviving(self._layout.journal):
                self._journal.write()  # before the state of that run is replaced

    # -- transitions --

    def connected(self, ws_id: str, hello: bytes, now_s: float) -> Connected:
        """The `hello` came, a frame."""
        state, blind = self._state, self._blind
        state.phase, state.ws_id, state.connected_unix_ts = "connected", ws_id, round(now_s, 3)
        state.connects += 1
        previous_id = blind.ws_id if blind else None
        said = orjson.Fragment(encode_line(hello, now_s).rstrip())
        self._journal.record("connected", now_s, ws_id, previous_ws_id=previous_id, hello=said)
        if blind is not None:
            state.gaps += 1
            self._record_gap(blind, ws_id, now_s)
        self._proven(now_s)
        self.failure, self._blind = None, None
        self.flush()
        unbound_id = None if blind is None or blind.why == "stopped" else previous_id
        return Connected(ws_id, unbound_id, first=state.connects == 1)

    def pong(self, latency_s: float, now_s: float) -> None:
        """A ping was answered after `latency_s`. Published within a second."""
        self._proven(now_s)
        self._state.last_pong_unix_ts = round(now_s, 3)
        self._state.latency_ms = round(latency_s * 1000, 3)

    def lost(self, ws_id: str, ended: Ended, now_s: float) -> None:
        """The connection `ws_id` has ended, and not because we wanted it to."""
        self._blind = Blind(max(self._proof_s, self.received_s), ws_id, "lost")
        self._state.phase, self._state.ws_id = "reconnecting", None
        if ended.refused is not None:
            limit_bytes = self._link.max_frame_bytes
            self._journal.record("refused", now_s, ws_id, reason=ended.refused, limit_bytes=limit_bytes)
        self._journal.record("lost", now_s, ws_id, reason=ended.reason, close_code=ended.close_code)
        self.flush()

    def retrying(self, failure: ListenError, delay_s: float) -> Retrying:
        """An attempt failed; the next comes after `delay_s`. Published within a second."""
        self.failure = failure.message
        return Retrying(failure.message, delay_s)

    def disk_trouble(self, what: str | None) -> None:
        """Lines wait because the disk refuses them; None: no longer. Published within a second."""
        self._trouble = what

    def repaired(self, detail: str, now_s: float) -> Repaired:
        """A torn tail was mended before anything was appended."""
        self._journal.record("repaired", now_s, None, detail=detail)
        self.flush()
        return Repaired(detail)

    def clock_stepped(self, step_s: float, now_s: float) -> None:
        """The machine's clock jumped by `step_s`, and with it the age of what it had proven."""
        if self._state.proven_unix_ts is not None:
            self._state.proven_unix_ts += step_s
        self._journal.record("clock", now_s, self._state.ws_id, step_s=step_s)
        self.flush()

    def stopping(self) -> Stopping | None:
        """The end has begun; None when it had before."""
        if self._state.phase == "stopping":
            return None
        self._state.phase, self._state.ws_id = "stopping", None
        self.flush()
        return Stopping(self._link.drain_s)

    def stopped(self, failure: ListenError | None, progress: Progress, dropped: int, now_s: float) -> None:
        """The last word; `failure` is None after a clean stop. The pid file is gone afterwards."""
        self.failure, self._trouble = failure.message if failure else None, None
        self._count(progress, dropped)
        self._state.phase = "stopped"
        proof_s = self._blind.since_s if self._blind else now_s if self._state.connects else None
        self._journal.record(
            "stopped", now_s, None, reason=self.failure, events=progress.events, last_proof_unix_ts=proof_s
        )
        self.flush()
        if not self._released:
            with contextlib.suppress(OSError):
                self._layout.pid.unlink(missing_ok=True)
        self._journal.close()

    # -- files --

    def tick(self, progress: Progress, dropped: int) -> None:
        """Once a second: the counters, and whatever could not be written before. `dropped` copies found no reader."""
        self._count(progress, dropped)
        self.flush()

    def flush(self) -> None:
        """Write whatever is not on disk yet, each file for itself; say what failed, but not more than once a minute."""
        if self._released:
            return
        ws_id = self._state.ws_id.encode() if self._state.ws_id else None
        if ws_id is None:
            self._try(self._layout.ws_id, None)
        with self._surviving(self._layout.journal):
            self._journal.write()
        self._try(self._layout.ws_id, ws_id)
        self._try(self._layout.pid, self._pid())
        self._try(self._layout.state, self._content())

    def restore(self) -> None:
        """Publish every file again, after the directory was removed and made anew."""
        self._published.clear()
        self.reopen()
        self.flush()

    def reopen(self) -> None:
        """Open the journal anew, after it was rotated."""
        self._journal.reopen()

    def release(self) -> None:
        """The directory is somebody else's now: leave its files alone from here on."""
        self._released = True

    def _try(self, path: Path, content: bytes | None) -> None:
        with self._surviving(path):
            self._put(path, content)

    @contextlib.contextmanager
    def _surviving(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            if self._reminder.due():
                log.warning("cannot write %s: %s; tried again every second", path, exc.strerror)

    def _put(self, path: Path, content: bytes | None) -> None:
        """Have `content` at `path`, None: have no file there. Raises OSError."""
        if path in self._published and self._published[path] == content:
            return
        if content is None:
            path.unlink(missing_ok=True)
        else:
            replace(path, content, alone=True, synced=False)
        self._published[path] = content

    def _pid(self) -> bytes:
        return str(self._state.pid).encode()

    def _content(self) -> bytes:
        """What the state file should hold."""
        self._state.error = encodable(self._trouble or self.failure)
        return orjson.dumps(dataclasses.asdict(self._state)) + b"\n"

    def _proven(self, now_s: float) -> None:
        """The connection lives."""
        self._proof_s = now_s
        self._state.proven_unix_ts = math.floor(self._wall() * 1000) / 1000  # never in the future of who reads it

    def _count(self, progress: Progress, dropped: int) -> None:
        state = self._state
        if progress.events > state.events and state.phase == "connected":
            self._proven(max(self._proof_s, self.received_s))
        if self.received_s:
            state.last_event_unix_ts = round(self.received_s, 3)
        state.events, state.bytes = progress.events, progress.bytes
        state.run_after, state.run_from = progress.run_after, progress.run_from
        state.dropped_previews = dropped

    def _record_gap(self, blind: Blind, new_id: str, now_s: float) -> None:
        self._journal.record(
            "gap",
            now_s,
            new_id,
            from_unix_ts=min(blind.since_s, now_s),  # the clock may have been set back between two runs
            to_unix_ts=now_s,
            old_ws_id=blind.ws_id,
            new_ws_id=new_id,
            reason=blind.why,
            warning=NOT_BOUND % (blind.ws_id, new_id) if blind.ws_id else None,
        )
