"""What the real recorder is made to do on its way, for what cannot be had under wine, and whether it is gone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import shlex
from pathlib import Path

from support.waiting import LIMIT_S


def denied(program: str) -> list[str]:
    """A recorder whose permissions are denied: the one for Windows grants all, so the word is changed on its way."""
    return _piped(f"""{shlex.quote(program)} | sed -u 's/"status":"granted"/"status":"denied"/'""")


def refused(program: str) -> list[str]:
    """A recorder that is told to start a session which the backend does not know."""
    return _piped(f"""sed -u 's/"sessionId": *"[^"]*"/"sessionId":"cap-nowhere"/' | {shlex.quote(program)}""")


def _piped(line: str) -> list[str]:
    return ["/bin/sh", "-c", line]


def running() -> list[int]:
    """The processes of the real recorder on this machine."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes() if entry.name.isdecimal() else b""
            if b"\\capture.exe" in words or b"/capture.exe" in words:
                found.append(int(entry.name))
    return found


async def all_gone() -> bool:
    """Whether no recorder is left, as soon as those that are ending have ended."""
    async with asyncio.timeout(LIMIT_S):
        for pid in running():
            await asyncio.to_thread(_ended, pid)
    return not running()


def _ended(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        select.select([handle], [], [])
        os.close(handle)
