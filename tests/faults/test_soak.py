"""Ten minutes of everything at once. Runs only with `-m soak`; VIDEODB_SOAK_MINUTES says how long."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from faults.flood import count_in_order
from faults.soak import OPTIONS, RATE, Leg, Soak, recorded_in_all_files, unexplained
from support.daemon import Site
from support.ledger import Ledger

MINUTES = float(os.environ.get("VIDEODB_SOAK_MINUTES", "10"))
SEED = 20260302
MAX_GROWTH_BYTES = 5 << 20


@pytest.mark.soak
@pytest.mark.timeout(MINUTES * 60 + 120)
async def test_memory_and_descriptors_stay_flat_and_every_event_is_there_through_every_fault(
    tmp_path: Path, ledger: Ledger, request: pytest.FixtureRequest
) -> None:
    if "soak" not in request.config.option.markexpr:
        pytest.skip("a soak takes minutes: only with -m soak")
    soak = Soak(MINUTES * 60, random.Random(SEED))
    async with soak.backend:
        site = Site(tmp_path, soak.backend)
        async with site.daemon(*OPTIONS) as daemon:
            await soak.watch(daemon)
            assert await daemon.stop() == 0
    counts = count_in_order(recorded_in_all_files(site.directory))
    faults = ", ".join(f"{times} {name}" for name, times in sorted(soak.did.items()))
    growth = soak.rss_growth_bytes()
    ledger.row(
        "soak",
        f"{MINUTES:g} minutes at {RATE} events a second",
        sent=sum(leg.sent for leg in soak.legs),
        on_disk=sum(counts.values()),
        fired=f"{faults}; {len(soak.legs)} connections, memory {growth / 1024:+.0f} KiB, "
        f"descriptors {sorted(soak.descriptors())}",
    )
    short = {
        number: (leg, counts.get(number, 0))
        for number, leg in enumerate(soak.legs)
        if counts.get(number, 0) != leg.sent and not (leg.ending == "rst" and counts.get(number, 0) < leg.sent)
    }
    assert short == {}
    assert unexplained(daemon.stderr, soak) == []
    assert growth <= MAX_GROWTH_BYTES
    assert len(soak.descriptors()) == 1
    assert site.files.torn() == []
    assert min(soak.did[name] for name in ("close", "rst", "freeze", "refused", "hup")) > 0


async def test_what_no_fault_accounts_for_is_found_on_stderr() -> None:
    soak = Soak(1.0, random.Random(SEED))
    soak.legs += [Leg(), Leg()]
    soak.did["close"] = 1
    fine = (
        "[10:00:00] connected as a=\n"
        "[10:00:01] the connection was lost: the server closed with 1012; trying again in 0.2s\n"
        "[10:00:02] connected as b=\n"
    )
    assert unexplained(fine, soak) == []
    assert unexplained(fine + "[10:00:03] the connection was lost: the server closed with 1000\n", soak) == [
        "close: said 2 times, done 1"
    ]
    assert unexplained(fine + "Traceback (most recent call last):\n", soak) == ["Traceback (most recent call last):"]
    assert unexplained(fine + "[10:00:03] SIGHUP: opening\n", soak) == ["hup: said 1 times, done 0"]


async def test_a_drain_may_be_cut_only_when_the_far_side_was_frozen_at_the_stop() -> None:
    soak = Soak(1.0, random.Random(SEED))
    cut = "[10:00:01] connected as a=\n[10:00:02] the drain was cut (--drain is 2s) before the server answered\n"
    soak.legs.append(Leg())
    assert unexplained(cut, soak) == ["stopped while frozen: said 1 times, done 0"]
    soak.legs[-1].ending = "freeze"
    assert unexplained(cut, soak) == []
