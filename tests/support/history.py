"""A history that a test writes by hand, as a listener and those who tidy up would."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field
from pathlib import Path

from videodb_listen.paths import Layout
from videodb_listen.reader.losses import Break, Losses

NOW_S = 1_772_446_530.123


def line(number: int, channel: str = "transcript", **more: object) -> bytes:
    """Return a line whose stamps ascend with its number, a second apart."""
    event = {"ts": "2026-03-02T10:15:30.123Z", "unix_ts": NOW_S + number, "channel": channel, "n": number, **more}
    return json.dumps(event, separators=(",", ":")).encode() + b"\n"


@dataclass
class Heard(Losses):
    """Keeps what it is told."""

    restarts: list[str] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    breaks: list[Break] = field(default_factory=list)

    def restarted(self, why: str) -> None:
        self.restarts.append(why)

    def damaged(self, line: bytes) -> None:
        self.lines.append(line)

    def broken(self, at: Break) -> None:
        self.breaks.append(at)


@dataclass
class HandMade:
    """A state directory, and the lines that were written into it, numbered from 0."""

    directory: Path
    written: int = 0
    stamps: list[str] = field(default_factory=list)

    @property
    def events(self) -> Path:
        return Layout(self.directory).events

    def append(self, count: int = 1, **more: object) -> None:
        """Write the next `count` lines."""
        with self.events.open("ab") as file:
            file.write(b"".join(line(self.written + n, **more) for n in range(count)))  # type: ignore[arg-type]
        self.written += count

    def rotate(self) -> None:
        """Set the events file aside, and begin a new one."""
        stamp = f"20260302T101530.{len(self.stamps):03d}Z"
        self.stamps.append(stamp)
        self.events.rename(Layout(self.directory).generation(stamp))
        self.events.touch()

    def compress(self) -> None:
        """Compress every generation but the newest."""
        for stamp in self.stamps[:-1]:
            plain = Layout(self.directory).generation(stamp)
            if plain.exists():
                plain.with_name(plain.name + ".gz").write_bytes(gzip.compress(plain.read_bytes()))
                plain.unlink()

    def clear(self) -> None:
        """Truncate the events file in place."""
        with self.events.open("r+b") as file:
            file.truncate()

    def replace(self) -> None:
        """Delete the events file and begin a new one."""
        self.events.unlink(missing_ok=True)
        self.events.touch()
