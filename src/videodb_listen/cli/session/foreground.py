"""The life of a `session record` process around the recording: its signals, and an end at once."""

from __future__ import annotations

import asyncio
import os
from functools import partial

from videodb_listen.capturing.recording import Phase, Progress, Recording
from videodb_listen.system.interrupts import INTERRUPTED
from videodb_listen.system.signals import SIGHUP, SIGINT, SIGTERM, handled

_AT_ONCE: dict[Phase, str] = {
    "preparing": "ended; nothing was recorded",
    "recording": "ended at once; the session may still be recorded as running",
    "exporting": "ended at once; the export goes on: see videodb-listen session list",
}
"""What is left when it ends at once, by how far it was."""


def run(recording: Recording, progress: Progress) -> str:
    """Record to the end; what names the result.

    The first signal stops it, a second SIGINT or SIGTERM ends the process at once, with status 130.
    """
    return asyncio.run(_until_signal(recording, progress))


async def _until_signal(recording: Recording, progress: Progress) -> str:
    main = asyncio.create_task(recording.run())

    def heard(number: int) -> None:
        if not recording.stop.is_set():
            if recording.phase != "preparing":
                what = "stopping" if recording.phase == "recording" else "waiting for the export"
                progress.say(f"{what}; Ctrl-C once more ends at once")
            recording.stop.set()
        elif number != SIGHUP:  # which a terminal that closes may send twice
            recording.kill()
            main.cancel()

    with handled({number: partial(heard, number) for number in (SIGINT, SIGTERM, SIGHUP)}):
        try:
            return await main
        except asyncio.CancelledError:
            progress.say(_AT_ONCE[recording.phase])
            os._exit(INTERRUPTED)  # an orderly end would wait for the look-up of a name, which can hang
