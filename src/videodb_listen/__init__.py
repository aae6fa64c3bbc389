"""Keeps the VideoDB event WebSocket open and appends every event to a JSONL file.

    from videodb_listen import Recording, follow, query, read_events, wait_for

    for event in read_events(where=query.channel("transcript") & query.final()):
        print(event["data"]["text"])

    print(Recording("./events").stats().as_dict())

    from videodb_listen import CaptureClient, connect

    session = connect().create_capture_session(end_user_id="user-1")

The names are loaded when they are first used: every command imports this package, and few of them read events or
record any.
"""

from __future__ import annotations

import importlib

from videodb_listen.version import __version__

TYPE_CHECKING = False  # as type checkers know it; to import it from `typing` takes longer than all the rest here
if TYPE_CHECKING:
    from typing import Any

    from videodb_listen.capture import CaptureClient, connect
    from videodb_listen.reader import Recording, Where, follow, query, read_events, wait_for

__all__ = [
    "CaptureClient",
    "Recording",
    "Where",
    "__version__",
    "connect",
    "follow",
    "query",
    "read_events",
    "wait_for",
]

_HOMES = dict.fromkeys(["CaptureClient", "connect"], "videodb_listen.capture")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES.get(name, "videodb_listen.reader")), name)
