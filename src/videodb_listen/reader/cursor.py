"""Named cursors: how far somebody has read, kept in `cursors/NAME.json` of the state directory."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from videodb_listen.reader.history import Place
from videodb_listen.reader.named import Named

VERSION = 1
MAX_OFFSET = (1 << 63) - 1  # what the kernel counts with


class Cursor:
    """One named cursor. Two readers of one name take turns: `held` is for one process at a time."""

    def __init__(self, directory: Path, name: str) -> None:
        """Raise ConfigurationError when `name` is no name."""
        self._file = Named(directory, "cursor", name)
        self.held = self._file.held

    def __repr__(self) -> str:
        return f"<Cursor {self._file.path}>"

    def load(self) -> Place:
        """Where it stands; the beginning when it is new. Raises DirectoryUnusable when the file is no cursor."""
        match self._file.load(new=dataclasses.asdict(Place())):
            case {"after": str() | None as after, "head": str() | None as head, "offset": int(offset)} if (
                0 <= offset <= MAX_OFFSET
            ):
                return Place(after, head, offset)
        raise self._file.damaged()

    def save(self, place: Place) -> None:
        """Move to `place`: the file is replaced whole, and synced. Raises DirectoryUnusable."""
        self._file.save({"version": VERSION, **dataclasses.asdict(place)})
