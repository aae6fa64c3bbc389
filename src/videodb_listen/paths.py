"""Which directory, and the name of every file in it. Nothing here touches a file."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from videodb_listen.errors import ConfigurationError

DIRECTORY_NAME = "VIDEODB_EVENTS_DIR"

_GENERATION = re.compile(r"videodb_events\.(\d{8}T\d{6}\.\d{3}Z)\.jsonl(?:\.gz)?", re.ASCII)


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
        """An events file that was rotated; `stamp` is the UTC time of that."""
        return self.directory / f"videodb_events.{stamp}.jsonl"

    @staticmethod
    def stamp_of(name: str) -> str | None:
        """The stamp in the name of a generation, compressed or not; None when `name` is no generation's.

        Strict: rotation removes what has such a name, and must not take a copy that somebody made by hand for one.
        Stamps sort as their generations came; none could come after one of the year 9999, so there is no such.
        """
        found = _GENERATION.fullmatch(name)
        if found and found[1] < "9999":
            with contextlib.suppress(ValueError):
                time_of_stamp(found[1])
                return found[1]
        return None

    def torn(self, stamp: str) -> Path:
        """Where a fragment that a crash left is kept; `stamp` is the UTC time of the repair."""
        return self.directory / f"videodb_events.torn.{stamp}"


def stamps_in(directory: Iterable[Path]) -> list[str]:
    """The stamps of all generations among these paths, oldest first; one that is there in both forms counts once."""
    return sorted({stamp for path in directory if (stamp := Layout.stamp_of(path.name))})


def stamp_at(at: datetime) -> str:
    """The stamp of a generation that is rotated `at` this time (UTC)."""
    return f"{at:%Y%m%dT%H%M%S}.{at.microsecond // 1000:03d}Z"


def time_of_stamp(stamp: str) -> datetime:
    """The time in the stamp of a generation. Raises ValueError when there is none."""
    return datetime.strptime(stamp, "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC)


def directory_in(environ: Mapping[str, str]) -> str | None:
    """The directory that the environment names, None when it names none; empty variables count as unset."""
    return environ.get("VIDEODB_LISTEN_DIR") or environ.get(DIRECTORY_NAME) or None


def state_directory(chosen: str | None, environ: Mapping[str, str]) -> Path:
    """The directory: `chosen`, else ${XDG_STATE_HOME:-$HOME/.local/state}/videodb, on every platform.

    `chosen` is what the command line, $VIDEODB_EVENTS_DIR or a `.env` names. None and empty variables count as unset,
    and so does an XDG_STATE_HOME that is not absolute (XDG Base Directory Specification). Raises ConfigurationError.
    """
    if chosen:
        return path_of(chosen, environ)
    state_home = Path(environ.get("XDG_STATE_HOME", ""))
    return (state_home if state_home.is_absolute() else _home(environ) / ".local" / "state") / "videodb"


def cache_directory(environ: Mapping[str, str]) -> Path:
    """Where programs keep what they can do without: ${XDG_CACHE_HOME:-$HOME/.cache}, as state_directory does."""
    cache_home = Path(environ.get("XDG_CACHE_HOME", ""))
    return cache_home if cache_home.is_absolute() else _home(environ) / ".cache"


def path_of(given: str, environ: Mapping[str, str]) -> Path:
    """The path that a person means by `given`: a `~` or `~user` in front that no shell expanded is a home directory.

    Every path that a person gives goes through here: an option, a variable, a line of a `.env`. A directory whose name
    begins with a tilde is `./~name`. Raises ConfigurationError for a home that is not known, and for a NUL.
    """
    if "\0" in given:
        raise ConfigurationError(f"the path {given!r} holds a NUL, which no file's name can", fix="correct the path")
    if not given.startswith("~"):
        return Path(given)
    user, *rest = Path(given).parts
    if user == "~":
        return _home(environ).joinpath(*rest)
    try:
        return Path(given).expanduser()
    except RuntimeError:
        raise ConfigurationError(f"no home directory is known for {user}", fix="write the path in full") from None


def _home(environ: Mapping[str, str]) -> Path:
    """$HOME, else what the account says; a relative one would be another directory in each working directory."""
    home = Path(environ.get("HOME", ""))
    if not home.is_absolute():
        home = _home_of_account() or home
    if home.is_absolute():
        return home
    raise ConfigurationError(
        "no home directory is known: HOME is not set, and this user has no account here",
        fix="set HOME, or name the directory with --dir or VIDEODB_EVENTS_DIR",
    )


def _home_of_account() -> Path | None:
    """The home directory in the account database, None when the user is not in it, as in many a container."""
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return None
