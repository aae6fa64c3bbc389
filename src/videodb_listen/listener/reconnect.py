"""When to try again. The only importer of tenacity.

How a connection ended says nothing about the next try, how long it lived does: the delays grow with every failure in a
row, a clean close included, and start over only after a connection that was stable. One that delivered something is
taken for stable, but not the same again and again.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

from videodb_listen.errors import ConfigurationError, CredentialsRejected, ListenError, Unavailable
from videodb_listen.settings import Link

STABLE_AFTER_S = 30.0
"""A connection that lived this long after its hello was good, even if no event came."""

MAX_BRIEF = 10
"""So many connections in a row that delivered something and ended before STABLE_AFTER_S are a pattern, and no luck."""

MIN_DELAY_S = 0.25
"""Floor of every delay: a server that closes at once must not be dialled in a loop."""

MAX_RETRY_AFTER_S = 300.0
"""What a server may ask for; more would look like a listener that has died."""

REJECTED_FOR_S = 600.0
"""How long a rejection is doubted once a connection has stood: keys are rotated, gateways are deployed."""


class Lost(Unavailable):
    """A connection that stood for `lived_s` has ended. `delivered`: an event came; `refused`: a frame was too large."""

    def __init__(self, reason: str, *, lived_s: float, delivered: bool, refused: bool = False) -> None:
        super().__init__(f"the connection was lost: {reason}")
        self.lived_s = lived_s
        self.delivered = delivered
        self.refused = refused


class ReconnectPolicy:
    """Decides, per failure, whether to try again and after how long."""

    def __init__(self, link: Link, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._max_retries = link.max_retries
        self._monotonic = monotonic
        self._established = False
        self._attempts_before = 0  # failures that --max-retries does not count: those before the first connection
        self._brief = 0  # connections in a row that delivered something and ended soon
        self._rejected_at_s: float | None = None  # the first rejection in a row; None: the last answer was none
        self._longest_s = max(link.max_backoff_s, MIN_DELAY_S)
        self._jitter = wait_random_exponential(
            multiplier=max(link.min_backoff_s, MIN_DELAY_S), max=self._longest_s, min=MIN_DELAY_S
        )

    def connected(self) -> None:
        """A hello came: from now on failures are retried for ever, unless --max-retries says otherwise."""
        self._established = True
        self._rejected_at_s = None

    def retrying(
        self, *, pause: Callable[[float], Awaitable[None]], announce: Callable[[ListenError, float], None]
    ) -> AsyncRetrying:
        """The loop: call it with an attempt that returns only when the daemon is to stop.

        `pause` waits that many seconds; `announce` is told of each failure that is retried and the delay. Raises the
        failure that is not retried.
        """

        def before_sleep(call: RetryCallState) -> None:
            announce(_failure(call), call.upcoming_sleep)

        return AsyncRetrying(
            retry=retry_if_exception(self._passes),
            after=self._start_over,
            wait=self._delay_s,
            stop=self._exhausted,
            retry_error_callback=self._give_up,
            before_sleep=before_sleep,
            sleep=pause,
        )

    def _passes(self, failure: BaseException) -> bool:
        """Whether `failure` may pass by itself."""
        if isinstance(failure, Unavailable | MemoryError):
            self._rejected_at_s = None
            return True
        if not isinstance(failure, CredentialsRejected | ConfigurationError) or not self._established:
            return False
        now = self._monotonic()
        if self._rejected_at_s is None:
            self._rejected_at_s = now
        return now - self._rejected_at_s < REJECTED_FOR_S

    def _start_over(self, call: RetryCallState) -> None:
        failure = _failure(call)
        if not self._established:
            self._attempts_before = call.attempt_number
        if isinstance(failure, Lost) and self._was_stable(failure):
            call.attempt_number, self._attempts_before = 1, 0

    def _was_stable(self, lost: Lost) -> bool:
        """Whether the series of delays starts over."""
        if lost.lived_s >= STABLE_AFTER_S:
            self._brief = 0
        elif lost.delivered:
            self._brief += 1
        return not lost.refused and (lost.lived_s >= STABLE_AFTER_S or (lost.delivered and self._brief <= MAX_BRIEF))

    def _delay_s(self, call: RetryCallState) -> float:
        failure = _failure(call)
        if not isinstance(failure, Unavailable):
            return self._longest_s
        asked_s = min(failure.retry_after_s or 0.0, MAX_RETRY_AFTER_S)
        return max(asked_s, self._jitter(call))

    def _failures(self, call: RetryCallState) -> int:
        return call.attempt_number - self._attempts_before

    def _exhausted(self, call: RetryCallState) -> bool:
        limit = self._max_retries
        return limit is not None and self._established and self._failures(call) > limit

    def _give_up(self, call: RetryCallState) -> None:
        failure = _failure(call)
        raise Unavailable(f"gave up after {self._failures(call)} failures in a row, the last: {failure.message}")


def _failure(call: RetryCallState) -> ListenError:
    failure = call.outcome.exception() if call.outcome else None
    if isinstance(failure, MemoryError):
        return Unavailable("out of memory", fix="free memory, or see --max-frame-size")
    assert isinstance(failure, ListenError)  # everything else was not retried
    return failure
