"""What a reader cannot give back, and who is told of it.

Nothing is passed over without a word: a line that is no event, a file that ends where it breaks, a place that could not
be kept. Whoever reads decides what becomes of that; here is who is told when nobody decides.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Break:
    """A file that cannot be read behind `offset` (bytes, uncompressed), and why."""

    file: str
    offset: int
    why: str

    def __str__(self) -> str:
        return f"{self.file} cannot be read behind byte {self.offset}: {self.why}"


class Losses:
    """Is told of losses, and says nothing of them."""

    def restarted(self, why: str) -> None:
        """A place could not be kept: reading went on elsewhere."""

    def damaged(self, line: bytes) -> None:
        """`line` was looked at, and is no event."""

    def broken(self, at: Break) -> None:
        """A file could not be read to its end: reading goes on in the next."""

    def settle(self) -> None:
        """All that is there now was read: the time to say what was counted."""


class Logged(Losses):
    """For programs: a hole in what they read is a warning in the log."""

    def broken(self, at: Break) -> None:
        """Log it."""
        log.warning("%s", at)
