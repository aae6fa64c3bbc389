"""A batch written down, in no more characters than were allowed."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from support import played
from support.history import NOW_S, HandMade
from videodb_listen.feed import Feed
from videodb_listen.feed.show import AROUND, LEAST, AsBrief, AsJson, Show
from videodb_listen.paths import Layout
from videodb_listen.trust import Voices

pytestmark = pytest.mark.usefixtures("held")

KEY = b"k" * 32


def brief() -> AsBrief:
    return AsBrief(Voices(), KEY, lambda token: f"next: --ack {token}")


def rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_json_is_an_object_an_item_and_then_the_token(site: HandMade) -> None:
    site.append(1, rtstream_name="mic:default")
    Layout(site.directory).journal.write_bytes(b'{"ts":"t","unix_ts":%d,"event":"stopped"}\n' % (NOW_S + 5))
    batch = Feed(site.directory, "a").next()
    event, notice, end = rows(AsJson(24_000).batch(batch))
    assert event == {"id": batch.items[0].id, "who": "owner", "event": json.loads(site.events.read_bytes())}
    assert notice["who"] == "system"
    assert notice["notice"]["kind"] == "stopped"
    assert end == {"token": batch.token, "items": 2, "more": False}


def test_an_event_that_is_too_long_for_any_batch_says_how_to_see_it(site: HandMade) -> None:
    site.append(1, text="x" * 5000)
    batch = Feed(site.directory, "a").next()
    text = AsJson(LEAST).batch(batch)
    assert len(text) <= LEAST
    assert f"show {batch.items[0].id}" in rows(text)[0]["event"]["cut"]


@pytest.mark.parametrize("limit", [2000, 3000, 24_000])
@pytest.mark.parametrize("format", ["brief", "json"])
@pytest.mark.parametrize("scenario", ["meeting", "hostile-guest"])
def test_no_batch_is_longer_than_it_may_be_and_all_of_them_have_everything(
    site: HandMade, limit: int, format: str, scenario: str
) -> None:
    site.events.write_bytes(b"".join(played.lines(scenario)))
    feed = Feed(site.directory, "a")
    ids = []
    while True:
        show: Show = brief() if format == "brief" else AsJson(limit)
        batch = feed.next(max_size=limit - AROUND, size=show.size)
        if batch.token is None:
            break
        text = show.batch(batch)
        assert len(text) <= limit
        assert batch.token in text.splitlines()[-1]
        ids += [item.id for item in batch.items]
        feed.acknowledge(batch.token)
    assert len(ids) == len(set(ids)) == len(played.lines(scenario))


def test_the_last_line_counts_and_says_what_comes_next(site: HandMade) -> None:
    site.append(3, text="words")
    Layout(site.directory).journal.write_bytes(
        b'{"ts":"t","unix_ts":%d,"event":"gap","from_unix_ts":1,"to_unix_ts":3}\n' % (NOW_S + 5)
    )
    batch = Feed(site.directory, "a").next()
    last = brief().batch(batch).splitlines()[-1]
    assert last == f"# 3 events, 1 gap; next: --ack {batch.token}"
    assert re.search("; more is there; next", brief().batch(Feed(site.directory, "b").next(max_items=1)))
