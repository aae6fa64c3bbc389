"""`read`: exactly what is new since the last time."""

from __future__ import annotations

import sys

import click

from videodb_listen.cli.filters import Filters, filter_options
from videodb_listen.cli.flags import COUNT, Parsed
from videodb_listen.cli.output import write_out
from videodb_listen.cli.reading import News, with_recording
from videodb_listen.cli.render import Renderer, rendered
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
def read(
    recording: Recording, chosen: Filters, render: Renderer, name: str, max_events: int | None, max_bytes: int | None
) -> None:
    """Print exactly what is new since the last time that this cursor was used.

    The cursor moves only when the output was written: what a kill interrupts is printed again. Events that the filters
    leave out are passed over for good. Where nothing is new and nothing can come, that is said on stderr.

    \b
    videodb-listen read --cursor my-agent --max-bytes 16K
    """
    cursor, budget = recording.cursor(name), _Budget(max_events, max_bytes)
    with cursor.held():
        write_out([render.heading])
        begin = cursor.load()
        render.marks.begin(recording.received_before(begin))
        with recording.reader(begin) as reader:
            while not budget.spent and (block := reader.read(_BATCH_BYTES)) is not None:
                place, shown = _batch(block, chosen.where, render, budget, recording.losses.damaged)
                write_out(shown)
                cursor.save(place)
    if not budget.used:
        News(recording).say()


class _Budget:
    """How much may still be printed."""

    def __init__(self, events: int | None, size: int | None) -> None:
        self.spent = events == 0
        self._events = sys.maxsize if events is None else events
        self._bytes = sys.maxsize if size is None else size
        self.used = False

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


def _batch(
    block: Block, where: Where, render: Renderer, budget: _Budget, on_damage: OnDamage
) -> tuple[Place, list[bytes]]:
    """What to print of `block`, and the place behind the last line that was dealt with."""
    offset, shown = block.begin.offset, []
    for line in block.lines():
        if budget.spent:
            break
        texts = [render.event(line, event) for _, event in select(line, where, on_damage)]
        if texts and not budget.allows(len(texts[0])):
            break
        shown += texts
        offset += len(line)
    return Place(block.begin.after, block.end.head, min(offset, block.end.offset)), shown
