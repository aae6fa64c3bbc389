"""A clock that no test has to wait for."""

from __future__ import annotations


class Clock:
    """Gives seconds, and only goes on when somebody sleeps."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        """Be `seconds` later at once."""
        self.slept.append(seconds)
        self.now_s += seconds

    async def asleep(self, seconds: float) -> None:
        """The same, for a coroutine."""
        self.sleep(seconds)
