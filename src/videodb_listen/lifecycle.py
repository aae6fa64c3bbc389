"""The states of a capture session, as a table.

Pure. The table is that of the capture reference ("Session Lifecycle"). The service may know more states than it: one
that is not in the table is passed through, it never is an error, and nothing is concluded from it.
"""

from __future__ import annotations

NEXT: dict[str, str | None] = {
    "created": "starting",
    "starting": "active",
    "active": "stopping",
    "stopping": "stopped",
    "stopped": "exported",
    "exported": None,
}
"""The state that follows when all goes well, None when none does. `stopped` is the last one if nothing was stored."""

FAILED = "failed"
"""Follows any state that is not terminal, and is not on the way to any other."""

STATES = (*NEXT, FAILED)
TERMINAL = frozenset({"exported", FAILED})
ENDS = TERMINAL | {"stopped"}
"""Nothing more is recorded after these."""

_EVENT = "capture_session."
_ORDER = {state: place for place, state in enumerate(NEXT)}


def event_name(state: str) -> str:
    """The event that announces `state`: `capture_session.active`."""
    return _EVENT + state


def state_in(name: str) -> str | None:
    """The state that the event `name` announces, None when it is no event of a session."""
    return name.removeprefix(_EVENT) if name.startswith(_EVENT) and name != _EVENT else None


def may_follow(before: str, after: str) -> bool:
    """Whether `after` can come next; True when either state is unknown, since then the table does not say."""
    if before not in STATES or after not in STATES:
        return True
    return after == NEXT.get(before) or (after == FAILED and before not in TERMINAL)


def may_come(state: str, wanted: str) -> bool:
    """Whether a session in `state` may get to `wanted` yet; True when a state is unknown: then nobody can tell."""
    if wanted == FAILED or not {state, wanted} <= _ORDER.keys():
        return state not in TERMINAL
    return _ORDER[wanted] > _ORDER[state]


def reached(state: str | None, wanted: str) -> bool:
    """Whether a session in `state` is, or has been, in `wanted`. None: the state is not known.

    Who looks now and then sees only some of the states: a session that is `stopped` has been `active`.
    """
    if state in _ORDER and wanted in _ORDER:
        return _ORDER[state] >= _ORDER[wanted]
    return state == wanted
