"""One line now and then about what is new, for a monitor that takes each line for a wake-up.

It hands nothing out. What it counts is what `Feed.next` would give, and what came since.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator

from videodb_listen.event import channel_of
from videodb_listen.feed.feed import Feed
from videodb_listen.feed.items import Item
from videodb_listen.reader.query import ANY, Where

HEARTBEAT_S = 240.0
"""Monitors give up after five idle minutes."""

ENDED = "the listener ended"


class News:
    """What nobody was handed yet, and then what came since the last look: how many of each kind."""

    def __init__(self, feed: Feed, where: Where = ANY, notices: Where = ANY) -> None:
        ledger = feed.ledger()
        self._feed = feed
        self._where = (where, notices)
        self._places = ledger.places
        self._known = ledger.done | ledger.handed

    def look(self) -> Counter[str]:
        """Count what is there since the last time."""
        scan = self._feed.scan(self._places, self._where)
        kinds: Counter[str] = Counter()
        for item in scan:
            scan.has_passed(item)
            if item.spot not in self._known:
                kinds[kind_of(item)] += 1
        self._places = scan.places
        return kinds


def kind_of(item: Item) -> str:
    """The channel of an event, the kind of a notice."""
    return str(item.content.get("kind")) if item.is_notice else channel_of(item.content)


def lines(
    look: Callable[[], Counter[str]],
    is_written: Callable[[], bool],
    pause: Callable[[float], object],
    *,
    hint: str,
    lines_per_minute: float,
    monotonic: Callable[[], float] = time.monotonic,
) -> Iterator[str]:
    """The lines, each when it is due, until nobody writes any more; the last one says so.

    The first news is told at once. `pause` waits for a change, at most so many seconds.
    """
    said_s = due_s = monotonic()
    news = Counter[str]()
    while True:
        written = is_written()  # asked before: what came until then is counted
        news += look()
        now_s = monotonic()
        if news and (now_s >= due_s or not written):
            yield f"{told(news)}; {hint}"
            news.clear()
            said_s, due_s = now_s, now_s + 60.0 / lines_per_minute
        elif now_s - said_s >= HEARTBEAT_S:
            yield f"nothing new for {HEARTBEAT_S / 60:.0f} minutes"
            said_s = now_s
        if not written:
            yield ENDED
            return
        pause(max(0.0, due_s - now_s) if news else HEARTBEAT_S - (now_s - said_s))


def told(kinds: Counter[str]) -> str:
    """`12 new: 3 alerts, 9 transcripts`; what concerns somebody most comes first."""
    ordered = sorted(kinds.items(), key=lambda counted: (_RANK.get(counted[0], len(_RANK)), counted[0]))
    each = [f"{number} {_PLURALS.get(kind, kind + 's') if number > 1 else kind}" for kind, number in ordered]
    return f"{kinds.total()} new: {', '.join(each)}"


_RANK = {"alert": 0, "capture_session": 1, "gap": 2, "new_id": 3, "transcript": 4}
_PLURALS = {"visual_index": "visual_indexes", "audio_index": "audio_indexes"}
