"""Keeps the VideoDB event WebSocket open and appends every event to a JSONL file.

    from videodb_listen import follow, query, read_events, wait_for

    for event in read_events(where=query.channel("transcript") & query.final()):
        print(event["data"]["text"])

The names are loaded when they are first used: every command imports this package, and few of them read events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from videodb_listen.version import __version__

if TYPE_CHECKING:
    from videodb_listen.events import Where, follow, query, read_events, wait_for

__all__ = ["Where", "__version__", "follow", "query", "read_events", "wait_for"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from videodb_listen import events

    return getattr(events, name)
