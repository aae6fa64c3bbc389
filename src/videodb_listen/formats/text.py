"""An event as a line for people: when, what, on which stream, in which words. Times are local.

`names` are those of streams by their ids: the service spells the name of one stream in several ways, or leaves it out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import lru_cache

from videodb_listen.event import (
    Event,
    channel_of,
    final_of,
    link_of,
    name_of,
    received_of,
    seconds,
    stream_name_of,
    stream_names_in,
    stream_of,
    streams_in,
    text_of,
)
from videodb_listen.text import shorten, visible
from videodb_listen.units import format_duration

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

_NO_NAMES: Mapping[str, str] = {}

_NAME_COLUMNS, _LONG_NAME_COLUMNS, _STREAM_COLUMNS, _LEAST_TEXT_COLUMNS = 16, 28, 20, 10

_REASONS = {
    "lost": "the connection was lost",
    "stopped": "the listener was stopped",
    "crashed": "the listener crashed",
}


def plain(text: str, _style: str) -> str:
    """`text` in no style at all."""
    return text


def line(event: Event, paint: Paint = plain, names: Mapping[str, str] = _NO_NAMES) -> str:
    """One line, as long as it takes."""
    when, name, stream, words = _cells(event, names)
    return f"{when} {_named(event, name, paint)} {stream} {_spoken(event, words, paint)}".rstrip()


def row(event: Event, columns: int, paint: Paint = plain, names: Mapping[str, str] = _NO_NAMES) -> str:
    """A row of aligned cells, cut to `columns`, without the date."""
    when, name, stream, words = _cells(event, names)
    name = shorten(name, _LONG_NAME_COLUMNS).ljust(_NAME_COLUMNS)
    stream = shorten(stream, _STREAM_COLUMNS).ljust(_STREAM_COLUMNS)
    clock = when[11:].rjust(8)
    text = shorten(words, max(_LEAST_TEXT_COLUMNS, columns - len(f"{clock} {name} {stream} ")))
    return f"{clock} {_named(event, name, paint)} {stream} {_spoken(event, text, paint)}"


def mark(gap: Event, paint: Paint = plain, *, dated: bool = True) -> str:
    """The line between events where nobody listened; `gap` is its record, with `from_unix_ts` and the rest of them."""
    begin, end = seconds(gap.get("from_unix_ts")), seconds(gap.get("to_unix_ts"))
    why = _REASONS.get(str(gap.get("reason")), "a gap")
    lasted = "" if begin is None or end is None else f" for {format_duration(max(0.0, end - begin))}"
    said = f"-- {why}: nobody listened{lasted} from {_local(begin)[11:]} on; the id is {gap.get('new_ws_id')} now --"
    return paint(f"{_local(end) if dated else _local(end)[11:].rjust(8)} {visible(said)}", DIM)


def _cells(event: Event, names: Mapping[str, str]) -> tuple[str, str, str, str]:
    channel = channel_of(event)
    name = name_of(event) if channel == "capture_session" else channel
    own = stream_of(event)
    stream = (own and names.get(own)) or stream_name_of(event) or own or "-"
    return _local(received_of(event)), visible(name), visible(stream), visible(_words(event, name, names))


def _words(event: Event, name: str, names: Mapping[str, str]) -> str:
    """Its text, the streams that it lists and where it can be seen; without the `name`, which stands there already."""
    text = text_of(event)
    if text in (name, name.partition(".")[2]):
        text = ""
    known = {**stream_names_in(event), **names}
    streams = ", ".join(known.get(stream, stream) for stream in streams_in(event))
    return "  ".join(filter(None, (text.removeprefix(f"{name}: "), streams, link_of(event))))


def _named(event: Event, name: str, paint: Paint) -> str:
    colour = COLOURS.get(channel_of(event))
    return paint(name, colour) if colour else name


def _spoken(event: Event, words: str, paint: Paint) -> str:
    return paint(words, DIM) if words and final_of(event) is False else words


def _local(moment_s: float | None) -> str:
    return "-" if moment_s is None else _local_second(int(moment_s))


@lru_cache(maxsize=4)  # neighbours share their second
def _local_second(second: int) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
    except (ValueError, OverflowError, OSError):
        return str(second)
