"""What one run of a command costs, taken from outside of it.

The wall clock runs from just before the process is made until it is gone, so an interpreter's start is in it. CPU and
peak memory are what the kernel charged to the process; see `measure` for why this program must stay small.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from peers import environment

MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere


@dataclass(frozen=True)
class Spent:
    """One run, from its first instruction to its last."""

    wall_s: float
    cpu_s: float
    max_rss_mb: float


def spend(command: Sequence[str]) -> Spent:
    """Run `command`, whose output goes to /dev/null. Raises CalledProcessError when it fails."""
    begun_s = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment())
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.monotonic() - begun_s
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Spent(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * MAXRSS_UNIT / 1e6)
