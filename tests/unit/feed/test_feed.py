"""Batches are handed out until they are acknowledged, in order, and to one of a group."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from support.history import HandMade
from videodb_listen.errors import ConfigurationError, DirectoryUnusable, NotRunning, TimedOut, Usage
from videodb_listen.feed import Batch, Feed
from videodb_listen.feed import feed as module
from videodb_listen.reader import query

pytestmark = pytest.mark.usefixtures("held")


def numbers(batch: Batch) -> list[int]:
    return [item.content["n"] for item in batch.items]


def feed(site: HandMade, name: str = "a", **options: object) -> Feed:
    return Feed(site.directory, name, **options)  # type: ignore[arg-type]


def done(feed: Feed, batch: Batch) -> None:
    assert batch.token is not None
    feed.acknowledge(batch.token)


def test_what_is_acknowledged_is_followed_by_what_is_new(site: HandMade) -> None:
    site.append(3)
    done(feed(site), first := feed(site).next())
    site.append(2)
    assert numbers(first) == [0, 1, 2]
    assert numbers(feed(site).next()) == [3, 4]


def test_what_is_not_acknowledged_comes_again_just_so_and_nothing_before_it(site: HandMade) -> None:
    site.append(3)
    first = feed(site).next()
    site.append(2)
    again = feed(site).next(query.channel("alert"))
    assert (again.token, again.items) == (first.token, first.items)
    assert not again.more
    assert feed(site).next().more


def test_nothing_new_is_an_empty_batch(site: HandMade) -> None:
    site.append(1)
    done(feed(site), feed(site).next())
    assert feed(site).next() == Batch(None, (), more=False)


def test_a_limit_leaves_the_rest_for_the_next_batch_and_says_so(site: HandMade) -> None:
    site.append(5)
    batches = []
    while (batch := feed(site).next(max_items=2)).items:
        batches.append((numbers(batch), batch.more))
        done(feed(site), batch)
    assert batches == [([0, 1], True), ([2, 3], True), ([4], False)]


def test_the_first_item_has_room_whatever_its_size(site: HandMade) -> None:
    site.append(2)
    batch = feed(site).next(max_size=1)
    assert (numbers(batch), batch.more) == ([0], True)


def test_a_batch_that_comes_again_into_less_room_is_cut_and_the_rest_comes_later(site: HandMade) -> None:
    site.append(4)
    feed(site).next()
    first = feed(site).next(max_items=1)
    assert (numbers(first), first.more) == ([0], True)
    done(feed(site), first)
    assert numbers(feed(site).next()) == [1, 2, 3]


def test_what_is_filtered_out_is_passed_for_good(site: HandMade) -> None:
    site.append(2)
    site.append(1, channel="alert")
    site.append(2)
    done(feed(site), batch := feed(site).next(query.channel("alert")))
    assert numbers(batch) == [2]
    assert numbers(feed(site).next()) == [3, 4]


def test_each_name_has_its_own(site: HandMade) -> None:
    site.append(1)
    done(feed(site), feed(site).next())
    assert numbers(feed(site, "b").next()) == [0]


@pytest.mark.parametrize("token", ["", "nonsense"])
def test_an_unknown_token_is_refused(site: HandMade, token: str) -> None:
    with pytest.raises(Usage, match="unknown"):
        feed(site).acknowledge(token)


def test_an_acknowledgement_can_be_said_again(site: HandMade) -> None:
    site.append(1)
    batch = feed(site).next()
    done(feed(site), batch)
    done(feed(site), batch)


def test_rotation_compression_and_removal_lose_nothing_that_is_still_there(site: HandMade) -> None:
    site.append(3)
    first = feed(site).next(max_items=2)
    site.rotate()
    site.append(2)
    assert numbers(feed(site).next()) == [0, 1]
    site.rotate()
    site.append(1)
    site.compress()
    done(feed(site), first)
    batch = feed(site).next()
    assert numbers(batch) == [2, 3, 4, 5]
    for path in site.directory.glob("*.gz"):
        path.unlink()
    assert numbers(feed(site).next()) == [3, 4, 5]
    done(feed(site), batch)
    site.append(1)
    assert numbers(feed(site).next()) == [6]


def test_what_was_cleared_is_gone_and_what_came_since_is_handed_out(site: HandMade) -> None:
    site.append(3)
    feed(site).next()
    site.clear()
    site.append(2)
    assert numbers(feed(site).next()) == [3, 4]


def test_waiting_ends_with_what_comes(site: HandMade) -> None:
    site.append(1)
    done(feed(site), feed(site).next())
    timer = threading.Timer(0.05, site.append, kwargs={"channel": "alert"})
    timer.start()
    assert numbers(feed(site).next(query.channel("alert"), wait_s=30)) == [1]
    timer.join()


def test_waiting_for_nothing_times_out(site: HandMade) -> None:
    site.append(1)
    with pytest.raises(TimedOut, match="nothing new"):
        feed(site).next(query.channel("alert"), wait_s=0)


def test_the_time_that_nothing_matched_is_not_read_again(site: HandMade, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SAVED_EVERY_BYTES", 100)
    site.append(50)
    feed(site).next(query.channel("alert"))
    site.append(50)
    feed(site).next(query.channel("alert"))
    assert feed(site).ledger().places[0].offset == site.events.stat().st_size


def test_a_damaged_state_says_what_to_do(site: HandMade) -> None:
    feed(site).next()
    site.append(1)
    feed(site).next()
    for content in (b"", b"[]", b"{}", b'{"places":3}'):
        (site.directory / "feeds" / "a.json").write_bytes(content)
        with pytest.raises(DirectoryUnusable, match="is not a feed"):
            feed(site).next()


def test_a_name_that_could_lead_elsewhere_is_refused(site: HandMade) -> None:
    for options in ({"name": "../x"}, {"name": "a", "group": "@x"}):
        with pytest.raises(ConfigurationError, match="no name for a"):
            feed(site, **options)


def test_its_files_are_private(site: HandMade) -> None:
    site.append(1)
    feed(site).next()
    feed(site, group="g").next()
    files = [path for folder in ("feeds", "groups") for path in (site.directory / folder).iterdir()]
    assert {path.name: path.stat().st_mode & 0o777 for path in files} == dict.fromkeys(
        ["a.json", "a.lock", "g.json", "g.lock"], 0o600
    )


# -- groups --


def two_streams(site: HandMade) -> None:
    for number in range(6):
        site.append(1, rtstream_id=f"rts-{number % 2}")


def test_each_item_goes_to_one_of_a_group_and_a_stream_to_one_at_a_time(site: HandMade) -> None:
    two_streams(site)
    first, second = (feed(site, name, group="g").next() for name in "ab")
    assert (numbers(first), numbers(second)) == ([0, 2, 4], [1, 3, 5])
    assert not feed(site, "c", group="g").next().items
    site.append(1, rtstream_id="rts-1")
    assert not feed(site, "c", group="g").next().items
    done(feed(site, "b", group="g"), second)
    assert numbers(feed(site, "c", group="g").next()) == [6]


def test_the_batch_of_a_dead_member_comes_again_after_its_lease_and_not_before(
    site: HandMade, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_streams(site)
    now_s = [1000.0]
    monkeypatch.setattr("time.time", lambda: now_s[0])
    dead = feed(site, "a", group="g", lease_s=60).next(max_items=1)
    living = feed(site, "b", group="g", lease_s=60).next()
    done(feed(site, "b", group="g"), living)
    now_s[0] += 59
    assert not feed(site, "b", group="g").next().items
    now_s[0] += 1
    again = feed(site, "b", group="g").next()
    assert (numbers(dead), numbers(again)) == ([0], [0])
    with pytest.raises(Usage, match="lease"):
        done(feed(site, "a", group="g"), dead)
    done(feed(site, "b", group="g"), again)
    assert numbers(feed(site, "a", group="g").next()) == [2, 4]


def test_a_member_that_asks_again_gets_its_own_batch_at_once(site: HandMade) -> None:
    two_streams(site)
    first = feed(site, "a", group="g").next()
    assert feed(site, "a", group="g").next().items == first.items


def test_a_group_runs_ahead_of_its_slowest_member_by_a_bounded_number(
    site: HandMade, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_ITEMS", 5)
    site.append(1, rtstream_id="slow")
    slow = feed(site, "slow", group="g").next()
    site.append(20, rtstream_id="quick")
    taken = []
    while (batch := feed(site, "quick", group="g").next()).items:
        taken += numbers(batch)
        done(feed(site, "quick", group="g"), batch)
    assert taken == [1, 2, 3, 4]
    done(feed(site, "slow", group="g"), slow)
    assert numbers(feed(site, "quick", group="g").next()) == [5, 6, 7, 8, 9]


# -- the end --


@pytest.fixture
def left(tmp_path: Path) -> HandMade:
    """A directory that no listener holds."""
    (tmp_path / "left").mkdir()
    return HandMade(tmp_path / "left")


def test_when_nothing_is_left_and_no_listener_runs_that_is_said(left: HandMade) -> None:
    left.append(1)
    batch = feed(left).next(wait_s=30)
    assert numbers(feed(left).next()) == [0]
    done(feed(left), batch)
    for wait_s in (None, 30.0):
        with pytest.raises(NotRunning, match="nothing is left"):
            feed(left).next(wait_s=wait_s)


def test_what_another_member_still_has_may_come_back_though_no_listener_runs(left: HandMade) -> None:
    left.append(1)
    feed(left, "a", group="g").next()
    with pytest.raises(TimedOut):
        feed(left, "b", group="g").next(wait_s=0)


def test_a_directory_that_is_not_there_has_no_listener(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="there is no"):
        Feed(tmp_path / "nowhere", "a").next()
