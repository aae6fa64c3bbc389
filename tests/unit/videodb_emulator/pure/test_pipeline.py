"""A script on its way through the agenda; the test is its clock."""

from collections.abc import Sequence
from typing import Any

from videodb_emulator.pure.agenda import Agenda
from videodb_emulator.pure.dialect import Dialect
from videodb_emulator.pure.fields import Fields
from videodb_emulator.pure.pipeline import Pipeline, Source
from videodb_emulator.pure.script import Line, Segment

TWO = [Line(2.0, "one two"), Line(2.0, "three")]


class Playing:
    """A pipeline, and what it published."""

    def __init__(self, lines: Sequence[Line], **dialect: Any) -> None:
        self.agenda = Agenda()
        self.published: list[Segment] = []
        source = Source(self.agenda, Dialect(**dialect), "rts-1", "mic:default")
        self.pipeline = Pipeline(source, lines, self.published.append)

    def at(self, now_s: float) -> tuple[list[str], list[str]]:
        """Return what was published and what was kept by then."""
        self.agenda.advance(now_s)
        kept = self.pipeline.records.page(Fields({})).records
        return [one.text for one in self.published], [one.text for one in kept]


def test_a_pipeline_that_was_stopped_says_nothing_more_and_begins_anew() -> None:
    playing = Playing(TWO)
    playing.pipeline.start(0.0)
    playing.pipeline.start(0.5)  # it runs: nothing changes
    playing.agenda.advance(1.0)
    playing.pipeline.stop()
    playing.agenda.advance(10.0)
    assert [one.text for one in playing.published] == ["one"]
    playing.pipeline.start(20.0)
    playing.agenda.advance(22.0)
    assert [(one.text, one.start_s) for one in playing.published[1:]] == [("one", 20.0), ("one two", 20.0)]


def test_a_start_right_after_a_stop_does_not_play_twice() -> None:
    playing = Playing(TWO[:1])
    playing.pipeline.start(0.0)
    playing.pipeline.stop()
    playing.pipeline.stop()
    playing.pipeline.start(0.0)
    playing.agenda.advance(2.0)
    assert [one.text for one in playing.published] == ["one", "one two"]


def test_only_what_is_final_is_kept() -> None:
    playing = Playing(TWO)
    playing.pipeline.start(0.0)
    assert playing.at(4.0) == (["one", "one two", "three", "three"], ["one two", "three"])


def test_a_record_can_come_later_than_its_event() -> None:
    playing = Playing(TWO[:1], record_lag_s=5.0)
    playing.pipeline.start(0.0)
    assert playing.at(2.0) == (["one", "one two"], [])
    playing.pipeline.stop()
    assert playing.at(6.9)[1] == []
    assert playing.at(7.0)[1] == ["one two"]


def test_a_record_can_come_before_its_event() -> None:
    playing = Playing(TWO[:1], record_lag_s=-1.5)
    playing.pipeline.start(0.0)
    assert playing.at(2.0) == ([], ["one two"])
    playing.pipeline.stop()
    assert playing.at(3.5) == (["one", "one two"], ["one two"])
