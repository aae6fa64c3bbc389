"""A stream: every page of its transcript, every bound, the indexes that are made of it, and what it says of itself."""

from __future__ import annotations

from typing import Any

import pytest

from support.recording import RecordingServer, Told, good
from videodb_listen.api.http import Api
from videodb_listen.capture import Export, RTStream
from videodb_listen.errors import Unavailable


@pytest.fixture
def stream(api: Api) -> RTStream:
    return RTStream(api, {"rtstream_id": "rts-1", "channel_id": "screen", "name": "display:1"})


def page(key: str, *starts: int, more: bool) -> Told:
    return good({key: [{"start": start, "end": start + 1} for start in starts], "next_page": more, "total_count": 5})


def starts(records: list[dict[str, Any]]) -> list[int]:
    return [record["start"] for record in records]


def test_every_page_of_a_transcript_is_read(server: RecordingServer, stream: RTStream) -> None:
    key = "transcription_records"
    server.replies = [page(key, 0, 1, more=True), page(key, 2, 3, more=True), page(key, 4, more=False)]
    found = stream.get_transcript()
    assert starts(found[key]) == [0, 1, 2, 3, 4]
    assert (found["next_page"], found["total_count"]) == (False, 5)
    assert [one.query["page"] for one in server.asked] == ["1", "2", "3"]


def test_one_page_is_as_it_was_sent(server: RecordingServer, stream: RTStream) -> None:
    server.replies = [page("transcription_records", 7, more=True)]
    assert stream.get_transcript(page=2, page_size=1)["next_page"] is True
    assert server.asked[0].query == {"page": "2", "page_size": "1"}


async def test_a_transcript_can_be_read_page_by_page(server: RecordingServer, stream: RTStream) -> None:
    key = "transcription_records"
    server.replies = [page(key, 0, 1, more=True), page(key, 1, 2, more=False)]
    found = [starts(one[key]) async for one in stream.transcript_pages(2, start=0, engine="e")]
    assert found == [[0, 1], [2]]
    common = {"page_size": "2", "start": "0", "engine": "e"}
    assert [one.query for one in server.asked] == [common | {"page": "1"}, common | {"page": "2"}]


def test_a_bound_of_zero_is_a_bound(server: RecordingServer, stream: RTStream) -> None:
    stream.get_transcript(start=0, end=0.5, since=0)
    assert server.asked[0].query == {"page": "1", "page_size": "100", "start": "0", "end": "0.5", "since": "0"}


def test_starting_and_stopping_change_the_status(server: RecordingServer, stream: RTStream) -> None:
    stream.start()
    assert stream.status == "connected"
    stream.stop()
    assert stream.status == "stopped"
    assert [one.body["action"] for one in server.asked] == ["start", "stop"]


def test_an_index_knows_its_stream(server: RecordingServer, stream: RTStream) -> None:
    sent = {"rtstream_index_id": "ix-1", "status": "running", "prompt": "p", "extraction_config": {"time": "2"}}
    server.replies = [good(sent), good({"scene_indexes": [sent]}), good(sent)]
    made, (listed,), got = stream.index_visuals("p"), stream.list_scene_indexes(), stream.get_scene_index("ix-1")
    for index in (made, listed, got):
        assert (index.id, index.rtstream_index_id, index.rtstream_id) == ("ix-1", "ix-1", "rts-1")
        assert (index.status, index.prompt, index.extraction_config) == ("running", "p", {"time": "2"})


def test_an_index_without_an_id_is_none(server: RecordingServer, stream: RTStream) -> None:
    server.replies = [good(None)]
    with pytest.raises(Unavailable, match="no rtstream_index_id"):
        stream.index_audio()


def test_an_export_can_be_under_way(server: RecordingServer, stream: RTStream) -> None:
    server.replies = [
        good({"video_id": "m-1", "name": "n", "duration": 3.5, "new": "field"}),
        Told({"success": True, "status": "processing", "request_type": "async", "data": {}}),
    ]
    assert stream.export("n") == Export("m-1", "n", None, None, 3.5)
    assert stream.export().video_id is None


def test_a_stream_can_be_asked_for_again(server: RecordingServer, stream: RTStream) -> None:
    server.replies = [good({"id": "rts-1", "status": "stopped"})]
    assert stream.refresh().status == "stopped"
    assert stream.name == "display:1"
    assert repr(stream) == "<RTStream rts-1 name='display:1' status='stopped'>"
