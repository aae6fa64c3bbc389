"""Liveness: once the network is back, a listener is connected within twice the bound of its delays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faults.simulation.scenario import Listener

OVERHEAD_S = 5.0
"""What an attempt takes that succeeds: a URL, an upgrade, a hello."""

NOTICED_S = 40.0
"""How long a connection that was frozen may pass for alive: the interval and the timeout of pings."""

ATTEMPT_S = 30.0
"""How long an attempt may hang before it is given up: the URL, the upgrade and the hello take ten seconds each."""

Span = tuple[float, float]


def too_long_away(listener: Listener, cap_s: float = 60.0) -> list[str]:
    """Say when `listener` was without a connection for longer than it may be. `cap_s`: the bound of its delays."""
    bound_s = 2 * cap_s + OVERHEAD_S
    excuses = sorted(_excuses(listener))
    problems = []
    for process in listener.processes:
        life = (process.started, process.ended if process.ended is not None else listener.run.world.now)
        for begin, end in _without(listener, life):
            limit = _limit(begin, bound_s, excuses)
            if end > limit:
                problems.append(f"not connected from {begin:.1f} to {end:.1f}, at the latest from {limit:.1f}")
    return problems


def _limit(begin: float, bound_s: float, excuses: list[Span]) -> float:
    """Until when a connection must be there: excuses that begin before that put it off."""
    limit = begin + bound_s
    for since, until in excuses:
        if since <= limit:
            limit = max(limit, until + bound_s)
    return limit


def _without(listener: Listener, life: Span) -> Iterator[Span]:
    """The times of `life` in which the listener has no connection."""
    at = life[0]
    for connection in listener.run.service.ledger.connections.values():
        end = min(time for time in (connection.ended, connection.broken, listener.run.world.now) if time is not None)
        if connection.machine == listener.name and end > life[0] and connection.opened < life[1]:
            if connection.opened > at:
                yield at, connection.opened
            at = max(at, end)
    if at < life[1]:
        yield at, life[1]


def _excuses(listener: Listener) -> Iterator[Span]:
    """The times in which nobody could have been connected."""
    run = listener.run
    for strike in run.strikes:
        hit = strike.listener is listener or strike.fault.everywhere
        if hit and strike.struck_at is not None and strike.fault.cuts_off:
            over_at = strike.over_at if strike.over_at is not None else run.world.now
            yield strike.struck_at, max(over_at, strike.struck_at + NOTICED_S) + ATTEMPT_S
    for request in run.service.ledger.requests:
        if request.machine == listener.name and request.status != 200:
            yield request.at, request.at + ATTEMPT_S
