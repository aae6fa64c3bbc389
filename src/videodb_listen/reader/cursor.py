"""Named cursors: how far somebody has read, kept in `cursors/NAME.json` of the state directory."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import orjson

from videodb_listen.errors import ConfigurationError, DirectoryUnusable
from videodb_listen.reader.history import Place
from videodb_listen.system import files, locks

VERSION = 1
MAX_OFFSET = (1 << 63) - 1  # what the kernel counts with
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
            files.make_private_directory(self._path.parent)
            descriptor = files.open_private(self._path.with_suffix(".lock"), os.O_RDWR, shared=False)
        try:
            locks.wait_for(descriptor)
            yield
        finally:
            os.close(descriptor)

    def load(self) -> Place:
        """Where it stands; the beginning when it is new. Raises DirectoryUnusable when the file is no cursor."""
        with self._explained():
            try:
                content = orjson.loads(files.read(self._path))
            except FileNotFoundError:
                return Place()
            except ValueError:
                content = None
        match content:
            case {"after": str() | None as after, "head": str() | None as head, "offset": int(offset)} if (
                0 <= offset <= MAX_OFFSET
            ):
                return Place(after, head, offset)
        raise DirectoryUnusable(
            f"{self._path} is not a cursor", fix="remove it to read from the beginning of the file again"
        )

    def save(self, place: Place) -> None:
        """Move to `place`: the file is replaced whole, and synced. Raises DirectoryUnusable."""
        content = orjson.dumps({"version": VERSION, **dataclasses.asdict(place)}) + b"\n"
        with self._explained():
            files.replace(self._path, content, alone=True, synced=True)

    def _explained(self) -> AbstractContextManager[None]:
        return files.explained(self._path, fix="check the directory `cursors`")
