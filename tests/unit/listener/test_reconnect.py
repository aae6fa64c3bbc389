"""When to try again, and when to stop trying."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videodb_listen.errors import ConfigurationError, CredentialsRejected, ListenError, SinkError, Unavailable
from videodb_listen.listener.reconnect import Lost, ReconnectPolicy
from videodb_listen.settings import Link

FLOOR_S = 0.25


@dataclass
class Run:
    """A policy whose attempts fail as scripted, while a fake clock runs through the pauses."""

    settings: Link = field(default_factory=lambda: Link())
    now_s: float = 0.0
    delays: list[float] = field(default_factory=list)
    announced: list[tuple[ListenError, float]] = field(default_factory=list)
    attempts_at_s: list[float] = field(default_factory=list)

    async def through(self, script: Iterator[Exception]) -> None:
        """Let attempt after attempt fail; a Lost means that a connection stood before. Raises what is not retried."""
        policy = ReconnectPolicy(self.settings, monotonic=lambda: self.now_s)

        async def attempt() -> None:
            self.attempts_at_s.append(self.now_s)
            failure = next(script, None)
            if isinstance(failure, Lost):
                policy.connected()
            if failure is not None:
                raise failure

        async def pause(seconds: float) -> None:
            self.delays.append(seconds)
            self.now_s += seconds

        await policy.retrying(pause=pause, announce=lambda exc, s: self.announced.append((exc, s)))(attempt)


async def delays_after(*script: Exception, settings: Link | None = None) -> list[float]:
    run = Run(settings or Link())
    await run.through(iter(script))
    assert len(run.delays) == len(script)
    return run.delays


def lost() -> Lost:
    return Lost("the server closed with 1000", lived_s=1.0, delivered=False)


def stable() -> Lost:
    return Lost("the server closed with 1000", lived_s=30.0, delivered=False)


def brief() -> Lost:
    return Lost("the server closed with 1000", lived_s=29.0, delivered=True)


# -- delays ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("min_s", "max_s"),
    [(1.0, 60.0), (0.001, 60.0), (5.0, 6.0), (0.3, 0.1), (30.0, 10.0)],
    ids=["defaults", "first bound below the floor", "narrow", "both near the floor", "swapped"],
)
async def test_delay_n_lies_between_the_floor_and_the_doubled_bound_and_uses_all_of_it(
    min_s: float, max_s: float
) -> None:
    random.seed(20260302)
    settings = Link(min_backoff_s=min_s, max_backoff_s=max_s)
    series = [await delays_after(*(Unavailable("no") for _ in range(9)), settings=settings) for _ in range(300)]
    for n, delays in enumerate(zip(*series, strict=True)):
        ceiling_s = max(FLOOR_S, min(max_s, max(min_s, FLOOR_S) * 2**n))
        assert min(delays) >= FLOOR_S
        assert max(delays) <= ceiling_s
        spread = ceiling_s - FLOOR_S
        assert max(delays) >= FLOOR_S + 0.9 * spread
        assert min(delays) <= FLOOR_S + 0.1 * spread


@pytest.mark.parametrize("failure", [Unavailable("refused"), lost(), MemoryError()])
async def test_the_bound_grows_after_every_kind_of_failure_that_was_not_stable(failure: Exception) -> None:
    random.seed(7)
    sixth = [(await delays_after(*[failure] * 6))[5] for _ in range(200)]
    assert max(sixth) > 16.0


@pytest.mark.parametrize("good", [stable, brief])
async def test_a_stable_connection_starts_the_series_over(good: Callable[[], Lost]) -> None:
    random.seed(7)
    for _ in range(200):
        delays = await delays_after(*(lost() for _ in range(8)), good(), lost())
        assert delays[8] <= 1.0
        assert delays[9] <= 2.0


async def test_a_connection_that_was_not_stable_does_not_start_the_series_over() -> None:
    random.seed(7)
    ninth = [(await delays_after(*(Unavailable("no") for _ in range(8)), lost()))[8] for _ in range(50)]
    assert max(ninth) > 30.0


async def test_an_event_is_no_proof_of_a_stable_connection_when_the_next_ten_end_alike() -> None:
    random.seed(7)
    series = [await delays_after(*(brief() for _ in range(20))) for _ in range(100)]
    assert max(max(delays[:10]) for delays in series) <= 1.0
    assert max(max(delays[15:]) for delays in series) > 30.0


async def test_a_server_that_sends_an_event_and_hangs_up_gets_few_connections_a_day() -> None:
    random.seed(7)
    run = Run()
    day_s = 86_400
    await run.through(iter(lambda: brief() if run.now_s < day_s else None, None))
    assert len(run.attempts_at_s) < 3500


async def test_a_connection_that_lived_makes_a_delivery_count_again() -> None:
    delays = await delays_after(*(brief() for _ in range(15)), stable(), brief())
    assert max(delays[15:]) <= 1.0


async def test_a_frame_that_is_refused_is_a_failure_however_long_the_connection_lived() -> None:
    random.seed(7)
    refused = [Lost("too large", lived_s=3600.0, delivered=True, refused=True) for _ in range(9)]
    assert max([(await delays_after(*refused))[8] for _ in range(50)]) > 30.0


async def test_what_is_announced_is_what_is_waited() -> None:
    run = Run()
    script = [Unavailable("first"), lost()]
    await run.through(iter(script))
    assert run.announced == list(zip(script, run.delays, strict=True))


async def test_an_attempt_that_returns_is_the_end() -> None:
    run = Run()
    await run.through(iter(()))
    assert (run.attempts_at_s, run.delays) == ([0.0], [])


@given(st.randoms(use_true_random=False), st.lists(st.booleans(), min_size=1), st.floats(1, 600))
async def test_failures_in_a_row_never_become_a_loop(rng: random.Random, kinds: list[bool], within_s: float) -> None:
    random.seed(rng.random())

    def script(run: Run) -> Iterator[Exception]:
        while run.now_s < within_s:
            yield from (Unavailable("no") if kind else lost() for kind in kinds)

    run = Run(Link(min_backoff_s=0.001))
    await run.through(script(run))
    dialled = [at_s for at_s in run.attempts_at_s if at_s <= within_s]
    assert len(dialled) <= 1 + within_s / FLOOR_S
    assert all(delay_s >= FLOOR_S for delay_s in run.delays)


async def test_a_server_that_accepts_and_closes_gets_few_connections() -> None:
    random.seed(20260302)
    for _ in range(1000):
        run = Run()
        await run.through(lost() for _ in range(45))
        assert sum(at_s <= 10.0 for at_s in run.attempts_at_s) <= 8


# -- Retry-After -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked_s", "waited_s"), [(2.0, 2.0), (120.0, 120.0), (300.0, 300.0), (301.0, 300.0), (1e9, 300.0)]
)
async def test_a_server_may_ask_for_five_minutes_at_most(asked_s: float, waited_s: float) -> None:
    assert await delays_after(Unavailable("busy", retry_after_s=asked_s)) == [waited_s]


@pytest.mark.parametrize("asked_s", [0.0, None])
async def test_a_server_cannot_ask_for_less_than_the_floor(asked_s: float | None) -> None:
    (delay_s,) = await delays_after(Unavailable("busy", retry_after_s=asked_s))
    assert FLOOR_S <= delay_s <= 1.0


# -- giving up -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [0, 1, 20])
@pytest.mark.parametrize("limit", [0, 1, 3])
async def test_max_retries_counts_failures_in_a_row_after_the_first_connection(limit: int, before: int) -> None:
    run = Run(Link(max_retries=limit))
    early = [Unavailable("too early") for _ in range(before)]
    script = iter([*early, lost(), *(Unavailable(f"late {n}") for n in range(50))])
    with pytest.raises(Unavailable, match=f"gave up after {limit + 1} failures") as failure:
        await run.through(script)
    assert len(run.attempts_at_s) == before + limit + 1
    assert ("late" if limit else "closed with 1000") in failure.value.message


async def test_max_retries_counts_anew_after_a_stable_connection() -> None:
    run = Run(Link(max_retries=2))
    script = iter([lost(), lost(), stable(), lost(), *(Unavailable("no") for _ in range(9))])
    with pytest.raises(Unavailable, match="gave up after 3 failures"):
        await run.through(script)
    assert len(run.attempts_at_s) == 5


async def test_without_a_limit_it_goes_on_for_ever() -> None:
    assert len(await delays_after(lost(), *(Unavailable("no") for _ in range(3000)))) == 3001


REJECTIONS = [CredentialsRejected("401", fix="f"), ConfigurationError("404", fix="f")]


@pytest.mark.parametrize("rejection", REJECTIONS)
async def test_a_rejection_before_the_first_connection_ends_it_at_once(rejection: ListenError) -> None:
    run = Run()
    with pytest.raises(ListenError) as failure:
        await run.through(iter([Unavailable("no"), rejection]))
    assert failure.value is rejection
    assert len(run.attempts_at_s) == 2


@pytest.mark.parametrize("rejection", REJECTIONS)
async def test_a_rejection_later_is_doubted_for_ten_minutes_at_the_longest_delay(rejection: ListenError) -> None:
    run = Run(Link(max_backoff_s=45.0))
    with pytest.raises(ListenError) as failure:
        await run.through(iter([stable(), *[rejection] * 100]))
    assert failure.value is rejection
    assert set(run.delays[1:]) == {45.0}
    first_at_s = run.attempts_at_s[1]
    assert 600.0 <= run.attempts_at_s[-1] - first_at_s < 645.0


@pytest.mark.parametrize("rejection", REJECTIONS)
async def test_a_rejection_is_not_asked_about_in_a_loop_either(rejection: ListenError) -> None:
    settings = Link(min_backoff_s=0.001, max_backoff_s=0.001)
    assert await delays_after(stable(), *[rejection] * 9, settings=settings) == [FLOOR_S] * 10


@pytest.mark.parametrize("between", [Unavailable("no"), lost()])
async def test_another_answer_starts_the_ten_minutes_anew(between: Exception) -> None:
    run = Run()
    rejection = REJECTIONS[0]
    with pytest.raises(CredentialsRejected):
        await run.through(iter([stable(), *[rejection] * 9, between, *[rejection] * 100]))
    again_at_s = run.attempts_at_s[11]
    assert 600.0 <= run.attempts_at_s[-1] - again_at_s < 660.0


@pytest.mark.parametrize("failure", [SinkError("disk", fix="f"), ZeroDivisionError("a bug"), KeyError("x")])
@pytest.mark.parametrize("established", [False, True])
async def test_what_no_waiting_mends_is_not_retried(failure: Exception, established: bool) -> None:
    run = Run()
    with pytest.raises(type(failure)) as raised:
        await run.through(iter([*[stable()] * established, failure]))
    assert raised.value is failure
    assert len(run.delays) == established
