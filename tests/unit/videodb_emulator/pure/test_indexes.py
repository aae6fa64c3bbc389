"""Indexes of one stream and their alerts; the test is their clock."""

import pytest

from support.streaming import Stream
from videodb_emulator.pure.fields import Fields
from videodb_emulator.pure.script import SCENES, SUMMARIES


@pytest.mark.parametrize(
    ("extraction", "dialect", "channel", "text"),
    [
        ("time", "visual_index", "visual_index", SCENES[0].text),
        ("time_based", "scene_index", "scene_index", SCENES[0].text),
        ("transcript", "scene_index", "audio_index", SUMMARIES[0].text),
    ],
)
def test_an_index_is_heard_on_the_channel_of_what_it_looks_at(
    extraction: str, dialect: str, channel: str, text: str
) -> None:
    stream = Stream(visual_channel=dialect)
    stream.index(0.0, extraction_type=extraction)
    who, event = stream.heard(8.0)[0]
    assert (who, event["channel"], event["data"]["text"]) == ("ours", channel, text)
    assert "is_final" not in event["data"]


def test_an_index_goes_on_with_the_connection_it_was_made_with() -> None:
    stream = Stream()
    index = stream.index(0.0)
    index.pipeline.stop()
    assert stream.heard(20.0) == []
    assert index.body()["status"] == "stopped"
    index.pipeline.start(20.0)
    assert {who for who, _ in stream.heard(24.0)} == {"ours"}


def test_records_of_an_index_come_newest_first() -> None:
    stream = Stream()
    index = stream.index(0.0)
    stream.heard(12.0)
    page = index.page(Fields({"page_size": 2}))
    assert [one["start"] for one in page["scene_index_records"]] == [8.0, 4.0]
    assert page["next_page"] is True


def test_an_alert_fires_at_the_line_that_says_so_and_to_its_own_connection() -> None:
    stream = Stream()
    index = stream.index(0.0)
    stream.alert(index.index_id, "watcher")
    firing = next(number for number, line in enumerate(SCENES) if line.fires_alerts)
    heard = stream.heard(4.0 * len(SCENES))
    alerts = [(who, event) for who, event in heard if event["channel"] == "alert"]
    assert [(who, event["data"]["label"], event["data"]["start"]) for who, event in alerts] == [
        ("watcher", "secret", 4000 * firing)
    ]


def test_an_alert_that_is_disabled_is_silent() -> None:
    stream = Stream()
    index = stream.index(0.0)
    index.switch_alert(stream.alert(index.index_id, "watcher"), enabled=False)
    assert {who for who, _ in stream.heard(100.0)} == {"ours"}
    assert [one.body()["status"] for one in index.alerts.values()] == ["disabled"]
