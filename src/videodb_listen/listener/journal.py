"""The connection journal, `videodb_ws_connections.jsonl`: what became of the connection and when, a record a line."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import Any

import orjson

from videodb_listen.errors import DirectoryUnusable
from videodb_listen.line import decode_line, stamps
from videodb_listen.system.descriptors import is_named
from videodb_listen.system.files import ends_line, newest_lines, open_private, replace, write_some

log = logging.getLogger(__name__)

MAX_JOURNAL_BYTES = 8 << 20
"""Above it the newer half is kept: some ten thousand connections. A server that flaps must not fill the disk."""

_NEWEST_BYTES = 1 << 18
_MAX_WAITING_RECORDS = 10_000  # a journal that cannot be written must not eat the memory; a flap a second lasts hours


class Journal:
    """Records that wait in order, until `write` appends them. `shared`: others can write to the directory of `path`."""

    def __init__(self, path: Path, *, shared: bool) -> None:
        self._path = path
        self._shared = shared
        self._waiting: list[bytes] = []
        self._begun = 0  # so many bytes of the first that waits are in the file already
        self._left_at = -1  # the size at which we left the file, in bytes; -1: we have not written to it yet
        self._descriptor = -1

    def open(self) -> None:
        """Open the file, to go on behind what it holds. Raises DirectoryUnusable when it is not to be trusted."""
        self._descriptor = self._opened()

    def newest(self) -> list[dict[str, Any]]:
        """The last records that were written, some hundred, oldest first. Raises OSError."""
        records = []
        for line in newest_lines(self._descriptor, _NEWEST_BYTES).splitlines():
            with contextlib.suppress(ValueError):
                records.append(decode_line(line))
        return records

    def record(self, event: str, at_s: float, ws_id: str | None, **fields: Any) -> None:
        """Have one record appended by the next `write`; `at_s` in unix seconds.

        `ws_id` is None where no connection is meant. Other Nones are left out, and floats get three decimals.
        """
        known = {name: encodable(value) for name, value in fields.items() if value is not None}
        record = orjson.dumps({"event": event, "ws_id": ws_id, **known})
        if len(self._waiting) < _MAX_WAITING_RECORDS:
            self._waiting.append(stamps(int(at_s * 1000 + 0.5)) + b"," + record[1:] + b"\n")

    def write(self) -> None:
        """Append what waits, as far as the disk takes it. Raises OSError; the rest waits then."""
        if self._waiting and not is_named(self._descriptor, self._path):
            self.reopen()
        while self._waiting:
            if os.fstat(self._descriptor).st_size != self._left_at:
                self._begin_line()
            self._begun += write_some(self._descriptor, self._waiting[0][self._begun :])
            self._left_at = os.fstat(self._descriptor).st_size
            if self._begun == len(self._waiting[0]):
                del self._waiting[0]
                self._begun = 0
        if self._left_at > MAX_JOURNAL_BYTES:
            replace(self._path, newest_lines(self._descriptor, MAX_JOURNAL_BYTES // 2), alone=True, synced=False)
            self.reopen()

    def reopen(self) -> None:
        """Write on to whatever file has the name now. For log rotation."""
        try:
            descriptor = self._opened(keep_mode=True)
        except DirectoryUnusable as exc:
            log.warning("%s; the journal goes on in the file that was open", exc.message)
            return
        self.close()
        self._descriptor, self._left_at = descriptor, -1

    def close(self) -> None:
        """Let the file go, with what still waits."""
        os.close(self._descriptor)

    def _begin_line(self) -> None:
        """Close a record that a crash cut short, or that others left, so that the next has a line of its own."""
        self._begun = 0
        if not ends_line(self._descriptor):
            write_some(self._descriptor, b"\n")

    def _opened(self, *, keep_mode: bool = False) -> int:
        return open_private(self._path, os.O_RDWR | os.O_APPEND, shared=self._shared, keep_mode=keep_mode)


def encodable(value: Any) -> Any:
    """`value` for JSON: a float gets three decimals, and in text bytes of a name that are no UTF-8 are written out."""
    if isinstance(value, float):
        return round(value, 3)
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
