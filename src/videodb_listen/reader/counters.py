"""The counters of a listener, up to date: what it published a moment ago, and what has come into the file since.

The state file is written at most once a second. How many bytes of this run are in the files is known at once, how many
were published stands in the state: the difference is the end of the recording that is not counted yet. In its first
second a listener has not said where its run began; then what was received since its start is counted.
"""

from __future__ import annotations

from dataclasses import replace
from operator import itemgetter

from videodb_listen.event import received_of
from videodb_listen.presence import State
from videodb_listen.reader.blocks import Reader
from videodb_listen.reader.history import History, Place
from videodb_listen.reader.query import ANY, select, since
from videodb_listen.reader.run import Run

_MOST_BYTES, _MOST_AT_FIRST_BYTES = 64 << 20, 8 << 20
"""More than comes in a second: then files were moved about, and the difference means nothing."""


def up_to_date(state: State, history: History) -> State:
    """`state` with what is in `history` and not in its counters yet. Never more than there is. Raises OSError."""
    begins, size = history.begins()
    run = Run.of(state)
    if run is None:
        where, new_bytes = since(state.started_unix_ts or float("inf")), min(size, _MOST_AT_FIRST_BYTES)
    else:
        where, new_bytes = ANY, size - begins.get(run.after, size) - run.offset - state.bytes
    if not 0 < new_bytes <= _MOST_BYTES:
        return state
    after, begin = max(((a, b) for a, b in begins.items() if b <= size - new_bytes), key=itemgetter(1))
    fresh = replace(state)
    with Reader(history, Place(after, None, size - new_bytes - begin)) as reader:
        for block in reader.blocks():
            for line, event in select(block.data, where):
                fresh.events += 1
                fresh.bytes += len(line)
                fresh.last_event_unix_ts = received_of(event) or fresh.last_event_unix_ts
    return fresh
