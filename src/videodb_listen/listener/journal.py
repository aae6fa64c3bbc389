"""The connection journal, `videodb_ws_connections.jsonl`: what became of the connection and when, a record a line."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import orjson

from videodb_listen.errors import DirectoryUnusable
from videodb_listen.line import stamps
from videodb_listen.system.files import open_private

log = logging.getLogger(__name__)

_MAX_WAITING_RECORDS = 10_000  # a journal that cannot be written must not eat the memory; a flap a second lasts hours


class Journal:
    """Records that wait in order, until `write` appends them. `shared`: others can write to the directory of `path`."""

    def __init__(self, path: Path, *, shared: bool) -> None:
        self._path = path
        self._shared = shared
        self._waiting: list[bytes] = []  # of the first, the rest that is not in the file yet
        self._descriptor = -1

    def open(self) -> None:
        """Open the file behind what it holds. Raises OSError, and DirectoryUnusable when it is not to be trusted."""
        self._descriptor = self._opened()
        try:
            _end_line(self._descriptor)
        except OSError:
            self.close()
            raise

    def record(self, event: str, at_s: float, ws_id: str | None, **fields: Any) -> None:
        """Have one record appended by the next `write`; `at_s` in unix seconds.

        `ws_id` is None where no connection is meant. Other Nones are left out.
        """
        known = {name: encodable(value) for name, value in fields.items() if value is not None}
        record = orjson.dumps({"event": event, "ws_id": ws_id, **known})
        if len(self._waiting) < _MAX_WAITING_RECORDS:
            self._waiting.append(stamps(int(at_s * 1000 + 0.5)) + b"," + record[1:] + b"\n")

    def write(self) -> None:
        """Append what waits, as far as the disk takes it. Raises OSError; the rest waits then."""
        while self._waiting:
            written = os.write(self._descriptor, self._waiting[0])
            rest = self._waiting[0][written:]
            self._waiting[0:1] = [rest] if rest else []

    def reopen(self) -> None:
        """Write on to whatever file has the name now. For log rotation."""
        try:
            descriptor = self._opened(keep_mode=True)
        except DirectoryUnusable as exc:
            log.warning("%s; the journal goes on in the file that was open", exc.message)
            return
        self.close()
        self._descriptor = descriptor

    def close(self) -> None:
        """Let the file go, with what still waits."""
        os.close(self._descriptor)

    def _opened(self, *, keep_mode: bool = False) -> int:
        return open_private(self._path, os.O_RDWR | os.O_APPEND, shared=self._shared, keep_mode=keep_mode)


def encodable(value: Any) -> Any:
    """`value`; in text, bytes of a file name that are no UTF-8 are written out: JSON cannot hold them."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _end_line(descriptor: int) -> None:
    """Close a record that a crash cut short, so that the next one has a line of its own."""
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        os.write(descriptor, b"\n")
