"""`videodb_ws.log`: the stdout and stderr of a daemon that `start` made, kept from growing for ever."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path

from videodb_listen.errors import DirectoryUnusable
from videodb_listen.system.descriptors import STDERR, STDOUT, is_named, is_opened_with
from videodb_listen.system.files import newest_lines, open_private, write_all

log = logging.getLogger(__name__)

_LOG_FLAGS = os.O_RDWR | os.O_APPEND


def open_log(path: Path, *, shared: bool, keep_mode: bool = False) -> int:
    """A descriptor for `OwnLog`: readable, to keep what is new when it is cut; appending, to go on at the new end.

    Arguments and errors are those of open_private.
    """
    return open_private(path, _LOG_FLAGS, shared=shared, keep_mode=keep_mode)


class OwnLog:
    """The log at `path`, when it is our own stdout or stderr, as `start` makes it; any other output is left alone.

    It is recognized once, at the beginning: later it may have lost its name, or another file may have it.
    `shared`: others can write to its directory.
    """

    def __init__(
        self, path: Path, limit_bytes: int, *, shared: bool, descriptors: tuple[int, ...] = (STDOUT, STDERR)
    ) -> None:
        self._path = path
        self._limit_bytes = limit_bytes
        self._shared = shared
        self._numbers = [number for number in descriptors if _is_ours(number, path)]

    def bound(self) -> None:
        """Keep the newer half once it has outgrown its limit. One that was rotated away stays whole."""
        for number in self._numbers:
            with contextlib.suppress(OSError):
                status = os.fstat(number)
                if status.st_size > self._limit_bytes and (not status.st_nlink or is_named(number, self._path)):
                    _keep(number, newest_lines(number, self._limit_bytes // 2))

    def reopen(self) -> None:
        """Write on to whatever file has the log's name now. For log rotation."""
        if not self._numbers:
            return
        try:
            descriptor = open_log(self._path, shared=self._shared, keep_mode=True)
        except DirectoryUnusable as exc:
            log.warning("%s; the log goes on in the file that was open", exc.message)
            return
        for number in self._numbers:
            os.dup2(descriptor, number)
        os.close(descriptor)


def _is_ours(number: int, path: Path) -> bool:
    """Whether descriptor `number` is the file at `path`, opened as open_log does."""
    try:
        return bool(is_named(number, path)) and is_opened_with(number, _LOG_FLAGS)
    except OSError:  # it is closed
        return False


def _keep(number: int, newest: bytes) -> None:
    """Cut the file of descriptor `number` to these lines, in place."""
    os.ftruncate(number, 0)
    write_all(number, newest)
