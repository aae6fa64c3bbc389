"""`stats` and `verify`: what is in the files, and whether it is whole."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click
import orjson

from videodb_listen import environment
from videodb_listen.cli.files import find_history, readable, write_out
from videodb_listen.cli.filters import filter_options, filters_of
from videodb_listen.cli.flags import directory_options
from videodb_listen.cli.render import for_stdout
from videodb_listen.paths import Layout
from videodb_listen.presence import read_state
from videodb_listen.reader.damage import DAMAGE, NOTED, Spot
from videodb_listen.reader.journal import Gap, Journal, read_journal
from videodb_listen.reader.seek import Run
from videodb_listen.reader.stats import Amount, Stats, measure, ranked
from videodb_listen.reader.verify import Report
from videodb_listen.reader.verify import verify as look_for_damage
from videodb_listen.text import shorten, visible
from videodb_listen.units import format_duration, format_size

_ROWS = 8
"""Of each kind on a screen; --json has them all."""

_NAME_COLUMNS = 36
_ALIGNMENT = "<>>><<<"  # of the columns of a table

_as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a screen.")


@click.command()
@directory_options
@filter_options
@_as_json
def stats(directory: str | None, cwd: str | None, as_json: bool, **options: Any) -> None:
    """Show how many events there are, how fast they came, and when none could.

    The rate counts the time from the first to the last event. The filters choose the events; of the gaps in the
    recording, those between --since and --until are shown.

    \b
    videodb-listen stats --since 1h
    videodb-listen stats --json | jq '.channels[] | {channel, rate_per_minute}'
    """
    layout = environment.read(cwd).layout(directory)
    until_s = options["until_s"]
    history = find_history(layout)
    with readable(layout.directory):
        chosen, run = filters_of(options, history), Run.of(read_state(layout))
        found = measure(history, chosen.where, since_s=chosen.since_s, run=run)
        journal = read_journal(layout.journal)
    gaps = [gap for gap in journal.gaps if gap.touches(chosen.since_s, until_s)]
    if as_json:
        write_out([for_stdout(orjson.dumps(_described_stats(found, gaps)) + b"\n")])
    else:
        click.echo("\n".join(_stats_screen(found, gaps, layout)))


@click.command()
@directory_options
@_as_json
def verify(directory: str | None, cwd: str | None, as_json: bool) -> None:
    """Look at every line of every file, changing nothing; exit 0 when all is whole, 1 when there is damage.

    Damage is what was recorded and cannot be read any more, and events out of order within the last run. Whatever else
    is odd is shown, too. A line that a running listener has not finished yet is neither.

    \b
    videodb-listen verify || videodb-listen verify --json | jq '.damage[]'
    """
    layout = environment.read(cwd).layout(directory)
    with readable(layout.directory):
        report = look_for_damage(find_history(layout), layout)
        journal = read_journal(layout.journal)
    if as_json:
        write_out([for_stdout(orjson.dumps(_described_report(report, journal)) + b"\n")])
    else:
        click.echo("\n".join(_report_screen(report, journal, layout)))
    if report.damaged:
        raise click.exceptions.Exit(1)  # the status of damage


def _described_stats(found: Stats, gaps: Sequence[Gap]) -> dict[str, Any]:
    def each(amounts: dict[str, Amount], key: str, label: str | None) -> list[dict[str, Any]]:
        return [
            {key: name}
            | ({label: amount.label} if label else {})
            | _described_amount(amount)
            | {"share": round(amount.events / found.total.events, 4)}
            for name, amount in ranked(amounts)
        ]

    return {
        **_described_amount(found.total),
        "damaged_lines": found.damaged,
        "channels": each(found.channels, "channel", None),
        "streams": each(found.streams, "stream", "name"),
        "sessions": each(found.sessions, "session", "state"),
        "gaps": _described_gaps(gaps),
    }


def _described_amount(amount: Amount) -> dict[str, Any]:
    rate = amount.rate_per_minute
    return {
        "events": amount.events,
        "bytes": amount.bytes,
        "first_unix_ts": amount.first_s,
        "last_unix_ts": amount.last_s,
        "rate_per_minute": None if rate is None else round(rate, 3),
    }


def _described_gaps(gaps: Sequence[Gap]) -> dict[str, Any]:
    def described(gap: Gap) -> dict[str, Any]:
        ids = {"old_ws_id": gap.old_ws_id, "new_ws_id": gap.new_ws_id}
        return {"from_unix_ts": gap.from_s, "to_unix_ts": gap.to_s, "duration_s": round(gap.duration_s, 3), **ids}

    return {
        "count": len(gaps),
        "total_s": round(sum((gap.duration_s for gap in gaps), 0.0), 3),
        "longest_s": round(max((gap.duration_s for gap in gaps), default=0.0), 3),
        "each": [described(gap) for gap in gaps],
    }


def _described_report(report: Report, journal: Journal) -> dict[str, Any]:
    return {
        "whole": report.damaged == 0,
        "files": report.files,
        "events": report.events,
        "bytes": report.bytes,
        "being_written": bool(report.tails),
        **{kind: report.counts[kind] for kind in (*DAMAGE, *NOTED)},
        "fragments": report.fragments,
        "fragment_bytes": report.fragment_bytes,
        "gaps": journal.counts["gap"],
        "gaps_recovered": journal.counts["recovered"],
        "gaps_unrecoverable": journal.counts["unrecoverable"],
        "damaged": report.damaged,
        "damage": [dataclasses.asdict(spot) for spot in report.damage],
        "noted": [dataclasses.asdict(spot) for spot in report.noted.values()],
    }


def _stats_screen(found: Stats, gaps: Sequence[Gap], layout: Layout) -> list[str]:
    """One screen for people; what is not there has no row."""
    total = found.total
    rate = total.rate_per_minute
    rows = [
        ("file", str(layout.events)),
        ("events", f"{total.events} ({format_size(total.bytes)})"),
        ("first", _when(total.first_s)),
        ("last", _when(total.last_s)),
        ("rate", None if rate is None else f"{rate:.1f} a minute"),
        ("gaps", _gaps_text(gaps)),
        ("damage", f"lines that are no events: {found.damaged}; see videodb-listen verify" if found.damaged else None),
    ]
    return [
        *_labelled(rows),
        *_table("channel", "", found.channels, total.events),
        *_table("stream", "name", found.streams, total.events),
        *_table("session", "state", found.sessions, total.events),
    ]


def _table(title: str, label: str, amounts: dict[str, Amount], total_events: int) -> list[str]:
    """An empty line, a header and a row for each of the most frequent; nothing for no amounts."""
    if not amounts:
        return []
    rows = [(title, "events", "share", "a minute", "first", "last", label)]
    for name, amount in ranked(amounts)[:_ROWS]:
        rate = amount.rate_per_minute
        rows.append(
            (
                shorten(visible(name), _NAME_COLUMNS),
                str(amount.events),
                f"{amount.events / total_events:.0%}",
                "-" if rate is None else f"{rate:.1f}",
                _when(amount.first_s) or "-",
                _when(amount.last_s) or "-",
                shorten(visible(amount.label or ""), _NAME_COLUMNS),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    places = [f"{{:{side}{width}}}" for side, width in zip(_ALIGNMENT, widths, strict=True)]
    lines = ["  ".join(places).format(*row).rstrip() for row in rows]
    unlisted = len(amounts) - _ROWS
    return ["", *lines, *([f"and {unlisted} more: see --json"] if unlisted > 0 else [])]


def _report_screen(report: Report, journal: Journal, layout: Layout) -> list[str]:
    """What was found, each in a row, and the summary last."""
    gaps, recovered, lost = (journal.counts[kind] for kind in ("gap", "recovered", "unrecoverable"))
    unlisted = report.damaged - len(report.damage)
    rows = [
        ("directory", str(layout.directory)),
        ("events", f"{report.events} ({format_size(report.bytes)}), files: {report.files}"),
        ("gaps", f"{gaps}, recovered: {recovered}, unrecoverable: {lost}" if gaps else "none"),
        ("set aside", f"{report.fragments} ({format_size(report.fragment_bytes)})" if report.fragments else None),
        ("unfinished", "a last line is being written" if report.tails else None),
        *(("noted", f"{report.counts[kind]} x, first: {_spot_text(spot)}") for kind, spot in report.noted.items()),
        *(("damage", _spot_text(spot)) for spot in report.damage),
        ("damage", f"and {unlisted} more" if unlisted else None),
    ]
    verdict = f"damaged: {report.damaged}" if report.damaged else "whole"
    return [*_labelled(rows), f"{verdict}, events that can be read: {report.events}"]


def _spot_text(spot: Spot) -> str:
    says = (DAMAGE | NOTED)[spot.kind]
    return f"{spot.file}, line {spot.line} (byte {spot.offset}) {says}: {spot.excerpt}"


def _labelled(rows: Sequence[tuple[str, str | None]]) -> list[str]:
    return [f"{label:<12}{visible(text)}" for label, text in rows if text]


def _gaps_text(gaps: Sequence[Gap]) -> str:
    if not gaps:
        return "none"
    total_s, longest = sum(gap.duration_s for gap in gaps), max(gaps, key=lambda gap: gap.duration_s)
    longest_text = f"{format_duration(longest.duration_s)} from {_when(longest.from_s)}"
    return f"{len(gaps)}, {format_duration(total_s)} in all, the longest {longest_text}"


def _when(moment_s: float | None) -> str | None:
    """`moment_s` (unix seconds) in local time; the number itself where no calendar has it."""
    if moment_s is None:
        return None
    try:
        return f"{datetime.fromtimestamp(moment_s).astimezone():%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return str(moment_s)
