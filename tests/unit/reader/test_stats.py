"""How much of what, and when."""

from __future__ import annotations

import fcntl
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videodb_listen.line import encode_line
from videodb_listen.paths import Layout
from videodb_listen.reader import query
from videodb_listen.reader.history import History
from videodb_listen.reader.journal import Gap
from videodb_listen.reader.query import Where
from videodb_listen.reader.run import Run
from videodb_listen.reader.stats import Amount, Stats, measure, ranked, state_of

NOW_S = 1772446530.0


def line(event: dict[str, Any], at_s: float = NOW_S) -> bytes:
    return encode_line(json.dumps(event).encode(), at_s)


def counted(*lines: bytes) -> Stats:
    stats = Stats()
    stats.take(b"".join(lines))
    return stats


# -- one amount --


@pytest.mark.parametrize(
    ("stamps", "first", "last", "rate"),
    [
        ([], None, None, None),
        ([None], None, None, None),
        ([5.0], 5.0, 5.0, None),
        ([5.0, 5.0], 5.0, 5.0, None),
        ([0.0, 60.0], 0.0, 60.0, 2.0),
        ([0.0, 30.0, 60.0], 0.0, 60.0, 3.0),
        ([60.0, 0.0], 0.0, 60.0, 2.0),
        ([0.0, None, 60.0], 0.0, 60.0, 3.0),
    ],
)
def test_a_rate_is_events_over_the_time_from_the_first_to_the_last(
    stamps: list[float | None], first: float | None, last: float | None, rate: float | None
) -> None:
    amount = Amount()
    for stamp in stamps:
        amount.add(10, stamp)
    assert (amount.events, amount.bytes) == (len(stamps), 10 * len(stamps))
    assert (amount.first_s, amount.last_s) == (first, last)
    assert amount.rate_per_minute == (rate if rate is None else pytest.approx(rate))


def test_the_newest_label_counts_and_silence_takes_none_away() -> None:
    amount = Amount()
    for label in (None, "old", "new", None, ""):
        amount.add(1, NOW_S, label)
    assert amount.label == "new"


# -- which amounts an event belongs to --


@pytest.mark.parametrize(
    ("event", "channel", "stream", "session"),
    [
        ({"channel": "transcript", "rtstream_id": "r", "rtstream_name": "mic"}, "transcript", ("r", "mic"), None),
        ({"channel": "scene_index", "rtstream_id": "r"}, "visual_index", ("r", None), None),
        ({"channel": "spoken_index", "rtstream_name": "mic"}, "audio_index", ("mic", "mic"), None),
        ({"channel": "alert", "data": {"rtstream_id": "r"}}, "alert", ("r", None), None),
        (
            {"channel": "capture_session", "event": "capture_session.active", "capture_session_id": "cap"},
            "capture_session",
            None,
            ("cap", "active"),
        ),
        ({"event": "capture_session.failed", "session_id": "cap"}, "capture_session", None, ("cap", "failed")),
        ({"channel": "transcript", "session_id": "cap"}, "transcript", None, ("cap", None)),
        ({}, "event", None, None),
    ],
)
def test_an_event_counts_for_its_channel_its_stream_and_its_session(
    event: dict[str, Any], channel: str, stream: tuple[str, str | None] | None, session: tuple[str, str | None] | None
) -> None:
    stats = counted(line(event))
    assert [(name, amount.events) for name, amount in stats.channels.items()] == [(channel, 1)]
    assert [(name, amount.label) for name, amount in stats.streams.items()] == ([stream] if stream else [])
    assert [(name, amount.label) for name, amount in stats.sessions.items()] == ([session] if session else [])


@pytest.mark.parametrize(
    ("event", "state"),
    [
        ({"channel": "capture_session", "event": "capture_session.active"}, "active"),
        ({"event": "capture_session.stopped"}, "stopped"),
        ({"channel": "capture_session", "data": {"status": "exported"}}, "exported"),
        ({"channel": "capture_session", "event": "capture_session.x", "status": "y"}, "y"),
        ({"channel": "capture_session"}, None),
        ({"channel": "transcript", "status": "active"}, None),
        ({}, None),
    ],
)
def test_only_a_lifecycle_event_announces_a_state(event: dict[str, Any], state: str | None) -> None:
    assert state_of(event) == state


def test_lines_that_are_no_events_are_counted_apart() -> None:
    stats = counted(line({"channel": "a"}), b'{"half\n', b"[1]\n", b"\n")
    assert (stats.total.events, stats.damaged) == (1, 3)


def test_only_what_was_asked_for_is_counted() -> None:
    stats = Stats()
    stats.take(line({"channel": "alert"}) + line({"channel": "transcript"}), query.channel("alert"))
    assert list(stats.channels) == ["alert"]
    assert stats.total.events == 1


def test_the_most_frequent_comes_first_and_equals_by_name() -> None:
    stats = counted(*(line({"channel": name}) for name in "baccb"))
    assert [name for name, _ in ranked(stats.channels)] == ["b", "c", "a"]


def test_as_a_dictionary_it_has_shares_and_labels_and_the_most_frequent_first() -> None:
    mic = {"channel": "transcript", "rtstream_id": "r", "rtstream_name": "mic"}
    stats = counted(line(mic), line(mic, NOW_S + 60), line({"channel": "alert"}))
    stats.gaps = [Gap(1.0, 2.0, None, None)]
    said = stats.as_dict()
    assert json.loads(json.dumps(said)) == said
    assert [(one["channel"], one["share"]) for one in said["channels"]] == [("transcript", 0.6667), ("alert", 0.3333)]
    assert [(one["stream"], one["name"], one["rate_per_minute"]) for one in said["streams"]] == [("r", "mic", 2.0)]
    assert (said["sessions"], said["gaps"]["count"], said["damaged_lines"]) == ([], 1, 0)
    assert Stats().as_dict()["channels"] == []


# -- laws --

events = st.fixed_dictionaries(
    {},
    optional={
        "channel": st.sampled_from(["transcript", "scene_index", "visual_index", "capture_session"]),
        "rtstream_id": st.sampled_from(["r1", "r2"]),
        "rtstream_name": st.sampled_from(["mic", "screen"]),
        "capture_session_id": st.sampled_from(["s1", "s2"]),
        "status": st.sampled_from(["active", "stopped"]),
    },
)
lines = st.lists(
    st.builds(line, events, st.integers(0, 10_000).map(lambda s: NOW_S + s)) | st.just(b'{"unstamped":1}\n')
)


def sum_of(parts: Sequence[Amount]) -> Amount:
    """What the amounts of consecutive parts come to, computed from nothing but their fields."""
    stamps = [stamp for part in parts for stamp in (part.first_s, part.last_s) if stamp is not None]
    labels = [part.label for part in parts if part.label]
    return Amount(
        sum(part.events for part in parts),
        sum(part.bytes for part in parts),
        min(stamps, default=None),
        max(stamps, default=None),
        labels[-1] if labels else None,
    )


@given(lines, lines)
def test_the_stats_of_two_files_in_a_row_are_the_sum_of_theirs(first: list[bytes], second: list[bytes]) -> None:
    parts, whole = (counted(*first), counted(*second)), counted(*first, *second)
    assert whole.total == sum_of([part.total for part in parts])
    for table in ("channels", "streams", "sessions"):
        tables: list[dict[str, Amount]] = [getattr(part, table) for part in parts]
        expected = {
            name: sum_of([amounts[name] for amounts in tables if name in amounts])
            for name in {**tables[0], **tables[1]}
        }
        assert getattr(whole, table) == expected


@given(lines)
def test_every_event_is_in_one_channel(some: list[bytes]) -> None:
    stats = counted(*some)
    assert sum(amount.events for amount in stats.channels.values()) == stats.total.events == len(some)
    assert sum(amount.bytes for amount in stats.channels.values()) == stats.total.bytes == sum(map(len, some))


# -- files --

RECORD = [line({"channel": "transcript", "n": number}, NOW_S + number) for number in range(9)]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Nine events, a second apart: three compressed, three rotated, three in the events file."""
    packed = tmp_path / "videodb_events.20260302T101530.000Z.jsonl.gz"
    packed.write_bytes(gzip.compress(b"".join(RECORD[:3])))
    (tmp_path / "videodb_events.20260302T101531.000Z.jsonl").write_bytes(b"".join(RECORD[3:6]))
    (tmp_path / "videodb_events.jsonl").write_bytes(b"".join(RECORD[6:]))
    return tmp_path


def test_all_generations_are_counted_as_one_file(directory: Path) -> None:
    assert measure(History(directory)) == counted(*RECORD)


@pytest.mark.parametrize("is_held", [False, True])
def test_a_line_without_its_end_is_there_unless_somebody_writes_it(directory: Path, is_held: bool) -> None:
    with (directory / "videodb_events.jsonl").open("ab") as file:
        file.write(RECORD[0][:-1])
    with Layout(directory).lock.open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if is_held else fcntl.LOCK_UN)
        assert measure(History(directory)) == counted(*RECORD, *([] if is_held else [RECORD[0]]))


def test_a_fragment_at_the_end_is_damage(directory: Path) -> None:
    with (directory / "videodb_events.jsonl").open("ab") as file:
        file.write(RECORD[0][:-5])
    assert measure(History(directory)).damaged == counted(*RECORD).damaged + 1


@pytest.mark.parametrize("since", range(10))
def test_since_counts_the_same_with_and_without_knowing_the_run(directory: Path, since: int) -> None:
    where = query.since(NOW_S + since)
    run = Run(after="20260302T101531.000Z", offset=0)
    found = measure(History(directory), where, since_s=NOW_S + since, run=run)
    assert found == measure(History(directory), where)
    assert found.total.events == 9 - since


def test_an_empty_file_is_zeros(tmp_path: Path) -> None:
    (tmp_path / "videodb_events.jsonl").touch()
    assert measure(History(tmp_path)) == Stats()


def test_a_file_that_is_cleared_meanwhile_is_counted_anew(directory: Path) -> None:
    events_file = directory / "videodb_events.jsonl"
    new = line({"channel": "new"}, NOW_S + 100)

    def cleared_at_the_last(event: Any) -> bool:
        if event.get("n") == 8:
            events_file.write_bytes(new)
        return True

    assert measure(History(directory), Where(cleared_at_the_last)) == counted(*RECORD[:6], new)
