"""An event as a line for people: when, what, on which stream, in which words. Times are local."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache

from videodb_listen.event import (
    Event,
    channel_of,
    final_of,
    name_of,
    received_of,
    stream_name_of,
    stream_of,
    text_of,
)
from videodb_listen.text import shorten, visible

COLOURS = {
    "transcript": "green",
    "visual_index": "cyan",
    "audio_index": "blue",
    "alert": "red",
    "capture_session": "magenta",
}
"""Of each channel, by the names that terminals and style sheets share; another channel has none."""

DIM = "dim"
"""How interim words are shown."""

Paint = Callable[[str, str], str]
"""From a text and one of COLOURS or DIM to the text in that style."""

_NAME_COLUMNS, _LONG_NAME_COLUMNS, _STREAM_COLUMNS, _LEAST_TEXT_COLUMNS = 16, 28, 20, 10


def line(event: Event) -> str:
    """One line, as long as it takes."""
    return " ".join(_cells(event)).rstrip()


def row(event: Event, columns: int, paint: Paint = lambda text, _: text) -> str:
    """A row of aligned cells, cut to `columns`, without the date."""
    when, name, stream, words = _cells(event)
    name = shorten(name, _LONG_NAME_COLUMNS).ljust(_NAME_COLUMNS)
    stream = shorten(stream, _STREAM_COLUMNS).ljust(_STREAM_COLUMNS)
    clock = when[11:].rjust(8)
    text = shorten(words, max(_LEAST_TEXT_COLUMNS, columns - len(f"{clock} {name} {stream} ")))
    colour = COLOURS.get(channel_of(event))
    painted = paint(name, colour) if colour else name
    return f"{clock} {painted} {stream} {paint(text, DIM) if final_of(event) is False else text}"


def _cells(event: Event) -> tuple[str, str, str, str]:
    channel, words = channel_of(event), text_of(event)
    name = name_of(event) if channel == "capture_session" else channel
    stream = stream_name_of(event) or stream_of(event) or "-"
    return _local(received_of(event)), visible(name), visible(stream), visible(words if words != name else "")


def _local(moment_s: float | None) -> str:
    return "-" if moment_s is None else _local_second(int(moment_s))


@lru_cache(maxsize=4)  # neighbours share their second
def _local_second(second: int) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
    except (ValueError, OverflowError, OSError):
        return str(second)
