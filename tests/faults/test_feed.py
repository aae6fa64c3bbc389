"""Five hundred kills of a consumer, and a hundred seeds of a group whose members die."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import killing
from support.ledger import Ledger


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(5))
def test_after_a_hundred_kills_everything_was_acknowledged_once_and_in_order(
    tmp_path: Path, seed: int, ledger: Ledger
) -> None:
    consumers = killing.alone(tmp_path, 100 + seed, kills=100)
    again = len(consumers.handed()) - len({batch.token for batch in consumers.handed()})
    done = len(consumers.done())
    what = "100 kills of a consumer of a feed, while the file rotates and tears"
    ledger.row("feed kills", what, sent=done, on_disk=done, fired=f"{again} batches were handed out again")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(100))
def test_each_item_is_done_by_one_of_eight_that_die(tmp_path: Path, seed: int) -> None:
    killing.together(tmp_path, seed, kills=15, lease_s=0.2)
