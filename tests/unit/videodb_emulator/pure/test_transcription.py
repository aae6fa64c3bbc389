"""A transcript of one stream; the test is its clock."""

import pytest

from support.streaming import Stream
from videodb_emulator.pure.fields import Fields, Refusal
from videodb_emulator.pure.script import SPEECH

FIRST, SECOND = SPEECH[0], SPEECH[1]


def test_a_line_is_heard_half_and_then_whole_and_kept_when_it_is_whole() -> None:
    stream = Stream()
    stream.transcribe(100.0)
    half = stream.heard(100.0 + FIRST.lasts_s / 2)
    assert stream.transcription.page(Fields({}))["transcription_records"] == []
    whole = stream.heard(100.0 + FIRST.lasts_s)
    kept = stream.transcription.page(Fields({}))["transcription_records"]
    assert [(who, event["data"]["is_final"]) for who, event in [*half, *whole]] == [("ours", False), ("ours", True)]
    assert whole[0][1] == {
        "channel": "transcript",
        "rtstream_id": stream.stream.id,
        "rtstream_name": "mic:default",
        "data": {"text": FIRST.text, "is_final": True, "start": 100_000, "end": 102_000},
    }
    assert [(one["text"], one["start"], one["end"]) for one in kept] == [(FIRST.text, 100.0, 102.0)]
    assert " ".join(word["word"] for word in kept[0]["word_timestamps"]) == FIRST.text


def test_speed_divides_how_long_a_line_takes() -> None:
    stream = Stream(speed=10.0)
    stream.transcribe(0.0)
    stream.heard(FIRST.lasts_s / 10)
    assert stream.transcription.page(Fields({}))["total_count"] == 1


def test_a_transcript_that_nobody_hears_is_kept() -> None:
    stream = Stream()
    stream.transcribe(0.0, connection_id=None)
    assert stream.heard(FIRST.lasts_s) == []
    assert stream.transcription.page(Fields({}))["total_count"] == 1


def test_it_is_not_configured_then_running_then_stopped() -> None:
    stream = Stream()
    seen = [stream.transcription.state()["status"]]
    seen.append(stream.transcribe(0.0)["status"])
    seen.append(stream.transcription.stop(1.0)["status"])
    assert seen == ["not_configured", "running", "stopped"]
    assert stream.heard(100.0) == []


@pytest.mark.parametrize("engine", [None, "default", "assemblyai", "AAIS"])
def test_one_engine_has_several_names(engine: str | None) -> None:
    stream = Stream()
    stream.transcribe(0.0)
    stream.heard(FIRST.lasts_s)
    assert stream.transcription.page(Fields({"engine": engine}))["total_count"] == 1
    assert stream.transcription.page(Fields({"engine": "another"}))["total_count"] == 0


def test_the_last_start_wins() -> None:
    stream = Stream()
    stream.transcribe(0.0, "old")
    stream.heard(FIRST.lasts_s)
    stream.transcribe(FIRST.lasts_s, "new")
    moved = stream.heard(FIRST.lasts_s + SECOND.lasts_s)
    assert {who for who, _ in moved} == {"new"}
    assert moved[-1][1]["data"]["text"] == SECOND.text  # it went on where it was


def test_a_second_start_without_a_connection_moves_nothing() -> None:
    stream = Stream()
    stream.transcribe(0.0, "old")
    stream.transcribe(0.0, None)
    assert {who for who, _ in stream.heard(FIRST.lasts_s)} == {"old"}


def test_a_dialect_may_ignore_a_second_start() -> None:
    stream = Stream(rebind="ignore")
    stream.transcribe(0.0, "old")
    stream.transcribe(0.0, "new")
    assert {who for who, _ in stream.heard(FIRST.lasts_s)} == {"old"}


def test_a_dialect_may_send_to_both_connections_after_a_second_start() -> None:
    stream = Stream(rebind="duplicate")
    stream.transcribe(0.0, "old")
    stream.transcribe(0.0, "new")
    assert [who for who, _ in stream.heard(FIRST.lasts_s / 2)] == ["old", "new"]


def test_a_second_start_for_the_same_connection_doubles_its_events_where_starts_are_duplicated() -> None:
    stream = Stream(rebind="duplicate")
    stream.transcribe(0.0, "ours")
    stream.transcribe(0.0, "ours")
    assert [who for who, _ in stream.heard(FIRST.lasts_s / 2)] == ["ours", "ours"]
    stream.heard(FIRST.lasts_s)
    assert stream.transcription.page(Fields({}))["total_count"] == 1


def test_a_stream_that_stops_leaves_a_transcription_that_never_ran_not_configured() -> None:
    stream = Stream()
    stream.stream.stop(1.0)
    assert stream.transcription.state()["status"] == "not_configured"


def test_a_dialect_may_refuse_a_second_start_but_not_one_after_a_stop() -> None:
    stream = Stream(rebind="reject")
    stream.transcribe(0.0, "old")
    with pytest.raises(Refusal, match="running already"):
        stream.transcribe(0.0, "new")
    stream.transcription.stop(0.0)
    stream.transcribe(0.0, "new")
    assert {who for who, _ in stream.heard(FIRST.lasts_s)} == {"new"}
