"""An index of a stream: its pages, its bounds and its alerts."""

from __future__ import annotations

import pytest

from support.recording import RecordingServer, Told, good
from videodb_listen.api.http import Api
from videodb_listen.capture import SceneIndex


@pytest.fixture
def index(api: Api) -> SceneIndex:
    return SceneIndex(api, {"rtstream_index_id": "ix-1", "rtstream_id": "rts-1"})


def page(*starts: int, more: bool) -> Told:
    return good({"scene_index_records": [{"start": start} for start in starts], "next_page": more})


def test_every_page_is_read_and_its_records_are_called_scenes(server: RecordingServer, index: SceneIndex) -> None:
    server.replies = [page(9, 8, more=True), page(8, 7, more=False)]
    assert index.get_scenes() == {"scenes": [{"start": 9}, {"start": 8}, {"start": 7}], "next_page": False}


def test_one_page_says_whether_there_is_another(server: RecordingServer, index: SceneIndex) -> None:
    server.replies = [page(9, more=True), good(None)]
    assert index.get_scenes(page=1, page_size=1) == {"scenes": [{"start": 9}], "next_page": True}
    assert index.get_scenes(page=2, page_size=1) == {"scenes": [], "next_page": False}


async def test_scenes_can_be_read_page_by_page(server: RecordingServer, index: SceneIndex) -> None:
    server.replies = [page(9, 8, more=True), page(8, 7, more=False)]
    found = [one["scene_index_records"] async for one in index.scene_pages(start=5, page_size=2)]
    assert found == [[{"start": 9}, {"start": 8}], [{"start": 7}]]
    assert [one.query for one in server.asked] == [
        {"page": str(number), "page_size": "2", "start": "5"} for number in (1, 2)
    ]


def test_a_bound_of_zero_is_a_bound(server: RecordingServer, index: SceneIndex) -> None:
    index.get_scenes(start=0, end=10)
    index.get_scenes(start=5)
    common = {"page": "1", "page_size": "100"}
    assert [one.query for one in server.asked] == [common | {"start": "0", "end": "10"}, common | {"start": "5"}]


def test_starting_and_stopping_change_the_status(server: RecordingServer, index: SceneIndex) -> None:
    index.start()
    assert index.status == "connected"
    index.stop()
    assert index.status == "stopped"
    assert {one.path for one in server.asked} == {"/rtstream/rts-1/index/scene/ix-1/status"}
    assert [one.body["action"] for one in server.asked] == ["start", "stop"]


def test_alerts_are_made_listed_and_switched(server: RecordingServer, index: SceneIndex) -> None:
    server.replies = [good({"alert_id": "a-1"}), good({"alerts": [{"alert_id": "a-1"}]}), good(None), good(None)]
    assert index.create_alert("e-1") == "a-1"
    assert index.list_alerts() == [{"alert_id": "a-1"}]
    index.enable_alert("a-1")
    index.disable_alert("a-1")
    assert server.asked[0].body == {"event_id": "e-1", "callback_url": ""}
    assert [one.path for one in server.asked[2:]] == ["/rtstream/rts-1/index/ix-1/alert/a-1/status"] * 2
