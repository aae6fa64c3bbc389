"""A child process that leaves nothing behind, and the lines it writes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence

MAX_LINE_BYTES = 1 << 20
TERMINATE_S = 2.0  # from SIGTERM to SIGKILL
KILL_S = 5.0  # the kernel ends a process that it can end at all


async def start(command: Sequence[str]) -> Process:
    """Start `command` in a process group of its own: Ctrl-C at our terminal is for us. Raises OSError."""
    return await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, limit=MAX_LINE_BYTES, start_new_session=True
    )


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


async def end(process: Process) -> None:
    """Terminate the process and those it started, kill them when they stay, and wait until it is gone.

    Nothing is signalled once the process has been reaped: its number may be somebody else's by then.
    """
    try:
        for number, patience_s in ((signal.SIGTERM, TERMINATE_S), (signal.SIGKILL, KILL_S)):
            if process.returncode is not None:
                return
            _signal(process, number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    await process.wait()
    finally:
        if process.returncode is None:  # we were interrupted ourselves
            _signal(process, signal.SIGKILL)


def _signal(process: Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
