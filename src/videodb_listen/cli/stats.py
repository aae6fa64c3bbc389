"""`stats`: how many events there are, how fast they came, and when none could."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import click

from videodb_listen.cli.filters import Filters, filter_options
from videodb_listen.cli.output import labelled, print_object, print_screen
from videodb_listen.cli.reading import with_recording
from videodb_listen.cli.render import json_option
from videodb_listen.reader.journal import Gap, longest, total_s
from videodb_listen.reader.recording import Recording
from videodb_listen.reader.stats import Amount, Stats, ranked
from videodb_listen.text import shorten, visible
from videodb_listen.units import format_duration, format_size

_ROWS = 8
"""Of each kind on a screen; --json has them all."""

_NAME_COLUMNS = 36
_ALIGNMENT = "<>>><<<"  # of the columns of a table


@click.command()
@with_recording()
@filter_options
@json_option
def stats(recording: Recording, chosen: Filters, as_json: bool) -> None:
    """Show how many events there are, how fast they came, and when none could.

    The rate counts the time from the first to the last event. The filters choose the events; of the gaps in the
    recording, those between --since and --until are shown.

    \b
    videodb-listen stats --since 1h
    videodb-listen stats --json | jq '.channels[] | {channel, rate_per_minute}'
    """
    found = recording.stats(chosen.where, since=chosen.since_s, until=chosen.until_s)
    if as_json:
        print_object(found.as_dict())
    else:
        print_screen(_screen(found, str(recording.history.events)))


def _screen(found: Stats, file: str) -> list[str]:
    """One screen for people; what is not there has no row."""
    total = found.total
    rate = total.rate_per_minute
    rows = [
        ("file", file),
        ("events", f"{total.events} ({format_size(total.bytes)})"),
        ("first", _when(total.first_s)),
        ("last", _when(total.last_s)),
        ("rate", None if rate is None else f"{rate:.1f} a minute"),
        ("gaps", _gaps_text(found.gaps)),
        ("damage", f"lines that are no events: {found.damaged}; see videodb-listen verify" if found.damaged else None),
    ]
    return [
        *labelled(rows),
        *_table("channel", "", found.channels, total.events),
        *_table("stream", "name", found.streams, total.events),
        *_table("session", "state", found.sessions, total.events),
    ]


def _table(title: str, label: str, amounts: dict[str, Amount], total_events: int) -> list[str]:
    """An empty line, a header and a row for each of the most frequent; nothing for no amounts."""
    if not amounts:
        return []
    rows = [[title, "events", "share", "a minute", "first", "last", label]]
    rows += [_row(name, amount, total_events) for name, amount in ranked(amounts)[:_ROWS]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    places = [f"{{:{side}{width}}}" for side, width in zip(_ALIGNMENT, widths, strict=True)]
    unlisted = len(amounts) - _ROWS
    return [
        "",
        *("  ".join(places).format(*row).rstrip() for row in rows),
        *([f"and {unlisted} more: see --json"] if unlisted > 0 else []),
    ]


def _row(name: str, amount: Amount, total_events: int) -> list[str]:
    rate = amount.rate_per_minute
    return [
        shorten(visible(name), _NAME_COLUMNS),
        str(amount.events),
        f"{amount.events / total_events:.0%}",
        "-" if rate is None else f"{rate:.1f}",
        _when(amount.first_s) or "-",
        _when(amount.last_s) or "-",
        shorten(visible(amount.label or ""), _NAME_COLUMNS),
    ]


def _gaps_text(gaps: Sequence[Gap]) -> str:
    if (most := longest(gaps)) is None:
        return "none"
    of_most = f"{format_duration(most.duration_s)} from {_when(most.from_s)}"
    return f"{len(gaps)}, {format_duration(total_s(gaps))} in all, the longest {of_most}"


def _when(moment_s: float | None) -> str | None:
    """`moment_s` (unix seconds) in local time; the number itself where no calendar has it."""
    if moment_s is None:
        return None
    try:
        return f"{datetime.fromtimestamp(moment_s).astimezone():%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return str(moment_s)
