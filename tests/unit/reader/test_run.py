"""Where a run begins is known in every file, whatever became of those before it."""

from __future__ import annotations

import pytest

from videodb_listen.presence import State
from videodb_listen.reader.run import Run

OLD, OLDER, OLDEST = "20260302T101530.000Z", "20260302T091530.000Z", "20260302T081530.000Z"


@pytest.mark.parametrize(
    ("run", "stamp", "after", "begin"),
    [
        (Run(None, 7), OLD, None, 7),
        (Run(None, 7), None, None, 7),
        (Run(None, 7), None, OLD, 0),
        (Run(OLD, 7), OLDER, None, None),
        (Run(OLD, 7), OLD, OLDER, None),
        (Run(OLD, 7), None, OLD, 7),
        (Run(OLDER, 7), OLD, OLDER, 7),
        (Run(OLDER, 7), None, OLD, 0),
    ],
)
def test_a_run_begins_in_the_first_file_behind_its_generation(
    run: Run, stamp: str | None, after: str | None, begin: int | None
) -> None:
    assert run.begins_in(stamp, after) == begin


@pytest.mark.parametrize("after", [None, OLDEST])
def test_the_generation_that_it_began_behind_may_have_been_removed(after: str | None) -> None:
    assert Run(OLDER, 7).begins_in(OLD, after) == 7
    assert Run(OLDER, 0).begins_in(None, after) == 0


def test_a_state_file_of_a_listener_that_does_not_say_where_it_began_gives_no_run() -> None:
    assert Run.of(None) is None
    assert Run.of(State()) is None
    assert Run.of(State(run_after="x", run_from=7)) == Run("x", 7)
