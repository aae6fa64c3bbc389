"""A million events over two hundred disconnects, closed and reset at random: no hole, no double, in order.

VIDEODB_FLOOD_EVENTS makes it smaller for a trial.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from faults.flood import Leg, count_in_order, legs, recorded, scripts
from support.backend import Backend
from support.daemon import Site
from support.ledger import Ledger

EVENTS = int(os.environ.get("VIDEODB_FLOOD_EVENTS", "1000000"))
DISCONNECTS = max(8, EVENTS // 5000)
SEED = 20260302
LIMIT_S = 360.0


@pytest.mark.timeout(LIMIT_S + 60)
async def test_a_million_events_over_two_hundred_disconnects_are_a_line_each_once_and_in_order(
    tmp_path: Path, ledger: Ledger
) -> None:
    plan = legs(EVENTS, DISCONNECTS, SEED)
    async with Backend(scripts(plan)) as backend:
        site = Site(tmp_path, backend)
        async with site.daemon("--output", "none", "--min-backoff", "250ms", "--max-backoff", "250ms") as daemon:
            await backend.until(lambda: len(backend.peers) == len(plan), f"{len(plan)} connections", limit_s=LIMIT_S)
            await site.id_published((await backend.greeted(DISCONNECTS)).id)
            assert await daemon.stop() == 0
    counts = count_in_order(recorded(site.files.events))
    lost, unread = len(site.journal("lost")), sum(leg.ending == "reset" for leg in plan)
    ledger.row(
        "million",
        f"{EVENTS:,} events over {DISCONNECTS} disconnects",
        sent=EVENTS,
        on_disk=sum(counts.values()),
        fired=f"{lost} lost connections journalled; {unread} were reset with events on their way",
    )
    assert [complaint for leg in plan if (complaint := wrong(leg, counts.pop(leg.connection, 0)))] == []
    assert counts == {}  # nobody sent these
    assert DISCONNECTS - unread <= lost <= DISCONNECTS  # a reset may come before the hello was read
    assert site.files.torn() == []


def wrong(leg: Leg, lines: int) -> str | None:
    """Say what is wrong with the number of lines of one connection, whose order has been checked; None: nothing."""
    if lines > leg.count or (lines < leg.count and leg.ending != "reset"):
        return f"{leg}: {lines} lines"
    return None


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([(0, 0), (0, 2)], "event 2 where 1 was due"),
        ([(0, 0), (0, 1), (0, 1)], "event 1 where 2 was due"),
        ([(0, 1), (0, 0)], "event 1 where 0 was due"),
        ([(0, 0), (1, 0), (0, 1)], "connection 0 after 1"),
        ([(3, 1)], "event 1 where 0 was due"),
    ],
    ids=["a hole", "a double", "a swap", "a late one", "a lost beginning"],
)
def test_the_count_takes_nothing_but_an_unbroken_row(lines: list[tuple[int, int]], said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        count_in_order(lines)


def test_only_a_reset_that_nobody_waited_for_may_cost_events() -> None:
    for ending in ("close", "reset when read", "stays"):
        assert wrong(Leg(0, 10, 0, ending), 9) is not None
        assert wrong(Leg(0, 10, 0, ending), 10) is None
    assert wrong(Leg(0, 10, 0, "reset"), 9) is None
    assert wrong(Leg(0, 10, 0, "reset"), 11) is not None
