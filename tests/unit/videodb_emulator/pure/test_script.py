"""Lines as the segments that they are played in."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videodb_emulator.pure.script import SCENES, SHORTEST_S, SPEECH, SUMMARIES, Line, segments

lines = st.lists(st.builds(Line, st.floats(0.01, 100), st.sampled_from(["one", "one two", "a b c d e"])), min_size=1)


@given(lines, st.floats(0, 2e9), st.floats(0.001, 1e6))
def test_a_line_is_told_by_half_and_then_whole_and_the_next_begins_where_it_ends(
    script: list[Line], began_s: float, speed: float
) -> None:
    played = list(islice(segments(script, began_s, speed), 4 * len(script)))
    halves, wholes = played[::2], played[1::2]
    assert [one.text for one in wholes] == [line.text for line in script * 2]
    for half, whole in zip(halves, wholes, strict=True):
        assert (half.is_final, whole.is_final) == (False, True)
        assert whole.text.startswith(half.text)
        assert whole.start_s == half.start_s <= half.end_s <= whole.end_s
    assert [one.start_s for one in wholes] == [began_s, *(one.end_s for one in wholes[:-1])]


@pytest.mark.parametrize("speed", [1.0, 1e9])
def test_no_line_takes_no_time(speed: float) -> None:
    assert all(one.end_s - one.start_s >= SHORTEST_S * 0.999 for one in islice(segments(SPEECH, 0.0, speed), 1, 9, 2))


@pytest.mark.parametrize("script", [SCENES, SUMMARIES])
def test_alerts_fire_once_in_every_round_of_an_index(script: tuple[Line, ...]) -> None:
    assert sum(line.fires_alerts for line in script) == 1
