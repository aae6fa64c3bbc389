"""The read side: find, follow and wait for events. It meets the listener only in the format of its files.

`source` is everywhere a state directory, whose rotated files are read as one with the events file, or one events file
alone; None is the directory that the environment names, else the default one. No `.env` is read.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from videodb_listen.environment import Environment, variables
from videodb_listen.errors import TimedOut
from videodb_listen.paths import Layout
from videodb_listen.presence import read_state
from videodb_listen.reader import query
from videodb_listen.reader.follow import Follow
from videodb_listen.reader.history import History
from videodb_listen.reader.query import ANY, Where, select
from videodb_listen.reader.reader import Reader
from videodb_listen.reader.seek import Run, read_since
from videodb_listen.units import format_duration

__all__ = ["Where", "follow", "query", "read_events", "wait_for"]

Source = str | os.PathLike[str] | None


def read_events(source: Source = None, where: Where = ANY, *, since: float | None = None) -> Iterator[dict[str, Any]]:
    """The events that are there now and satisfy `where`, oldest first; lines that are no JSON objects are left out.

    `since` is a time in unix seconds, None for all. Raises OSError when a file cannot be read.
    """
    with Reader(History(_path(source))) as reader:
        blocks = reader.blocks() if since is None else read_since(reader, _run(source), since)
        for block in blocks:
            for _, event in select(block.data, _wanted(where, since)):
                yield event


def follow(source: Source = None, where: Where = ANY, *, since: float | None = None) -> Follow:
    """The events that satisfy `where` as they come, for ever: to be looped over by `for` or by `async for`.

    `since` is a time in unix seconds: what came between then and now comes first; None: only what comes from now on.
    Close it, or use it as a context manager, to let go of the file. Raises OSError when a file cannot be read.
    """
    reader = Reader(History(_path(source)))
    backlog = None if since is None else read_since(reader, _run(source), since)
    following = Follow(reader, _wanted(where, since), backlog)
    if backlog is None:
        reader.jump(reader.history.end())
    return following


def wait_for(
    where: Where, source: Source = None, *, since: float | None = None, timeout_s: float | None = None
) -> dict[str, Any]:
    """The first event that satisfies `where`, waiting for it at most `timeout_s` seconds (None: for ever).

    `since` is a time in unix seconds, None for now. Raises TimedOut, and OSError when a file cannot be read.
    """
    deadline = float("inf") if timeout_s is None else time.monotonic() + timeout_s
    with follow(source, where, since=since) as following:
        while (event := following.poll(deadline - time.monotonic())) is None:
            if time.monotonic() >= deadline:
                raise TimedOut(f"no such event within {format_duration(timeout_s or 0)}", fix="wait longer")
        return event


def _path(source: Source) -> Path:
    return Path(source) if source else Environment(variables()).layout(None).directory


def _run(source: Source) -> Run | None:
    return Run.of(read_state(Layout(_path(source))))


def _wanted(where: Where, since: float | None) -> Where:
    return where if since is None else query.since(since) & where
