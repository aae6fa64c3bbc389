"""Who holds a state directory, and in what state: the read side of the daemon's files.

The lock is the truth: the kernel drops it with the process, however that ends. The state file says the rest.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from videodb_listen.errors import DirectoryUnusable
from videodb_listen.paths import Layout
from videodb_listen.system import files, locks, processes

STATE_VERSION = 1

PUBLISHED_WITHIN_S = 2.0
"""How old what the state file says may be: it is written at most once a second."""


@dataclass
class State:
    """`videodb_ws_state.json`. Times are unix seconds; None means: not yet, or not now."""

    version: int = STATE_VERSION
    phase: str = "starting"
    pid: int | None = None
    started_unix_ts: float | None = None
    ws_id: str | None = None
    connected_unix_ts: float | None = None
    last_event_unix_ts: float | None = None
    last_pong_unix_ts: float | None = None
    latency_ms: float | None = None
    connects: int = 0
    events: int = 0
    bytes: int = 0
    gaps: int = 0
    dropped_previews: int = 0
    error: str | None = None
    run_after: str | None = None  # the newest generation when this run began
    run_from: int | None = None  # where in the events file behind it the run began (bytes); stamps ascend from there
    pid_namespace: int | None = None  # where `pid` means that process; None where there are no namespaces
    stale_after_s: float = 40.0  # age at which the last pong no longer proves a connection


@dataclass(frozen=True)
class Presence:
    """What one look at `directory` says.

    `state` is None when no listener ever published one there, or when the one that holds the lock has not yet.
    """

    directory: Path
    held: bool
    state: State | None
    looked_unix_ts: float

    @property
    def phase(self) -> str:
        """The phase that the files name, corrected by the lock: a free lock under a live phase is `crashed`."""
        if self.state is None:
            return "starting" if self.held else "stopped"
        if not self.held:
            return "stopped" if self.state.phase == "stopped" else "crashed"
        if self.state.phase == "connected" and not self.connected:
            return "reconnecting"
        return "starting" if self.state.phase == "stopped" else self.state.phase

    @property
    def connected(self) -> bool:
        """Whether a live connection is proven: phase `connected`, and a pong, event or hello that is not too old."""
        state = self.state
        if not self.held or state is None or state.phase != "connected":
            return False
        proof = max(state.last_pong_unix_ts or 0.0, state.last_event_unix_ts or 0.0, state.connected_unix_ts or 0.0)
        return self.looked_unix_ts - proof <= state.stale_after_s + PUBLISHED_WITHIN_S

    @property
    def ending(self) -> bool:
        """Whether a listener is on its way out: it holds the lock a little longer and will not connect again."""
        return self.held and self.state is not None and self.state.phase in ("stopping", "stopped")

    def as_dict(self) -> dict[str, Any]:
        """The state file's object, corrected by what the lock and the last pong say, and what they say: one shape."""
        state = dataclasses.asdict(self.state or State())
        return {
            **state,
            "phase": self.phase,
            "ws_id": state["ws_id"] if self.connected else None,
            "running": self.held,
            "connected": self.connected,
            "directory": str(self.directory),
        }


def look(layout: Layout, now_s: float) -> Presence:
    """The presence in `layout` at `now_s` (unix seconds). Needs no rights beyond reading; changes nothing.

    A state that a crash left is not taken for that of the next listener, which holds the lock before it says anything.
    Raises what is_held raises.
    """
    held = is_held(layout)
    state = read_state(layout)
    if held and state is not None and not is_of_holder(state, layout):
        state = None
    return Presence(layout.directory, held, state, now_s)


def live_id(layout: Layout, now_s: float) -> str | None:
    """The id of the connection that stands in `layout` at `now_s` (unix seconds), None while none does.

    Raises what is_held raises.
    """
    return read_ws_id(layout) if look(layout, now_s).connected else None


def is_held(layout: Layout) -> bool:
    """Whether some listener owns the directory. Raises DirectoryUnusable when we may not ask."""
    try:
        return locks.is_taken(layout.lock)
    except OSError as exc:
        raise DirectoryUnusable(
            f"cannot tell whether a listener runs: {layout.lock}: {exc.strerror}",
            fix="run it as the user who started the listener" if exc.errno in _FORBIDDEN else "name another directory",
        ) from None


def is_of_holder(state: State, layout: Layout) -> bool:
    """Whether `state` was published by the process that holds the lock, as far as we can tell.

    From another pid namespace, as in a container beside the listener's, we cannot: its pid means nothing here.
    """
    if state.pid_namespace is not None and state.pid_namespace != processes.pid_namespace():
        return True
    return state.pid is not None and holds_lock(state.pid, layout)


def holds_lock(pid: int, layout: Layout) -> bool:
    """Whether process `pid` has the lock file open, as only a listener of this directory has.

    A pid file alone proves nothing: after a crash its number may have gone to somebody else. Where the system does not
    tell, the answer is True: the pid file is all there is.
    """
    return processes.has_open(pid, layout.lock) is not False


def read_state(layout: Layout) -> State | None:
    """The published state, None when there is none or it cannot be understood. Unknown fields are ignored."""
    try:
        content = orjson.loads(files.read(layout.state))
    except (OSError, orjson.JSONDecodeError):
        return None
    if not isinstance(content, dict):
        return None
    known: dict[str, Any] = {entry.name: content[entry.name] for entry in _FIELDS if entry.name in content}
    return State(**known)


def read_pid(layout: Layout) -> int | None:
    """The process id in the pid file, None when there is none or it is no number."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(files.read(layout.pid))
        return pid if pid > 0 else None  # 0 and negative numbers would signal whole groups
    return None


def read_ws_id(layout: Layout) -> str | None:
    """The connection id in the id file, None when there is none, or what no listener can have put there."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        text = files.read(layout.ws_id).decode("ascii").strip()
        return text if text.isprintable() and " " not in text and text else None
    return None


_FIELDS = dataclasses.fields(State)
_FORBIDDEN = (errno.EACCES, errno.EPERM)
