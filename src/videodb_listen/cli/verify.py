"""`verify`: whether everything that was recorded can still be read."""

from __future__ import annotations

import click

from videodb_listen.cli.output import labelled, print_object, print_screen
from videodb_listen.cli.reading import with_recording
from videodb_listen.cli.render import json_option
from videodb_listen.reader.damage import DAMAGE, NOTED, Spot
from videodb_listen.reader.recording import Recording
from videodb_listen.reader.verify import Report
from videodb_listen.units import format_size

_DAMAGED = 1  # the exit status


@click.command()
@with_recording()
@json_option
def verify(recording: Recording, as_json: bool) -> None:
    """Look at every line of every file, changing nothing; exit 0 when all is whole, 1 when there is damage.

    Damage is what was recorded and cannot be read any more, and events out of order within the last run. Whatever else
    is odd is shown, too. A line that a running listener has not finished yet is neither.

    \b
    videodb-listen verify || videodb-listen verify --json | jq '.damage[]'
    """
    report = recording.verify()
    if as_json:
        print_object(report.as_dict())
    else:
        print_screen(_screen(report, str(recording.directory)))
    if report.damaged:
        raise click.exceptions.Exit(_DAMAGED)


def _screen(report: Report, directory: str) -> list[str]:
    """What was found, each in a row, and the summary last."""
    gaps, recovered, lost = (report.journal.counts[kind] for kind in ("gap", "recovered", "unrecoverable"))
    unlisted = report.damaged - len(report.damage)
    rows = [
        ("directory", directory),
        ("events", f"{report.events} ({format_size(report.bytes)}), files: {report.files}"),
        ("gaps", f"{gaps}, recovered: {recovered}, unrecoverable: {lost}" if gaps else "none"),
        ("fragments", f"{report.fragments} ({format_size(report.fragment_bytes)})" if report.fragments else None),
        ("unfinished", "a last line is being written" if report.tails else None),
        *(("noted", f"{report.counts[kind]} x, first: {_spot_text(spot)}") for kind, spot in report.noted.items()),
        *(("damage", _spot_text(spot)) for spot in report.damage),
        ("damage", f"and {unlisted} more" if unlisted else None),
    ]
    verdict = f"damaged: {report.damaged}" if report.damaged else "whole"
    return [*labelled(rows), f"{verdict}, events that can be read: {report.events}"]


def _spot_text(spot: Spot) -> str:
    says = (DAMAGE | NOTED)[spot.kind]
    return f"{spot.file}, line {spot.line} (byte {spot.offset}) {says}: {spot.excerpt}"
