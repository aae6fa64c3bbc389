"""Who holds a state directory, and in what state: the read side of the daemon's files.

The lock is the truth: the kernel drops it with the process, however that ends. The state file says the rest.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import time
from collections.abc import Callable
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
    proven_unix_ts: float | None = None  # when the connection last proved to live, by the machine's clock as it is now
    latency_ms: float | None = None
    connects: int = 0
    events: int = 0
    bytes: int = 0
    gaps: int = 0
    dropped_previews: int = 0
    error: str | None = None
    run_after: str | None = None  # the newest generation when this run began
    run_from: int | None = None  # where in the events file behind it the run began (bytes); stamps ascend from there
    pid_namespace: str | None = None  # where `pid` means that process; None where there are no namespaces
    stale_after_s: float = 40.0  # age at which the last pong no longer proves a connection
    listener_version: str | None = None  # of the program; None: of one that did not say so yet


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
        """Whether a live connection is proven: phase `connected`, and a proof of life that is not too old.

        One from the future is none: the clock was set back, and whoever gave it has not noticed, so it may be frozen.
        """
        state = self.state
        if not self.held or state is None or state.phase != "connected" or state.proven_unix_ts is None:
            return False
        return 0 <= self.looked_unix_ts - state.proven_unix_ts <= state.stale_after_s + PUBLISHED_WITHIN_S

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


def look(layout: Layout, clock: Callable[[], float] = time.time) -> Presence:
    """The presence in `layout` now (`clock` gives unix seconds). Needs no rights beyond reading; changes nothing.

    A state that a crash left is not taken for that of the next listener, which holds the lock before it says anything.
    Raises what is_held raises.
    """
    held = is_held(layout)
    state = read_state(layout)
    if held and state is not None and not is_of_holder(state, layout):
        state = None
    return Presence(layout.directory, held, state, clock())  # after it was read: no proof in it is of the future


def live_id(layout: Layout) -> str | None:
    """The id of the connection that stands in `layout` now, None while none does.

    Raises what is_held raises.
    """
    return read_ws_id(layout) if look(layout).connected else None


def is_held(layout: Layout) -> bool:
    """Whether some listener owns the directory. Raises DirectoryUnusable when we may not ask, or not believe."""
    try:
        return locks.is_taken(layout.lock)
    except OSError as exc:
        raise DirectoryUnusable(
            f"cannot tell whether a listener runs: {layout.lock}: {exc.strerror}",
            fix="run it as the user who started the listener" if exc.errno == errno.EACCES else _FIX,
        ) from None


def is_of_holder(state: State, layout: Layout) -> bool:
    """Whether `state` was published by the process that holds the lock, as far as we can tell.

    From another pid namespace, as in a container beside the listener's, or on another machine, we cannot: its pid means
    nothing here. Nor where the system does not tell what that process holds. Then it is believed.
    """
    if state.pid_namespace not in (None, processes.pid_namespace()):
        return True
    return state.pid is not None and locks.holds(state.pid, layout.lock) is not False


def holder(layout: Layout) -> int | None:
    """The process that is proven to hold the lock, None when none is: it may run where we cannot look.

    The pid file proves nothing: its number may be another process's by now, or mean one in another container.
    """
    return locks.holder(layout.lock, read_pid(layout))


def read_state(layout: Layout) -> State | None:
    """The published state, None when there is none or it cannot be understood.

    Fields that are unknown, or hold what they cannot, are ignored. Raises DirectoryUnusable when it is someone else's.
    """
    try:
        content = orjson.loads(_published(layout.state))
    except orjson.JSONDecodeError:
        return None
    if not isinstance(content, dict):
        return None
    return State(**{name: value for name, value in content.items() if _is_sound(name, value)})


def _is_sound(name: str, value: Any) -> bool:
    """Whether the field `name` of a state can hold `value`. Numbers count things, or seconds: none is below 0."""
    kind = _KINDS.get(name, "")
    if value is None:
        return kind.endswith(" | None")
    match kind.removesuffix(" | None"):
        case "str":
            return isinstance(value, str)
        case "int":
            return type(value) is int and 0 <= value <= _MOST
        case "float":
            return type(value) in (int, float) and 0 <= value <= _LATEST_S
    return False


def read_pid(layout: Layout) -> int | None:
    """The process id in the pid file, None when there is none or it is no number. Raises what read_state raises."""
    with contextlib.suppress(ValueError):
        pid = int(_published(layout.pid))
        return pid if pid > 0 else None  # 0 and negative numbers would signal whole groups
    return None


def read_ws_id(layout: Layout) -> str | None:
    """The connection id in the id file, None when there is none, or what no listener can have put there.

    Raises what read_state raises.
    """
    with contextlib.suppress(UnicodeDecodeError):
        text = _published(layout.ws_id).decode("ascii").strip()
        return text if text.isprintable() and " " not in text and text else None
    return None


def _published(path: Path) -> bytes:
    """What the file at `path` holds, nothing when it cannot be read."""
    try:
        return files.read(path)
    except OSError as exc:
        if exc.errno == errno.EPERM:
            raise DirectoryUnusable(f"{path} is not believed: {exc.strerror}", fix=_FIX) from None
    return b""


_KINDS = {entry.name: str(entry.type) for entry in dataclasses.fields(State)}
_MOST = 1 << 62
_LATEST_S = 253_402_300_799.0  # the end of the year 9999
_FIX = "name another directory"
