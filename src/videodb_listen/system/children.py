"""A child process of the event loop: one that leaves nothing behind, and the lines it writes."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE, Process, SubprocessStreamProtocol
from collections.abc import AsyncIterator, Sequence

from videodb_listen.system.processes import kill_group, terminate_group

MAX_LINE_BYTES = 1 << 20
TERMINATE_S = 2.0  # from SIGTERM to SIGKILL
KILL_S = 5.0  # the kernel ends a process that it can end at all


class _Protocol(SubprocessStreamProtocol):
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=MAX_LINE_BYTES, loop=loop)
        self.exited: asyncio.Future[None] = loop.create_future()

    def process_exited(self) -> None:
        super().process_exited()
        self.exited.set_result(None)


class Child(Process):
    """A process whose exit is known at once: `exited` is done then, whoever still holds its pipes.

    `wait` returns only when the pipes are closed too, which a helper of the process can put off for ever.
    """

    def __init__(
        self, transport: asyncio.SubprocessTransport, protocol: _Protocol, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(transport, protocol, loop)
        self.exited = protocol.exited
        self._connection = transport

    def close(self) -> None:
        """Close our ends of its pipes, unread and unwritten."""
        assert self.stdin is not None
        if not self.stdin.transport.is_closing():
            self.stdin.transport.abort()  # `close` would wait until somebody reads what we wrote
        self._connection.close()


async def start(command: Sequence[str]) -> Child:
    """Start `command` in a process group of its own: Ctrl-C at our terminal is for us. Raises OSError."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.subprocess_exec(
        lambda: _Protocol(loop), *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True
    )
    return Child(transport, protocol, loop)


async def lines(stream: asyncio.StreamReader | None) -> AsyncIterator[bytes]:
    """The lines of `stream` until its end; one that is too long becomes empty."""
    assert stream is not None
    while True:
        try:
            line = await stream.readline()
        except ValueError:  # over MAX_LINE_BYTES; its rest comes as a line of its own
            yield b""
            continue
        if not line:
            return
        yield line


async def end(process: Child) -> None:
    """Terminate the process and those it started, kill them when they stay, and wait until it is gone.

    To be called once, and at once when it has exited: its number is nobody else's while one of its group lives, but
    may be later.
    """
    try:
        if not process.exited.done():
            terminate_group(process.pid)
            await asyncio.wait([process.exited], timeout=TERMINATE_S)
    finally:  # the rest of its group; itself when it stays, or when we were interrupted
        kill_group(process.pid)
        await asyncio.wait([process.exited], timeout=KILL_S)
