"""Which directory, and the name of every file in it. Nothing here touches a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """The files of one listener, all in `directory`."""

    directory: Path

    @property
    def events(self) -> Path:
        """Exactly the events that the server sent, one a line."""
        return self.directory / "videodb_events.jsonl"

    @property
    def ws_id(self) -> Path:
        """The live connection id, no newline; absent while there is none."""
        return self.directory / "videodb_ws_id"

    @property
    def pid(self) -> Path:
        """The daemon's process id, no newline. For people: the lock decides who owns the directory."""
        return self.directory / "videodb_ws_pid"

    @property
    def state(self) -> Path:
        """One JSON object about the daemon; stays after its exit."""
        return self.directory / "videodb_ws_state.json"

    @property
    def journal(self) -> Path:
        """The connection journal: one JSON object a line, appended."""
        return self.directory / "videodb_ws_connections.jsonl"

    @property
    def lock(self) -> Path:
        """Empty; flock(2) on it is ownership. Never unlinked: a second file would mean a second owner."""
        return self.directory / "videodb_ws.lock"

    @property
    def log(self) -> Path:
        """stdout and stderr of a daemon that `start` detached."""
        return self.directory / "videodb_ws.log"

    def generation(self, stamp: str) -> Path:
        """An events file that was set aside by rotation; `stamp` is the UTC time of that."""
        return self.directory / f"videodb_events.{stamp}.jsonl"

    def torn(self, stamp: str) -> Path:
        """Where a fragment that a crash left is kept; `stamp` is the UTC time of the repair."""
        return self.directory / f"videodb_events.torn.{stamp}"


def state_directory(chosen: str | None, environ: Mapping[str, str]) -> Path:
    """The directory: `chosen`, else ${XDG_STATE_HOME:-$HOME/.local/state}/videodb, on every platform.

    `chosen` is what the command line, $VIDEODB_EVENTS_DIR or a `.env` names; a `~/` that no shell expanded is taken for
    $HOME. None and empty variables count as unset.
    """
    if chosen:
        return _home(environ) / chosen[2:] if chosen.startswith("~/") else Path(chosen)
    state_home = environ.get("XDG_STATE_HOME")
    return (Path(state_home) if state_home else _home(environ) / ".local" / "state") / "videodb"


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME") or Path.home())
