"""What programs read by: what is there, the last of it, what is awaited, and what was recorded in all."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from support.history import NOW_S, HandMade, Heard, line
from videodb_listen import Recording, query, read_events, wait_for
from videodb_listen.cli import main
from videodb_listen.errors import ListenError, NotRunning, SessionFailed, TimedOut
from videodb_listen.line import id_of
from videodb_listen.paths import Layout
from videodb_listen.reader.history import Place
from videodb_listen.reader.journal import Gap, Journal
from videodb_listen.reader.run import Run
from videodb_listen.system.watch import Watch


def test_what_is_there_is_read_as_dictionaries(site: HandMade) -> None:
    site.append(3)
    site.rotate()
    site.append(2, channel="alert")
    assert [event["n"] for event in read_events(site.directory)] == [0, 1, 2, 3, 4]
    assert [event["n"] for event in read_events(str(site.directory), query.channel("alert"))] == [3, 4]
    assert [event["n"] for event in read_events(site.directory, since=NOW_S + 3)] == [3, 4]
    assert [event["n"] for event in read_events(site.events)] == [3, 4]


def test_without_a_source_it_is_the_directory_of_the_commands(site: HandMade, monkeypatch: pytest.MonkeyPatch) -> None:
    site.append(1)
    monkeypatch.setenv("VIDEODB_EVENTS_DIR", str(site.directory))
    assert len(list(read_events())) == 1
    monkeypatch.delenv("VIDEODB_EVENTS_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", str(site.directory / "nowhere"))
    assert list(read_events()) == []


def test_damaged_lines_are_left_out(site: HandMade) -> None:
    site.append(1)
    with site.events.open("ab") as file:
        file.write(b"{half\n")
    site.append(1)
    assert [event["n"] for event in read_events(site.directory)] == [0, 1]


def test_one_file_alone_has_no_listener_no_journal_and_no_run(site: HandMade) -> None:
    site.append(2)
    site.rotate()
    site.append(1)
    Layout(site.directory).journal.write_text(json.dumps(GAP) + "\n")
    alone = Recording(site.events)
    assert [event["n"] for event in alone.events()] == [2]
    assert (alone.layout, alone.run(), alone.state(), alone.journal()) == (None, None, None, Journal())
    assert (alone.presence().held, alone.verify().events) == (False, 1)


def test_the_last_are_those_before_a_place(site: HandMade) -> None:
    site.append(3)
    recording = Recording(site.directory)
    end = recording.history.end()
    site.append(3)
    assert [event["n"] for _, event in recording.last(2)] == [4, 5]
    assert [event["n"] for _, event in recording.last(2, before=end)] == [1, 2]
    assert [event["n"] for _, event in recording.last(2, query.channel("alert"))] == []


def test_a_session_means_its_streams_as_well(site: HandMade) -> None:
    site.append(1, channel="capture_session", capture_session_id="a", data={"rtstreams": [{"rtstream_id": "r"}]})
    site.append(1, rtstream_id="r")
    site.append(1, rtstream_id="other")
    site.append(1, channel="capture_session", capture_session_id="b")
    recording = Recording(site.directory)
    assert [event["n"] for event in recording.events(recording.of_sessions("a"))] == [0, 1]
    assert [event["n"] for event in recording.events(recording.of_sessions("b"))] == [3]


def test_the_newest_session_is_the_last_that_was_seen_first(site: HandMade) -> None:
    recording = Recording(site.directory)
    assert recording.session_id("last") is recording.session_id("current") is None
    lifecycle(site, "active", "a")
    lifecycle(site, "created", "b")
    lifecycle(site, "exported", "a")
    assert recording.session_id("last") == recording.session_id("current") == "b"
    lifecycle(site, "stopped", "b")
    assert (recording.session_id("last"), recording.session_id("current")) == ("b", None)


def test_streams_have_the_names_that_sessions_gave_them(site: HandMade) -> None:
    streams = [{"rtstream_id": "r", "name": "mic"}, {"id": "s", "channel_id": "display"}, {"id": "t"}]
    site.append(1, channel="capture_session", event="capture_session.active", data={"rtstreams": streams})
    site.append(1, rtstream_id="r")
    recording = Recording(site.directory)
    assert recording.stream_names() == {"r": "mic", "s": "display"}
    assert recording.stats().streams["r"].label == "mic"


def test_a_question_before_the_reading_tells_of_no_loss(site: HandMade) -> None:
    site.append(1, channel="alert")
    with site.events.open("ab") as file:
        file.write(b'{"channel":"alert\n')
    losses = Heard()
    recording = Recording(site.directory, losses=losses)
    assert (recording.has(query.channel("alert")), recording.has(query.channel("mine"))) == (True, False)
    recording.of_sessions("a")
    assert losses == Heard()
    assert len(list(recording.events())) == 1
    assert len(losses.lines) == 1


def test_stats_have_the_gaps_of_the_time_that_was_asked_for(site: HandMade) -> None:
    site.append(4)
    later = {**GAP, "from_unix_ts": NOW_S + 10, "to_unix_ts": NOW_S + 11}
    Layout(site.directory).journal.write_text(json.dumps(GAP) + "\n" + json.dumps(later) + "\n")
    recording = Recording(site.directory)
    assert [gap.from_s for gap in recording.stats().gaps] == [NOW_S, NOW_S + 10]
    found = recording.stats(query.channel("transcript"), since=NOW_S + 2, until=NOW_S + 10)
    assert (found.total.events, found.gaps) == (2, [Gap(NOW_S, NOW_S + 2, None, None)])


def test_the_run_is_the_one_that_the_state_file_tells_of(site: HandMade) -> None:
    assert Recording(site.directory).run() is None
    publish(site, run_after="x", run_from=7)
    assert Recording(site.directory).run() == Run("x", 7)


def test_a_cursor_is_that_of_the_directory(site: HandMade) -> None:
    with Recording(site.directory).cursor("a").held():
        Recording(site.directory).cursor("a").save(Place(None, "head", 7))
    assert Recording(str(site.directory)).cursor("a").load() == Place(None, "head", 7)


# -- waiting --

GAP = {"event": "gap", "from_unix_ts": NOW_S, "to_unix_ts": NOW_S + 2}
EXPORTED = "capture_session.exported"


def publish(site: HandMade, **state: Any) -> None:
    """Write the state file of a listener that is this process."""
    Layout(site.directory).state.write_text(json.dumps({"pid": os.getpid(), **state}))


def lifecycle(site: HandMade, name: str, session: str) -> None:
    site.append(1, channel="capture_session", event=f"capture_session.{name}", capture_session_id=session)


def over(site: HandMade) -> None:
    for name in ("active", "exported"):
        lifecycle(site, name, "a")


@pytest.mark.parametrize(
    ("session", "status"), [(None, 124), ("current", 124), ("last", 0), ("a", 0)], ids=["none", "current", "last", "id"]
)
@pytest.mark.usefixtures("held")
def test_a_session_that_is_over_is_an_answer_only_to_who_asks_for_it(
    site: HandMade, session: str | None, status: int
) -> None:
    over(site)
    publish(site, started_unix_ts=NOW_S)
    named = ["--session", session] if session else []
    with pytest.raises(SystemExit) as end:
        main(["wait", "capture_session.active", *named, "--dir", str(site.directory), "--timeout", "0"])
    assert end.value.code == status


def test_without_a_listener_it_is_said_that_the_newest_session_is_over(site: HandMade) -> None:
    over(site)
    with pytest.raises(NotRunning, match=r"the newest session is over.*--session last"):
        wait_for(query.event("capture_session.active"), site.directory, since="start")


def nothing(_site: HandMade) -> None:
    """Nobody has recorded anything."""


def exported(site: HandMade) -> None:
    lifecycle(site, "created", "a")
    lifecycle(site, "exported", "a")


def failed(site: HandMade) -> None:
    lifecycle(site, "exported", "old")
    lifecycle(site, "created", "a")
    lifecycle(site, "failed", "a")


def failed_before_another(site: HandMade) -> None:
    lifecycle(site, "created", "a")
    lifecycle(site, "failed", "a")
    lifecycle(site, "created", "b")


ENDINGS: list[tuple[Callable[[HandMade], None], bool, type[ListenError] | None]] = [
    (nothing, False, NotRunning),
    (nothing, True, TimedOut),
    (exported, False, None),
    (exported, True, None),
    (failed, False, SessionFailed),
    (failed, True, SessionFailed),
    (failed_before_another, False, NotRunning),
    (failed_before_another, True, TimedOut),
]


@pytest.mark.parametrize(("record", "is_held", "error"), ENDINGS)
def test_waiting_ends_alike_in_a_program_and_at_the_shell(
    site: HandMade,
    request: pytest.FixtureRequest,
    record: Callable[[HandMade], None],
    is_held: bool,
    error: type[ListenError] | None,
) -> None:
    record(site)
    if is_held:
        request.getfixturevalue("held")
        publish(site, started_unix_ts=NOW_S)
    with pytest.raises(SystemExit) as end:
        main(["wait", EXPORTED, "--dir", str(site.directory), "--timeout", "0"])
    assert end.value.code == (error.status if error else 0)
    with pytest.raises(error) if error else contextlib.nullcontext():
        assert wait_for(query.event(EXPORTED), site.directory, since="start", timeout_s=0)["event"] == EXPORTED


@pytest.mark.usefixtures("held")
def test_waiting_counts_from_a_time_from_the_start_or_from_now(site: HandMade) -> None:
    site.append(5)
    publish(site, started_unix_ts=NOW_S + 2)
    recording = Recording(site.directory)
    assert recording.wait(query.ANY, since=NOW_S + 3)["n"] == 3
    assert recording.wait(query.ANY, since="start")["n"] == 2
    with pytest.raises(TimedOut, match="no such event within"):
        recording.wait(query.ANY, timeout_s=0)


@pytest.mark.usefixtures("held")
def test_events_of_an_earlier_run_whose_clock_was_ahead_are_neither_of_this_one_nor_from_now(site: HandMade) -> None:
    site.append(3, unix_ts=time.time() + 3600)
    begin = site.events.stat().st_size
    publish(site, started_unix_ts=NOW_S, run_after=None, run_from=begin)
    recording = Recording(site.directory)
    for since in ("start", None):
        with pytest.raises(TimedOut):
            recording.wait(query.ANY, since=since, timeout_s=0)
    site.append(1)
    assert recording.wait(query.ANY, since="start")["n"] == 3


@pytest.mark.usefixtures("held")
def test_what_comes_while_we_wait_is_told_as_its_line(site: HandMade, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[bytes, int]] = []
    monkeypatch.setattr(Watch, "wait", lambda _watch, _timeout_s: site.append(1))
    found = Recording(site.directory).wait(query.ANY, on_found=lambda line, event: told.append((line, event["n"])))
    assert (found["n"], told) == (0, [(line(0), 0)])


@pytest.mark.usefixtures("held")
def test_a_listener_that_has_just_taken_the_lock_is_asked_again_when_it_started(
    site: HandMade, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.append(2)
    Layout(site.directory).state.write_text(json.dumps({"pid": None, "started_unix_ts": 0.0}))  # of an earlier one
    monkeypatch.setattr(time, "sleep", lambda _s: publish(site, started_unix_ts=NOW_S + 1))
    assert Recording(site.directory).wait(query.ANY, since="start")["n"] == 1


def test_one_file_alone_is_waited_on_though_no_listener_runs(site: HandMade) -> None:
    site.append(1)
    with pytest.raises(TimedOut):
        wait_for(query.channel("alert"), site.events, since=0, timeout_s=0)


def test_a_stream_that_no_event_names_is_named_by_its_session(site: HandMade) -> None:
    streams = {"rtstreams": [{"rtstream_id": "rts-1", "name": "mic:default"}, {"id": "rts-2", "name": "sys"}, {}]}
    site.append(channel="capture_session", event="capture_session.active", data=streams)
    voices = Recording(site.directory).voices()
    said = [{"channel": "transcript", "rtstream_id": stream} for stream in ("rts-1", "rts-2", "rts-3")]
    assert [voices.who(event) for event in said] == ["owner", "guest", "guest"]


def test_an_event_is_found_by_its_id_wherever_it_is_by_now(site: HandMade) -> None:
    site.append(3)
    site.rotate()
    site.append(3)
    site.rotate()
    site.compress()
    site.append(3)
    lines = [line(n) for n in range(9)]
    recording = Recording(site.directory)
    for one in lines:
        assert [found for found, _ in recording.find(id_of(one))] == [one]
        assert one in [found for found, _ in recording.find(id_of(one)[:8].upper())]
    assert recording.find("zzzzzzzzzzzz") == []
    with pytest.raises(ValueError, match="no id"):
        recording.find("thursday!")


def test_an_event_of_a_wrong_clock_is_found_as_well(site: HandMade) -> None:
    wrong = b'{"ts":"1970-01-01T00:00:05.000Z","unix_ts":5.000,"channel":"alert"}\n'
    site.events.write_bytes(line(0) + wrong + line(1))
    assert [found for found, _ in Recording(site.directory).find(id_of(wrong))] == [wrong]
