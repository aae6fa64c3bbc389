"""Named cursors: how far somebody has read, kept in `cursors/NAME.json` of the state directory."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import orjson

from videodb_listen.errors import ConfigurationError, DirectoryUnusable
from videodb_listen.reader.history import Place

VERSION = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class Cursor:
    """One named cursor. Two readers of one name take turns: `held` is for one process at a time."""

    def __init__(self, directory: Path, name: str) -> None:
        """Raise ConfigurationError when `name` is no name: letters, digits, '_', '.' and '-', at most 64."""
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"{name!r} is no name for a cursor", fix="use at most 64 letters, digits, '_', '.' and '-'"
            )
        self._path = directory / "cursors" / f"{name}.json"

    def __repr__(self) -> str:
        return f"<Cursor {self._path}>"

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep other readers of this name out for the length of the block. Raises DirectoryUnusable."""
        with self._explained():
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            self._refuse_traps()
            descriptor = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _refuse_traps(self) -> None:
        """In a shared directory somebody may have made `cursors` before us, to have us write through what is in it."""
        status = self._path.parent.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise DirectoryUnusable(
                f"{self._path.parent} is not a directory of yours that nobody else can write to",
                fix="remove it, or use a directory of your own",
            )

    def load(self) -> Place:
        """Where it stands; the beginning when it is new. Raises DirectoryUnusable when the file is no cursor."""
        try:
            content = orjson.loads(self._path.read_bytes())
            return Place(content["after"], content["head"], int(content["offset"]))
        except FileNotFoundError:
            return Place()
        except (ValueError, KeyError, TypeError):
            raise DirectoryUnusable(
                f"{self._path} is not a cursor", fix="remove it to read from the beginning of the file again"
            ) from None
        except OSError as exc:
            raise self._unusable(exc) from None

    def save(self, place: Place) -> None:
        """Move to `place`: the file is replaced whole, and synced. Raises DirectoryUnusable."""
        content = orjson.dumps({"version": VERSION, **dataclasses.asdict(place)}) + b"\n"
        temporary = self._path.with_suffix(".tmp")
        with self._explained():
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with open(descriptor, "wb") as file:  # noqa: PTH123  # a descriptor, not a path
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            temporary.replace(self._path)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            raise self._unusable(exc) from None

    def _unusable(self, exc: OSError) -> DirectoryUnusable:
        return DirectoryUnusable(f"{exc.filename or self._path}: {exc.strerror}", fix="check the directory `cursors`")
