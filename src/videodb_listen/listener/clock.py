"""The wall clock as a recorder needs it: never going back, and honest about its steps."""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """Unix seconds that never decrease within a run, whatever is done to the machine's clock."""

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._latest = 0.0
        self._offset = wall() - monotonic()

    def now(self) -> float:
        """Unix seconds; after a step backwards the last value, until the clock has caught up."""
        now = self._wall()
        if now < self._latest:
            return self._latest
        self._latest = now
        return now

    def step(self) -> float:
        """Seconds by which the wall clock ran ahead of the monotonic one since the last call; negative: it fell back.

        A machine that slept looks the same as one whose clock was set forward: the monotonic clock stands still.
        """
        offset = self._wall() - self._monotonic()
        step, self._offset = offset - self._offset, offset
        return step
