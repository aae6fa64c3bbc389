"""`read`: exactly what is new since the last time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial

import click

from videodb_listen.cli.filters import Filters, filter_options
from videodb_listen.cli.flags import COUNT, DURATION, Parsed
from videodb_listen.cli.output import is_terminal, say, write_out
from videodb_listen.cli.reading import News, with_recording
from videodb_listen.cli.render import Show, rendered
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
@rendered("json")
@click.option("--cursor", "name", required=True, metavar="NAME", help="Whose place to go on at; a new one begins.")
@click.option(
    "--max-events",
    "--limit",
    "max_events",
    type=COUNT,
    metavar="N",
    help="The next N that match, no more now. [default: no limit]",
)
@click.option(
    "--max-bytes",
    type=Parsed(parse_size, "SIZE"),
    metavar="SIZE",
    help="No more than this now, but one event at least. [default: no limit]",
)
@click.option("--wait", "wait_s", type=DURATION, metavar="TIME", help="Wait so long for something new.")
def read(
    recording: Recording,
    chosen: Filters,
    render: Show,
    name: str,
    max_events: int | None,
    max_bytes: int | None,
    wait_s: float | None,
) -> None:
    """Print exactly what is new since the last time that this cursor was used.

    The cursor moves only when the output was written: what a kill interrupts is printed again. Events that the filters
    leave out are passed over for good. Where nothing is new and nothing can come, that is said on stderr;
    with --wait it is 3, and 124 when nothing came.

    \b
    videodb-listen read --cursor my-agent --max-bytes 16K
    """
    cursor, budget = recording.cursor(name), _Budget(max_events, max_bytes)
    with cursor.held():
        write_out([render.heading])
        begin = cursor.load()
        render.begin(recording.received_before(begin))
        with recording.reader(begin) as reader:
            batches = partial(_batches, reader, chosen.where, render, budget, recording.losses.damaged)
            _print_new(recording, cursor, batches, render, budget, wait_s)
    write_out(render.end())
    _tell_the_end(recording, budget, wait_s)


def _print_new(
    recording: Recording, cursor: Cursor, batches: Batches, render: Show, budget: _Budget, wait_s: float | None
) -> None:
    """Print what is new, waiting for the first of it, and move the cursor behind it."""

    def look() -> bool:
        written = wait_s is not None and recording.is_written()  # asked before: what came until then is in the file
        for place, found in batches():
            shown = render.batch(found)
            write_out(shown)
            budget.printed_bytes += sum(map(len, shown))
            cursor.save(place)
        return budget.used or budget.spent or not written

    if wait_s is None:
        look()
        return
    with recording.watch() as watch:
        until(look, Deadline(wait_s), watch.wait)


class _Budget:
    """How much may still be printed, and how much was."""

    def __init__(self, events: int | None, size: int | None) -> None:
        self.spent = events == 0
        self._events = sys.maxsize if events is None else events
        self._bytes = sys.maxsize if size is None else size
        self.used = False  # whether any event was printed
        self.printed_bytes = 0
        self.unbounded = events is None and size is None

    def allows(self, size: int) -> bool:
        """Take one event of `size` bytes; whether that was possible. The first always is: else nothing ever moved."""
        if self.used and (not self._events or size > self._bytes):
            self.spent = True
            return False
        self._events -= 1
        self._bytes -= size
        self.used = True
        self.spent = not self._events or self._bytes <= 0
        return True


def _batches(
    reader: Reader, where: Where, render: Show, budget: _Budget, on_damage: OnDamage
) -> Iterator[tuple[Place, list[Found]]]:
    """What to print of what is there now, and each time the place behind the last line that was dealt with."""
    while not budget.spent and (block := reader.read(_BATCH_BYTES)) is not None:
        yield _batch(block, where, render, budget, on_damage)


def _batch(block: Block, where: Where, render: Show, budget: _Budget, on_damage: OnDamage) -> tuple[Place, list[Found]]:
    offset, chosen = block.begin.offset, []
    for line in block.lines():
        if budget.spent:
            break
        found = list(select(line, where, on_damage))
        if found and not budget.allows(render.size(*found[0])):
            break
        chosen += found
        offset += len(line)
    return Place(block.begin.after, block.end.head, min(offset, block.end.offset)), chosen


def _tell_the_end(recording: Recording, budget: _Budget, wait_s: float | None) -> None:
    """Say what became of the waiting, and when more was printed than an agent gets to see."""
    if budget.unbounded and budget.printed_bytes > _SHOWN_CHARACTERS and not is_terminal():
        say(f"{budget.printed_bytes} bytes were printed: if they were cut, the rest is not printed again; see feed")
    if budget.used:
        return
    if wait_s is None:
        News(recording).say()
    elif not recording.is_written():
        raise NotRunning("nothing is new, and no listener runs", fix="start one: videodb-listen start")
    else:
        raise TimedOut(f"nothing new within {format_duration(wait_s)}", fix="read again: nothing is missed")
