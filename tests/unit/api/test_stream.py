"""A stream and its indexes: every page, every bound, and what they say of themselves."""

from __future__ import annotations

from typing import Any

import pytest

from support.recording import RecordingServer, Told, good
from videodb_listen.api.http import Api
from videodb_listen.api.pages import MAX_STALE_PAGES
from videodb_listen.capture import Export, RTStream, SceneIndex
from videodb_listen.errors import Unavailable


@pytest.fixture
def stream(api: Api) -> RTStream:
    return RTStream(api, {"rtstream_id": "rts-1", "channel_id": "screen", "name": "display:1"})


@pytest.fixture
def index(api: Api) -> SceneIndex:
    return SceneIndex(api, {"rtstream_index_id": "ix-1", "rtstream_id": "rts-1"})


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


def test_records_that_new_ones_push_to_the_next_page_come_once(server: RecordingServer, index: SceneIndex) -> None:
    key = "scene_index_records"
    server.replies = [page(key, 9, 9, 8, more=True), page(key, 9, 8, 7, more=True), page(key, 6, more=False)]
    assert starts(index.get_scenes()["scenes"]) == [9, 9, 8, 7, 6]


def test_a_page_that_is_all_old_is_not_the_last(server: RecordingServer, index: SceneIndex) -> None:
    key = "scene_index_records"
    server.replies = [page(key, 2, more=True), page(key, 2, more=True), page(key, 1, more=False)]
    assert starts(index.get_scenes(page_size=1)["scenes"]) == [2, 1]


@pytest.mark.parametrize(
    ("last", "asked"),
    [
        (page("scene_index_records", more=True), 2),
        (page("scene_index_records", 1, more=True), 1 + MAX_STALE_PAGES),
    ],
)
def test_a_server_that_says_more_for_ever_is_left(
    server: RecordingServer, index: SceneIndex, last: Told, asked: int
) -> None:
    server.replies = [page("scene_index_records", 1, more=True), *[last] * 99]
    assert starts(index.get_scenes()["scenes"]) == [1]
    assert len(server.asked) == asked


def test_a_bound_of_zero_is_a_bound(server: RecordingServer, stream: RTStream, index: SceneIndex) -> None:
    stream.get_transcript(start=0, end=0.5, since=0)
    index.get_scenes(start=0, end=10)
    index.get_scenes(start=5)
    common = {"page": "1", "page_size": "100"}
    assert [one.query for one in server.asked] == [
        common | {"start": "0", "end": "0.5", "since": "0"},
        common | {"start": "0", "end": "10"},
        common | {"start": "5"},
    ]


def test_starting_and_stopping_change_the_status(server: RecordingServer, stream: RTStream, index: SceneIndex) -> None:
    for subject in (stream, index):
        subject.start()
        assert subject.status == "connected"
        subject.stop()
        assert subject.status == "stopped"
    assert [one.body["action"] for one in server.asked] == ["start", "stop"] * 2


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


def test_alerts_are_made_listed_and_switched(server: RecordingServer, index: SceneIndex) -> None:
    server.replies = [good({"alert_id": "a-1"}), good({"alerts": [{"alert_id": "a-1"}]}), good(None), good(None)]
    assert index.create_alert("e-1") == "a-1"
    assert index.list_alerts() == [{"alert_id": "a-1"}]
    index.enable_alert("a-1")
    index.disable_alert("a-1")
    assert server.asked[0].body == {"event_id": "e-1", "callback_url": ""}
    assert [one.path for one in server.asked[2:]] == ["/rtstream/rts-1/index/ix-1/alert/a-1/status"] * 2


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
