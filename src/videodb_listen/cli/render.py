"""How one event is shown on stdout: the line as it stands, a row of CSV, a line for people."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from typing import Any

import click

from videodb_listen.cli.output import for_stdout, is_terminal
from videodb_listen.formats import csv, text
from videodb_listen.text import visible_json

FORMATS = ("text", "json", "csv")

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a screen.")
"""Of commands that show a screen."""

Render = Callable[[bytes, Mapping[str, Any]], bytes]
"""From a line and the event in it to what is printed for it."""


def format_option(default: str) -> Callable[..., Any]:
    """`--format`, one of FORMATS."""
    return click.option(
        "--format",
        "format",
        type=click.Choice(FORMATS),
        metavar="FORMAT",
        default=default,
        help=f"text, json (the line as it stands) or csv. [default: {default}]",
    )


def heading(format: str) -> list[bytes]:
    """What stands before the first event."""
    return [csv.header().encode()] if format == "csv" else []


def renderer(format: str) -> Render:
    """How `format`, one of FORMATS, shows an event on stdout as it is: a terminal gets colours and one row each."""
    if format == "json":
        return lambda line, _: for_stdout(line, visible_json)
    if format == "csv":
        return lambda _, event: for_stdout(csv.row(event).encode())
    if is_terminal():
        columns = shutil.get_terminal_size().columns
        return lambda _, event: text.row(event, columns, _painted).encode() + b"\n"
    return lambda _, event: text.line(event).encode() + b"\n"


def _painted(words: str, style: str) -> str:
    return click.style(words, dim=True) if style == text.DIM else click.style(words, fg=style)
