"""Streams connected, stopped, listed and exported; the test is their clock."""

import pytest

from support.streaming import Stream
from videodb_emulator.pure.account import Account
from videodb_emulator.pure.agenda import Agenda
from videodb_emulator.pure.fields import Fields, Refusal


def test_what_works_on_a_stream_stops_with_it() -> None:
    stream = Stream()
    stream.transcribe(0.0)
    index = stream.index(0.0)
    stream.stream.stop(1.0)
    assert (stream.transcription.status, index.body()["status"]) == ("stopped", "stopped")
    stream.heard(1.0)
    assert stream.heard(100.0) == []


def test_only_a_stopped_stream_that_was_stored_has_a_recording() -> None:
    stream = Stream()
    streams = stream.account.streams
    with pytest.raises(Refusal, match="stop it before"):
        streams.export(stream.stream, Fields({}))
    stream.stream.stop(7.5)
    first, second = streams.export(stream.stream, Fields({"name": "Talk"})), streams.export(stream.stream, Fields({}))
    assert (first["name"], first["duration"], first["stream_url"]) == ("Talk", 7.5, None)
    assert second == {**first, "duration": None}
    stream.stream.store, stream.stream.export = False, None
    with pytest.raises(Refusal, match="no recordings"):
        streams.export(stream.stream, Fields({}))


def test_another_owners_streams_are_listed_and_transcribed_and_nobody_here_hears_of_them() -> None:
    stream = Stream(other_streams=2)
    stream.account.streams.open_others(0.0)
    stream.transcribe(0.0)
    assert {who for who, _ in stream.heard(10.0)} == {"ours"}
    listed = stream.account.streams.page(Fields({}))["results"]
    others = [one for one in listed if one["collection_id"] != stream.account.library.collection_id]
    assert (len(listed), len(others)) == (3, 2)
    kept = stream.account.streams.get(others[0]["id"]).transcription.page(Fields({}))
    assert kept["total_count"] > 0


def test_an_owner_stops_the_transcriptions_of_the_account_and_no_others() -> None:
    stream = Stream(other_streams=1)
    streams = stream.account.streams
    quiet = streams.open("quiet", ["audio"], 0.0, store=False)
    streams.open_others(0.0)
    (other,) = set(streams._streams) - {stream.stream.id, quiet.id}
    stream.transcribe(0.0)
    assert streams.stop_transcriptions(1.0) == 1
    found = [one.transcription.state()["status"] for one in (stream.stream, quiet, streams.get(other))]
    assert found == ["stopped", "not_configured", "running"]


def test_streams_are_found_by_status_and_name_and_ordered() -> None:
    account = Account(Agenda())
    for now_s, name in enumerate(["Door", "Yard", "Back door"]):
        stream = account.streams.open(name, ["video"], float(now_s), store=False)
        if name == "Yard":
            stream.stop(9.0)

    def names(**query: str) -> list[str]:
        return [one["name"] for one in account.streams.page(Fields(query))["results"]]

    assert names() == ["Back door", "Yard", "Door"]
    assert names(ordering="name") == ["Back door", "Door", "Yard"]
    assert names(status="stopped") == ["Yard"]
    assert names(name="oor") == ["Back door", "Door"]
    assert names(limit="1", offset="1") == ["Yard"]
