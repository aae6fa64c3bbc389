"""`read`: exactly what is new since the last time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial

import click

from videodb_listen.cli.filters import Filters, filter_options
from videodb_listen.cli.flags import DURATION, Parsed
from videodb_listen.cli.output import is_terminal, say, write_out
from videodb_listen.cli.reading import damage_counter, with_recording
from videodb_listen.cli.render import Shown, format_option, shown_as
from videodb_listen.errors import NotRunning, TimedOut
from videodb_listen.reader.blocks import Block, Reader
from videodb_listen.reader.cursor import Cursor
from videodb_listen.reader.history import Place
from videodb_listen.reader.query import Found, OnDamage, Where, select
from videodb_listen.reader.recording import Recording
from videodb_listen.system.clock import Deadline, until
from videodb_listen.units import format_duration, parse_size

_BATCH_BYTES = 256 << 10
"""What is printed before the cursor moves: this much may be printed twice after a kill."""

_SHOWN_CHARACTERS = 30_000
"""What harnesses of agents show of an output, before they cut it."""

Batches = Callable[[], Iterator[tuple[Place, list[Found]]]]
"""What is there now, in batches, each with the place behind it."""


@click.command()
@with_recording()
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
@click.option("--wait", "wait_s", type=DURATION, metavar="TIME", help="Wait so long for something new.")
@format_option("json")
def read(
    recording: Recording,
    chosen: Filters,
    name: str,
    max_events: int | None,
    max_bytes: int | None,
    wait_s: float | None,
    format: str,
) -> None:
    """Print exactly what is new since the last time that this cursor was used.

    The cursor moves only when the output was written: what a kill interrupts is printed again. Events that the filters
    leave out are passed over for good. With --wait: 124 when nothing came, 3 when no listener runs either.

    \b
    videodb-listen read --cursor my-agent --max-bytes 16K
    """
    shown, budget = shown_as(format, chosen, recording), _Budget(max_events, max_bytes)
    cursor = recording.cursor(name)
    write_out([shown.head])
    with cursor.held(), recording.reader(cursor.load(), on_restart=say) as reader, damage_counter() as on_damage:
        batches = partial(_batches, reader, chosen.where, shown, budget, on_damage)
        _print_new(recording, cursor, batches, shown, budget, wait_s)
    write_out([shown.end()])
    _tell_the_end(recording, budget, wait_s)


def _print_new(
    recording: Recording, cursor: Cursor, batches: Batches, shown: Shown, budget: _Budget, wait_s: float | None
) -> None:
    """Print what is new, waiting for the first of it, and move the cursor behind it."""

    def look() -> bool:
        written = recording.is_written()  # asked before: what came until then is in the file
        for place, found in batches():
            text = shown.batch(found)
            write_out([text])
            budget.printed_bytes += len(text)
            cursor.save(place)
        return budget.taken or not written

    with recording.watch() as watch:
        until(look, Deadline(wait_s or 0.0), watch.wait)


class _Budget:
    """How much may still be printed, and how much was."""

    def __init__(self, events: int | None, size: int | None) -> None:
        self.spent = False
        self.taken = False  # whether any event was
        self.printed_bytes = 0
        self.unbounded = events is None and size is None
        self._events = sys.maxsize if events is None else events
        self._bytes = sys.maxsize if size is None else size

    def allows(self, size: int) -> bool:
        """Take one event of `size` bytes; whether that was possible. The first always is: else nothing ever moved."""
        if self.taken and (not self._events or size > self._bytes):
            self.spent = True
            return False
        self._events -= 1
        self._bytes -= size
        self.taken = True
        self.spent = not self._events or self._bytes <= 0
        return True


def _batches(
    reader: Reader, where: Where, shown: Shown, budget: _Budget, on_damage: OnDamage
) -> Iterator[tuple[Place, list[Found]]]:
    """What to print of what is there now, and each time the place behind the last line that was dealt with."""
    while not budget.spent and (block := reader.read(_BATCH_BYTES)) is not None:
        yield _batch(block, where, shown, budget, on_damage)


def _batch(block: Block, where: Where, shown: Shown, budget: _Budget, on_damage: OnDamage) -> tuple[Place, list[Found]]:
    offset, chosen = block.begin.offset, []
    for line in block.lines():
        if budget.spent:
            break
        found = list(select(line, where, on_damage))
        if found and not budget.allows(shown.size(*found[0])):
            break
        chosen += found
        offset += len(line)
    return Place(block.begin.after, block.end.head, offset), chosen


def _tell_the_end(recording: Recording, budget: _Budget, wait_s: float | None) -> None:
    """Say what became of the waiting, and when more was printed than an agent gets to see."""
    if budget.unbounded and budget.printed_bytes > _SHOWN_CHARACTERS and not is_terminal():
        say(f"{budget.printed_bytes} bytes were printed: if they were cut, the rest is not printed again; see feed")
    if wait_s is None or budget.taken:
        return
    if not recording.is_written():
        raise NotRunning("nothing is new, and no listener runs", fix="start one: videodb-listen start")
    raise TimedOut(f"nothing new within {format_duration(wait_s)}", fix="read again: nothing is missed")
