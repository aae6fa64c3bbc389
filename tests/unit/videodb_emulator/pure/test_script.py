"""Lines on their way, and the records that they leave."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videodb_emulator.pure.agenda import Agenda
from videodb_emulator.pure.fields import Fields, Refusal
from videodb_emulator.pure.player import Player
from videodb_emulator.pure.records import Records
from videodb_emulator.pure.script import SCENES, SHORTEST_S, SPEECH, SUMMARIES, Line, Moment, moments

lines = st.lists(st.builds(Line, st.floats(0.01, 100), st.sampled_from(["one", "one two", "a b c d e"])), min_size=1)


@given(lines, st.floats(0, 2e9), st.floats(0.001, 1e6))
def test_a_line_is_told_by_half_and_then_whole_and_the_next_begins_where_it_ends(
    script: list[Line], began_s: float, speed: float
) -> None:
    played = list(islice(moments(script, began_s, speed), 4 * len(script)))
    halves, wholes = played[::2], played[1::2]
    assert [one.text for one in wholes] == [line.text for line in script * 2]
    for half, whole in zip(halves, wholes, strict=True):
        assert (half.is_final, whole.is_final) == (False, True)
        assert whole.text.startswith(half.text)
        assert whole.start_s == half.start_s <= half.end_s <= whole.end_s
    assert [one.start_s for one in wholes] == [began_s, *(one.end_s for one in wholes[:-1])]


@pytest.mark.parametrize("speed", [1.0, 1e9])
def test_no_line_takes_no_time(speed: float) -> None:
    assert all(one.end_s - one.start_s >= SHORTEST_S * 0.999 for one in islice(moments(SPEECH, 0.0, speed), 1, 9, 2))


@pytest.mark.parametrize("script", [SCENES, SUMMARIES])
def test_an_alert_goes_off_in_every_round_of_an_index(script: tuple[Line, ...]) -> None:
    assert sum(line.alarming for line in script) == 1


def test_a_player_that_was_stopped_says_nothing_more_and_begins_anew() -> None:
    agenda, heard = Agenda(), list[Moment]()
    player = Player(agenda, [Line(2.0, "one two"), Line(2.0, "three")], heard.append)
    player.start(0.0)
    player.start(0.5)  # it runs: nothing changes
    agenda.advance(1.0)
    player.stop()
    agenda.advance(10.0)
    assert [one.text for one in heard] == ["one"]
    player.start(20.0)
    agenda.advance(22.0)
    assert [(one.text, one.start_s) for one in heard[1:]] == [("one", 20.0), ("one two", 20.0)]


def test_a_start_right_after_a_stop_does_not_play_twice() -> None:
    agenda, heard = Agenda(), list[Moment]()
    player = Player(agenda, [Line(2.0, "one two")], heard.append)
    player.start(0.0)
    player.stop()
    player.start(0.0)
    agenda.advance(2.0)
    assert [one.text for one in heard] == ["one", "one two"]


def _records(count: int, *, newest_first: bool = False) -> Records:
    records = Records(newest_first=newest_first)
    for number in range(count):
        records.add(Moment(number, number + 1, str(number), is_final=True, alarming=False))
    return records


@given(st.integers(0, 30), st.integers(1, 12), st.booleans())
def test_pages_together_are_all_records_once(count: int, size: int, newest_first: bool) -> None:
    records, texts, number = _records(count, newest_first=newest_first), list[str](), 1
    while True:
        page = records.page(Fields({"page": number, "page_size": size}))
        texts += [one.text for one in page.records]
        assert page.total == count
        if not page.more:
            break
        number += 1
    assert texts == [str(n) for n in (reversed(range(count)) if newest_first else range(count))]


@given(st.floats(-2, 12), st.floats(-2, 12), st.floats(-2, 12))
def test_a_range_chooses_what_touches_it_and_since_what_ended_later(start: float, end: float, since: float) -> None:
    chosen = _records(10).page(Fields({"start": start, "end": end, "since": since})).records
    assert [int(one.text) for one in chosen] == [n for n in range(10) if n + 1 >= start and n <= end and n + 1 > since]


@pytest.mark.parametrize("query", [{"page": 0}, {"page_size": 1001}, {"page": 1.5}, {"start": "noon"}])
def test_a_range_that_is_none_is_refused_even_without_records(query: dict[str, object]) -> None:
    with pytest.raises(Refusal) as caught:
        Records().page(Fields(query))
    assert caught.value.status == 400
