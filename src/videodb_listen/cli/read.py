"""`read`: exactly what is new since the last time."""

from __future__ import annotations

import sys

import click

from videodb_listen.cli.filters import Filters, filter_options
from videodb_listen.cli.flags import Parsed
from videodb_listen.cli.output import say, write_out
from videodb_listen.cli.reading import damage_counter, with_recording
from videodb_listen.cli.render import Render, format_option, heading, renderer
from videodb_listen.reader.blocks import Block
from videodb_listen.reader.history import Place
from videodb_listen.reader.query import OnDamage, Where, select
from videodb_listen.reader.recording import Recording
from videodb_listen.units import parse_size

_BATCH_BYTES = 256 << 10
"""What is printed before the cursor moves: this much may be printed twice after a kill."""


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
@format_option("json")
def read(
    recording: Recording, chosen: Filters, name: str, max_events: int | None, max_bytes: int | None, format: str
) -> None:
    """Print exactly what is new since the last time that this cursor was used.

    The cursor moves only when the output was written: what a kill interrupts is printed again. Events that the filters
    leave out are passed over for good.

    \b
    videodb-listen read --cursor my-agent --max-bytes 16K
    """
    cursor, render, budget = recording.cursor(name), renderer(format), _Budget(max_events, max_bytes)
    with cursor.held(), damage_counter() as on_damage:
        write_out(heading(format))
        with recording.reader(cursor.load(), on_restart=say) as reader:
            while not budget.spent and (block := reader.read(_BATCH_BYTES)) is not None:
                place, shown = _batch(block, chosen.where, render, budget, on_damage)
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
    block: Block, where: Where, render: Render, budget: _Budget, on_damage: OnDamage
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
