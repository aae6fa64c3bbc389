"""Consumers of a feed die at any moment; what they are handed is done once, in order. More of it in the fault tier."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import killing


@pytest.mark.parametrize("seed", range(2))
def test_a_consumer_that_is_killed_again_and_again_misses_nothing_and_does_nothing_twice(
    tmp_path: Path, seed: int
) -> None:
    consumers = killing.alone(tmp_path, seed, kills=30)
    again = [batch.token for batch in consumers.handed()]
    assert len(again) > len(set(again)), "no kill hit a batch: nothing was shown"


def test_each_item_is_done_by_one_of_a_group_whose_members_die(tmp_path: Path) -> None:
    killing.together(tmp_path, 1, kills=20)
