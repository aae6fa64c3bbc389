"""What the daemon tells other programs: id, pid and state files, and the connection journal.

Every published file is replaced whole, so a reader never sees half. Nothing is synced: after a power loss these files
are stale whatever they hold. Trouble with them never stops the recording: it is said, and what could not be written
waits for the next `flush`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import logging
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from videodb_listen.errors import DirectoryUnusable
from videodb_listen.line import stamps
from videodb_listen.listener.directory import explained, open_file
from videodb_listen.paths import Layout
from videodb_listen.presence import State
from videodb_listen.system.clock import Reminder

log = logging.getLogger(__name__)

_MAX_WAITING_RECORDS = 10_000  # a journal that cannot be written must not eat the memory; a flap a second lasts hours


class Publisher:
    """The files that name the daemon and its connection. `state` is changed in place, then published by `flush`."""

    def __init__(
        self, layout: Layout, state: State, *, shared: bool, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.state = state
        self._layout = layout
        self._shared = shared
        self._wanted: dict[Path, bytes | None] = {}  # what a file should hold and does not yet; None: be absent
        self._published = b""
        self._records: list[bytes] = []
        self._journal = -1
        self._reminder = Reminder(monotonic)
        self._disowned = False

    def open(self) -> None:
        """Publish the pid and remove the id that a crash left. Raises DirectoryUnusable when that cannot be done."""
        with explained(self._layout.directory):
            self._layout.ws_id.unlink(missing_ok=True)  # first of all: with the lock held, an id means a connection
            self._journal = open_file(self._layout.journal, os.O_RDWR | os.O_APPEND, shared=self._shared)
            try:
                _end_line(self._journal)
                _replace(self._layout.pid, str(self.state.pid).encode())
                _replace(self._layout.state, self._content())
            except OSError:
                os.close(self._journal)
                raise

    def set_id(self, ws_id: str | None) -> None:
        """Publish the live connection id; None removes the file."""
        self.state.ws_id = ws_id
        self._wanted[self._layout.ws_id] = ws_id.encode() if ws_id else None
        self.flush()

    def record(self, event: str, at_s: float, ws_id: str | None, **fields: Any) -> None:
        """Have one record appended to the journal by the next `flush`.

        `ws_id` is None where no connection is meant. Other Nones are left out.
        """
        known = {name: _safe(value) for name, value in fields.items() if value is not None}
        if len(self._records) < _MAX_WAITING_RECORDS:
            self._records.append(
                stamps(int(at_s * 1000 + 0.5))
                + b","
                + orjson.dumps({"event": event, "ws_id": ws_id, **known})[1:]
                + b"\n"
            )

    def flush(self) -> None:
        """Write whatever is not on disk yet, each file for itself; say what failed, but not more than once a minute."""
        if self._disowned:
            return
        self._try(self._layout.journal, self._write_journal)
        for path, content in list(self._wanted.items()):
            if self._try(path, partial(_apply, path, content)):
                del self._wanted[path]
        self._try(self._layout.state, self._publish_state)

    def disown(self) -> None:
        """The directory is somebody else's now: leave its files alone from here on."""
        self._disowned = True

    def restore(self) -> None:
        """Publish every file again, after the directory was removed and made anew."""
        self._wanted[self._layout.pid] = str(self.state.pid).encode()
        self._wanted[self._layout.ws_id] = self.state.ws_id.encode() if self.state.ws_id else None
        self._published = b""
        self.reopen()
        self.flush()

    def reopen(self) -> None:
        """Write on to whatever file has the journal's name now. For log rotation."""
        try:
            journal = open_file(self._layout.journal, os.O_RDWR | os.O_APPEND, shared=self._shared, keep_mode=True)
        except DirectoryUnusable as exc:
            log.warning("%s; the journal goes on in the file that was open", exc.message)
            return
        os.close(self._journal)
        self._journal = journal

    def close(self) -> None:
        """The last word: whatever still waits, then the pid file goes. `state.phase` says `stopped` by then."""
        self.flush()
        if not self._disowned:
            with contextlib.suppress(OSError):
                self._layout.pid.unlink(missing_ok=True)
        os.close(self._journal)

    def _try(self, path: Path, write: Callable[[], None]) -> bool:
        try:
            write()
        except OSError as exc:
            if self._reminder.due():
                log.warning("cannot write %s: %s; tried again every second", path, exc.strerror)
            return False
        return True

    def _write_journal(self) -> None:
        while self._records:
            written = os.write(self._journal, self._records[0])
            rest = self._records[0][written:]
            self._records[0:1] = [rest] if rest else []

    def _publish_state(self) -> None:
        content = self._content()
        if content != self._published:
            _replace(self._layout.state, content)
            self._published = content

    def _content(self) -> bytes:
        return orjson.dumps({**dataclasses.asdict(self.state), "error": _safe(self.state.error)}) + b"\n"


def _safe(value: Any) -> Any:
    """`value`; in text, bytes of a file name that are no UTF-8 are written out: JSON cannot hold them."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _end_line(descriptor: int) -> None:
    """Close a record that a crash cut short, so that the next one has a line of its own."""
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        os.write(descriptor, b"\n")


def _apply(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink(missing_ok=True)
    else:
        _replace(path, content)


def _replace(path: Path, content: bytes) -> None:
    """Put `content` at `path` whole, 0600. The lock makes us the only writer, so the temporary name can be fixed.

    O_EXCL: in a shared directory the temporary file must be one that we made, otherwise we would write through a trap.
    """
    temporary = path.with_name(path.name + ".tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        os.write(descriptor, content)  # a few hundred bytes: short only on a full disk, and then the rename must not be
        if os.fstat(descriptor).st_size != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(temporary))
    finally:
        os.close(descriptor)
    temporary.replace(path)
