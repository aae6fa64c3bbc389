"""A line now and then, for a monitor that takes each for a wake-up."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable

import pytest

from support.history import HandMade
from videodb_listen.feed import Feed
from videodb_listen.feed.monitor import ENDED, HEARTBEAT_S, News, lines, told


def said(
    arrivals: Iterable[tuple[float, int]], lasts_s: float, *, lines_per_minute: float = 6.0
) -> list[tuple[float, str]]:
    """The lines and their times, when so many events came at these times and the listener ended at `lasts_s`."""
    now_s, waiting = [0.0], sorted(arrivals)

    def look() -> Counter[str]:
        came = [number for at_s, number in waiting if at_s <= now_s[0]]
        del waiting[: len(came)]
        return Counter(transcript=sum(came))

    def pause(limit_s: float) -> None:
        following = min([at_s for at_s, _ in waiting] + [lasts_s, now_s[0] + limit_s])
        assert following >= now_s[0]
        now_s[0] = max(following, now_s[0] + 0.001)

    return [
        (round(now_s[0], 1), line)
        for line in lines(
            lambda: +look(),
            lambda: now_s[0] < lasts_s,
            pause,
            hint="read it",
            lines_per_minute=lines_per_minute,
            monotonic=lambda: now_s[0],
        )
    ]


def test_the_first_news_is_told_at_once_and_what_follows_is_told_together() -> None:
    assert said([(1, 1), (2, 1), (3, 1), (30, 5)], 40) == [
        (1.0, "1 new: 1 transcript; read it"),
        (11.0, "2 new: 2 transcripts; read it"),
        (30.0, "5 new: 5 transcripts; read it"),
        (40.0, ENDED),
    ]


def test_ten_thousand_events_in_a_second_are_few_lines_and_none_is_left_out() -> None:
    told_ones = said([(n / 10_000, 1) for n in range(10_000)], 60, lines_per_minute=20)
    assert len(told_ones) <= 20
    assert sum(int(line.split()[0]) for _, line in told_ones[:-1]) == 10_000


def test_no_minute_has_more_lines_than_were_allowed() -> None:
    times_s = [at_s for at_s, _ in said([(n * 0.7, 1) for n in range(1000)], 700, lines_per_minute=4)]
    assert max(sum(at_s <= other < at_s + 60 for other in times_s[:-1]) for at_s in times_s) <= 5


def test_silence_is_told_before_five_minutes_are_over() -> None:
    times_s = [0.0, *(at_s for at_s, _ in said([(10, 1)], 1000))]
    assert max(later - earlier for earlier, later in itertools.pairwise(times_s)) <= HEARTBEAT_S < 300


def test_the_rest_is_told_before_the_end() -> None:
    assert said([(1, 1), (2, 3)], 3) == [
        (1.0, "1 new: 1 transcript; read it"),
        (3.0, "3 new: 3 transcripts; read it"),
        (3.0, ENDED),
    ]


def test_what_concerns_somebody_most_comes_first() -> None:
    kinds = Counter(transcript=9, alert=3, visual_index=2, gap=1)
    assert told(kinds) == "15 new: 3 alerts, 1 gap, 9 transcripts, 2 visual_indexes"


@pytest.mark.usefixtures("held")
def test_news_is_what_nobody_was_handed_and_then_what_came_since(site: HandMade) -> None:
    feed = Feed(site.directory, "a")
    site.append(5)
    token = feed.next(max_items=2).token
    assert token is not None
    feed.acknowledge(token)
    feed.next(max_items=1)
    news = News(feed)
    assert news.look() == Counter(transcript=2)
    assert news.look() == Counter()
    site.append(1, channel="alert")
    assert news.look() == Counter(alert=1)
    assert len(feed.next().items) == 1
