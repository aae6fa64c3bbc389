"""`tail`, `query` and `read`: the events themselves."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from videodb_listen import environment
from videodb_listen.cli.files import damage_counter, find_history, readable, say, write_out
from videodb_listen.cli.filters import filter_options, filters_of
from videodb_listen.cli.flags import Parsed, directory_options
from videodb_listen.cli.render import FORMATS, Render, csv_header, renderer
from videodb_listen.presence import read_state
from videodb_listen.reader.cursor import Cursor
from videodb_listen.reader.history import Place
from videodb_listen.reader.last import last_events
from videodb_listen.reader.query import Where, select
from videodb_listen.reader.reader import Block, Reader
from videodb_listen.reader.seek import Run, read_since
from videodb_listen.system.watch import Watch
from videodb_listen.units import parse_size

_BATCH_BYTES = 256 << 10
"""What `read` prints before it moves its cursor: this much may be printed twice after a kill."""


def _format_option(default: str) -> Callable[..., Any]:
    return click.option(
        "--format",
        "format",
        type=click.Choice(FORMATS),
        metavar="FORMAT",
        default=default,
        help=f"text, json (the line as it stands) or csv. [default: {default}]",
    )


@click.command()
@directory_options
@filter_options
@click.option(
    "-n", "--limit", "count", type=click.IntRange(min=0), metavar="N", default=10, help="How many. [default: 10]"
)
@click.option("-f", "--follow", "follows", is_flag=True, help="Go on with what comes, for ever.")
@_format_option("text")
def tail(directory: str | None, cwd: str | None, count: int, follows: bool, format: str, **options: Any) -> None:
    """Show the last events.

    \b
    videodb-listen tail -f --channel transcript --final
    """
    history = find_history(environment.read(cwd).layout(directory))
    render = renderer(format)
    with readable(history.directory), Watch(history.directory, [history.events.name]) as watch:
        where, end = filters_of(options, history).where, history.end()
        found = last_events(history, end, where, count)
        write_out([*_heading(format), *(render(line, event) for line, event in found)])
        with Reader(history, end, on_restart=say) as reader:
            while follows:
                for block in reader.blocks():
                    write_out(_rendered(block.data, where, render))
                watch.wait()


@click.command()
@directory_options
@filter_options
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The first N only. [default: no limit]")
@_format_option("text")
def query(directory: str | None, cwd: str | None, limit: int | None, format: str, **options: Any) -> None:
    """Show the events of a time, a channel, a stream, a session.

    \b
    videodb-listen query --since 10m --channel alert
    videodb-listen query --channel transcript --final --grep budget --format json | jq .data.text
    """
    layout = environment.read(cwd).layout(directory)
    history, render = find_history(layout), renderer(format)
    left = sys.maxsize if limit is None else limit
    with readable(layout.directory), Reader(history) as reader, damage_counter() as on_damage:
        chosen, run = filters_of(options, history), Run.of(read_state(layout))
        write_out(_heading(format))
        for block in reader.blocks() if chosen.since_s is None else read_since(reader, run, chosen.since_s):
            shown = _rendered(block.data, chosen.where, render, on_damage)[:left]
            write_out(shown)
            left -= len(shown)
            if not left:
                return


@click.command()
@directory_options
@filter_options
@click.option("--cursor", "name", required=True, metavar="NAME", help="Whose place to go on at; a new one begins.")
@click.option(
    "--max-events",
    "--limit",
    "max_events",
    type=click.IntRange(min=1),
    metavar="N",
    help="No more than N now. [default: no limit]",
)
@click.option(
    "--max-bytes",
    type=Parsed(parse_size, "SIZE"),
    metavar="SIZE",
    help="No more than this now, but one event at least. [default: no limit]",
)
@_format_option("json")
def read(
    directory: str | None,
    cwd: str | None,
    name: str,
    max_events: int | None,
    max_bytes: int | None,
    format: str,
    **options: Any,
) -> None:
    """Print exactly what is new since the last time that this cursor was used.

    The cursor moves only when the output was written: what a kill interrupts is printed again. Events that the filters
    leave out are passed over for good.

    \b
    videodb-listen read --cursor my-agent --max-bytes 16K
    """
    layout = environment.read(cwd).layout(directory)
    history, cursor = find_history(layout), Cursor(layout.directory, name)
    render, budget = renderer(format), _Budget(max_events, max_bytes)
    with (
        readable(layout.directory),
        cursor.held(),
        Reader(history, cursor.load(), on_restart=say) as reader,
        damage_counter() as on_damage,
    ):
        where = filters_of(options, history).where
        write_out(_heading(format))
        while not budget.spent and (block := reader.read(_BATCH_BYTES)) is not None:
            place, shown = _batch(block, where, render, budget, on_damage)
            write_out(shown)
            cursor.save(place)


class _Budget:
    """How much may still be printed."""

    def __init__(self, events: int | None, size: int | None) -> None:
        self.spent = False
        self._events = sys.maxsize if events is None else events
        self._bytes = sys.maxsize if size is None else size
        self._printed = False

    def allows(self, size: int) -> bool:
        """Take one event of `size` bytes; whether that was possible. The first always is: else nothing ever moved."""
        if self._printed and (not self._events or size > self._bytes):
            self.spent = True
            return False
        self._events -= 1
        self._bytes -= size
        self._printed = True
        self.spent = not self._events or self._bytes <= 0
        return True


def _batch(
    block: Block, where: Where, render: Render, budget: _Budget, on_damage: Callable[[bytes], None]
) -> tuple[Place, list[bytes]]:
    """What to print of `block`, and the place behind the last line that was dealt with."""
    offset, shown = block.begin.offset, []
    for line in block.lines():
        if budget.spent:
            break
        texts = [render(line, event) for _, event in select(line, where, on_damage)]
        if texts and not budget.allows(len(texts[0])):
            break
        shown += texts
        offset += len(line)
    return Place(block.begin.after, block.end.head, offset), shown


def _rendered(
    data: bytes, where: Where, render: Render, on_damage: Callable[[bytes], None] = lambda _: None
) -> list[bytes]:
    return [render(line, event) for line, event in select(data, where, on_damage)]


def _heading(format: str) -> list[bytes]:
    return [csv_header()] if format == "csv" else []
