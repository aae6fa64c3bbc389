"""What the journal says of the time when nobody recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from videodb_listen.reader.journal import Gap, Journal, Marks, gap_of, gaps_as_dict, longest, read_journal, total_s


def gap(begin: object, end: object, **more: Any) -> dict[str, Any]:
    return {"event": "gap", "from_unix_ts": begin, "to_unix_ts": end, **more}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (gap(1.0, 3.5, old_ws_id="a", new_ws_id="b"), Gap(1.0, 3.5, "a", "b")),
        (gap(1, 3), Gap(1.0, 3.0, None, None)),
        (gap(1.0, 3.0, old_ws_id=5), Gap(1.0, 3.0, None, None)),
        (gap(None, 3.0), None),
        (gap("soon", 3.0), None),
        (gap(1.0, 3.0, reason="crashed"), Gap(1.0, 3.0, None, None, "crashed")),
        (gap(1.0, 3.0, reason="stopped"), Gap(1.0, 3.0, None, None, "stopped")),
        (gap(1.0, 3.0, reason=["?"]), Gap(1.0, 3.0, None, None, "lost")),
        ({"event": "gap"}, None),
        ({"event": "lost", "from_unix_ts": 1.0, "to_unix_ts": 2.0}, None),
        ({}, None),
    ],
)
def test_a_gap_has_two_ends(record: dict[str, Any], expected: Gap | None) -> None:
    assert gap_of(record) == expected


def test_a_gap_lasts_no_negative_time_after_a_clock_was_set_back() -> None:
    assert Gap(10.0, 12.5, None, None).duration_s == 2.5
    assert Gap(10.0, 3.0, None, None).duration_s == 0.0


@pytest.mark.parametrize(
    ("since", "until", "touched"),
    [
        (None, None, True),
        (10.0, 20.0, True),
        (15.0, 16.0, True),
        (20.0, None, True),
        (20.1, None, False),
        (None, 10.0, False),
        (None, 10.1, True),
    ],
)
def test_a_gap_touches_a_time_when_any_of_it_lies_there(
    since: float | None, until: float | None, touched: bool
) -> None:
    assert Gap(10.0, 20.0, None, None).touches(since, until) is touched


def test_every_kind_of_record_is_counted_and_a_torn_one_is_passed_over(tmp_path: Path) -> None:
    journal = tmp_path / "videodb_ws_connections.jsonl"
    records = [{"event": "connected"}, gap(1.0, 2.0), {"event": "recovered"}, gap(3.0, None), {"event": ["?"]}, {}]
    journal.write_bytes(b"".join(json.dumps(record).encode() + b"\n" for record in records) + b'{"event":"ga\n{"half')
    found = read_journal(journal)
    assert found.gaps == [Gap(1.0, 2.0, None, None)]
    assert found.counts == {"connected": 1, "gap": 2, "recovered": 1, "['?']": 1, "None": 1}


def test_when_a_connection_was_lost_last_is_known() -> None:
    assert Journal.of([]).lost_s is None
    assert Journal.of([{"event": "lost", "unix_ts": 5.0}, {"event": "lost", "unix_ts": 7.0}, gap(7, 8)]).lost_s == 7.0


def at(moment_s: float) -> dict[str, Any]:
    return {"unix_ts": moment_s}


def appended(journal: Path, *gaps: dict[str, Any]) -> None:
    with journal.open("ab") as file:
        file.write(b"".join(json.dumps(each).encode() + b"\n" for each in gaps))


def ends(gaps: list[Gap]) -> list[float]:
    return [gap.to_s for gap in gaps]


def test_a_mark_stands_once_between_the_events_before_and_behind_it(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    appended(journal, gap(0, 1), gap(11, 12), gap(13, 14), gap(25, 26))
    marks = Marks(journal)
    assert [ends(marks.before(at(moment_s))) for moment_s in (10.0, 20.0, 21.0)] == [[], [12.0, 14.0], []]


def test_marks_begin_behind_the_event_that_was_read_last(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    appended(journal, gap(1, 2), gap(3, 4))
    marks = Marks(journal)
    marks.begin(2.5)
    assert ends(marks.before(at(10.0))) == [4.0]
    unknown = Marks(journal)
    unknown.begin(None)
    assert ends(unknown.before(at(10.0))) == []


def test_who_follows_gets_a_mark_when_it_comes(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    appended(journal, gap(1, 2))
    marks = Marks(journal)
    assert ends(marks.news()) == []  # it stands before all that is shown
    appended(journal, gap(3, 4))
    assert [ends(marks.news()), ends(marks.news())] == [[4.0], []]


def test_a_mark_behind_the_last_event_is_news_to_who_follows(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    appended(journal, gap(1, 2), gap(11, 12))
    marks = Marks(journal)
    marks.before(at(10.0))
    assert ends(marks.news()) == [12.0]


def test_without_a_journal_or_a_stamp_there_are_no_marks(tmp_path: Path) -> None:
    assert Marks(None).before(at(1.0)) == Marks(None).news() == Marks(tmp_path / "none").news() == []
    journal = tmp_path / "journal.jsonl"
    appended(journal, gap(1, 2))
    marks = Marks(journal)
    assert (marks.before(at(1.0)), marks.before({}), ends(marks.before(at(3.0)))) == ([], [], [2.0])


def test_no_journal_is_an_empty_one(tmp_path: Path) -> None:
    assert read_journal(tmp_path / "videodb_ws_connections.jsonl") == Journal.of([]) == Journal()


def test_gaps_are_summed_up_and_the_first_of_the_longest_is_named() -> None:
    gaps = [Gap(1.0, 2.0, None, None), Gap(5.0, 8.0, "a", "b"), Gap(10.0, 13.0, "b", "c")]
    assert (total_s(gaps), longest(gaps)) == (7.0, gaps[1])
    assert (total_s([]), longest([])) == (0.0, None)
    said = gaps_as_dict(gaps)
    assert (said["count"], said["total_s"], said["longest_s"]) == (3, 7.0, 3.0)
    assert said["each"][1] == {
        "from_unix_ts": 5.0,
        "to_unix_ts": 8.0,
        "duration_s": 3.0,
        "reason": "lost",
        "old_ws_id": "a",
        "new_ws_id": "b",
    }
    assert gaps_as_dict([])["longest_s"] == 0.0
