"""What `videodb-listen --help` costs before it does anything: the CPU time of a shell prompt's patience.

CPU time, not wall time: it does not depend on what else the machine does. Measured against an interpreter that only
imports click, which is the least that any command line on click can cost. The runs alternate.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from spent import spend

RUNS = 21
FACTOR, ALLOWANCE_S = 1.5, 0.060


def report() -> tuple[list[str], bool]:
    """The medians with a verdict, and whether it is good."""
    help_command = [str(Path(sys.executable).with_name("videodb-listen")), "--help"]
    click_command = [sys.executable, "-c", "import click"]
    for command in (help_command, click_command):
        spend(command)  # once unmeasured: compiles what is not compiled yet
    pairs = [(spend(help_command).cpu_s, spend(click_command).cpu_s) for _ in range(RUNS)]
    ours_s, click_s = (statistics.median(column) for column in zip(*pairs, strict=True))
    allowed_s = FACTOR * click_s + ALLOWANCE_S
    good = ours_s <= allowed_s
    return [
        f"videodb-listen --help      {ours_s * 1000:6.1f} ms CPU, median of {RUNS}",
        f"python -c 'import click'   {click_s * 1000:6.1f} ms CPU",
        f"allowed                    {allowed_s * 1000:6.1f} ms ({FACTOR} x + {ALLOWANCE_S * 1000:.0f} ms): "
        + ("ok" if good else "FAILED"),
    ], good
