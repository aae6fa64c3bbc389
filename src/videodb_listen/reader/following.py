"""What comes, as it comes: for loops that wait and for loops that must not."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import Any, Self

from videodb_listen.paths import Layout
from videodb_listen.reader.blocks import Block, Reader
from videodb_listen.reader.history import Place
from videodb_listen.reader.query import ANY, Found, Where, select
from videodb_listen.system.watch import LOOK_ANYWAY_S, POLL_S, Watch


class Follow(Iterator[dict[str, Any]], AsyncIterator[dict[str, Any]]):
    """The events that satisfy `where`: those in `backlog` (None: none), then from where `reader` stands, for ever.

    `for event in ...` blocks until the next one, `async for event in ...` awaits it. Lines that are no JSON objects are
    passed over.
    """

    def __init__(self, reader: Reader, where: Where = ANY, backlog: Iterator[Block] | None = None):
        self.history = history = reader.history
        files = Layout(history.directory)  # that a connection is lost, or a listener ends, is news as well
        self._watch = Watch(history.directory, [history.events.name, files.pid.name, files.journal.name])
        self._reader = reader
        self._where = where
        self._backlog = backlog or iter(())
        self._found: deque[dict[str, Any]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def place(self) -> Place:
        """The place behind what was read."""
        return self._reader.place

    def close(self) -> None:
        """Let go of the file and of the watch."""
        self._reader.close()
        self._watch.close()

    def blocks(self) -> Iterator[Iterator[Found]]:
        """The lines that are there now with their events, a block at a time; they are not given again as events."""
        while (block := next(self._backlog, None) or self._reader.read()) is not None:
            yield select(block.data, self._where, self._reader.losses.damaged)

    def wait(self, timeout_s: float | None = None) -> None:
        """Return after a change, or after `timeout_s` seconds (None: a second)."""
        self._reader.losses.settle()
        self._watch.wait(timeout_s)

    def poll(self, timeout_s: float | None = None) -> dict[str, Any] | None:
        """The next event, waiting for a change at most `timeout_s` seconds (None: a second); None when none came."""
        if not self._look():
            self.wait(timeout_s)
        return self._found.popleft() if self._look() else None

    def __iter__(self) -> Self:
        """It is its own iterator."""
        return self

    def __next__(self) -> dict[str, Any]:
        """The next event, waiting for it."""
        while (event := self.poll()) is None:
            pass
        return event

    def __aiter__(self) -> Self:
        """It is its own iterator."""
        return self

    async def __anext__(self) -> dict[str, Any]:
        """The next event, awaiting it."""
        while not self._look():
            await self._changed()
        return self._found.popleft()

    def _look(self) -> bool:
        """Whether an event is at hand, after reading on if none was."""
        blocks = self.blocks()
        while not self._found and (found := next(blocks, None)) is not None:
            self._found.extend(event for _, event in found)
        return bool(self._found)

    async def _changed(self) -> None:
        import asyncio

        self._reader.losses.settle()
        loop = asyncio.get_running_loop()
        told = asyncio.Event()
        if (descriptor := self._watch.fileno()) is None:
            await asyncio.sleep(POLL_S)
            self._watch.wait(0)
            return
        loop.add_reader(descriptor, told.set)
        try:
            async with asyncio.timeout(LOOK_ANYWAY_S):
                await told.wait()
        except TimeoutError:
            pass
        finally:
            loop.remove_reader(descriptor)
        self._watch.changed()
