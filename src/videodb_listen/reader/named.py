"""What somebody with a name left off at: one small file a name, replaced whole, with a lock beside it."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import orjson

from videodb_listen.errors import ConfigurationError, DirectoryUnusable
from videodb_listen.system import files, locks

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class Named:
    """The file of one name among those of a `kind`: `cursors/NAME.json` for a cursor."""

    def __init__(self, directory: Path, kind: str, name: str) -> None:
        """Raise ConfigurationError when `name` is no name: letters, digits, '_', '.' and '-', at most 64."""
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"{name!r} is no name for a {kind}", fix="use at most 64 letters, digits, '_', '.' and '-'"
            )
        self._kind = kind
        self.path = directory / f"{kind}s" / f"{name}.json"

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep others of this name out for the length of the block. Raises DirectoryUnusable."""
        with self._explained():
            files.make_private_directory(self.path.parent)
            descriptor = files.open_private(self.path.with_suffix(".lock"), os.O_RDWR, shared=False)
        try:
            locks.wait_for(descriptor)
            yield
        finally:
            os.close(descriptor)

    def load(self, new: Any = None) -> Any:
        """The JSON that is there, `new` when nothing is. Raises DirectoryUnusable when it is no JSON."""
        with self._explained():
            try:
                return orjson.loads(files.read(self.path))
            except FileNotFoundError:
                return new
            except orjson.JSONDecodeError:
                raise self.damaged() from None

    def save(self, content: dict[str, Any]) -> None:
        """Replace the file whole, and sync it. Raises DirectoryUnusable."""
        with self._explained():
            files.replace(self.path, orjson.dumps(content) + b"\n", alone=True, synced=True)

    def damaged(self) -> DirectoryUnusable:
        """What to raise for content that is none of this kind."""
        return DirectoryUnusable(
            f"{self.path} is not a {self._kind}", fix="remove it to read from the beginning of the file again"
        )

    def _explained(self) -> AbstractContextManager[None]:
        return files.explained(self.path, fix=f"check the directory `{self._kind}s`")
