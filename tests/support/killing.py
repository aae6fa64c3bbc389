"""A recording that grows, rotates and tears while its consumers are killed, and the law that must hold at the end."""

from __future__ import annotations

import itertools
import random
import time
from collections import defaultdict
from pathlib import Path

from support.consuming import Consumers, Handed
from support.history import HandMade
from videodb_listen.feed import Feed
from videodb_listen.paths import Layout
from videodb_listen.reader import query
from videodb_listen.system import locks

KINDS = (
    {"channel": "transcript", "rtstream_id": "rts-mic", "data": {"text": "final", "is_final": True}},
    {"channel": "transcript", "rtstream_id": "rts-mic", "data": {"text": "interim", "is_final": False}},
    {"channel": "transcript", "rtstream_id": "rts-sys", "data": {"text": "final", "is_final": True}},
    {"channel": "alert", "rtstream_id": "rts-display", "data": {"label": "fire"}},
    {"channel": "capture_session", "event": "capture_session.active", "data": {}},
    {"channel": "visual_index", "rtstream_id": "rts-display", "data": {"text": "a board"}},
)


class Site:
    """A state directory whose listener is this process: it writes, rotates, compresses, and is killed in a write."""

    def __init__(self, directory: Path, rng: random.Random) -> None:
        self.made = HandMade(directory)
        self._rng = rng
        self._lock = Layout(directory).lock.open("wb")
        locks.wait_for(self._lock.fileno())
        self.made.append(1)

    def go_on(self) -> None:
        """Write some events, and now and then what a listener does beside that."""
        for _ in range(self._rng.randint(0, 12)):
            self.made.append(1, **self._rng.choice(KINDS))
        act = self._rng.random()
        if act < 0.1:
            self.made.rotate()
            self.made.compress()
        elif act < 0.2:
            self._tear()
        elif act < 0.3:
            with Layout(self.made.directory).journal.open("ab") as file:
                stamp = 1_772_446_530 + self.made.written
                file.write(b'{"ts":"t","unix_ts":%d,"event":"gap","from_unix_ts":1,"to_unix_ts":2}\n' % stamp)

    def _tear(self) -> None:
        """A crash in the middle of a line, and the repair at the next start."""
        size = self.made.events.stat().st_size
        with self.made.events.open("ab") as file:
            file.write(b'{"ts":"2026-03-02T10:15:30.123Z","unix_ts":17724')
            file.flush()
            file.truncate(size)

    def end(self) -> None:
        """Let go of the directory: no listener runs any more."""
        self._lock.close()

    def expected(self) -> dict[str, list[str]]:
        """Of each stream, the spots of all that is to be handed out, in order."""
        feed = Feed(self.made.directory, "oracle")
        found = defaultdict(list)
        for item in feed.scan(feed.ledger().places, (query.final(), query.ANY)):
            found[item.stream].append(item.spot)
        return dict(found)


def alone(directory: Path, seed: int, kills: int) -> Consumers:
    """One consumer, killed so often at random points; then it works to the end."""
    rng = random.Random(seed)
    site = Site(directory, rng)
    consumers = Consumers(directory, apart=site.end)
    try:
        for number in range(kills):
            consumers.start("agent", max_items=rng.randint(1, 4), seed=seed + number)
            site.go_on()
            time.sleep(rng.uniform(0, 0.06))  # the very point: anywhere in its work
            consumers.kill("agent")
        consumers.start("agent", max_items=4, seed=seed)
        site.end()
        assert consumers.reap("agent") == 0
    finally:
        consumers.stop()
    hold(consumers, site)
    return consumers


def together(directory: Path, seed: int, kills: int, *, workers: int = 8, lease_s: float = 0.3) -> Consumers:
    """A group whose members are killed at random points; then the living work to the end."""
    rng = random.Random(seed)
    site = Site(directory, rng)
    consumers = Consumers(directory, "team", lease_s, site.end)
    names = [f"worker-{number}" for number in range(workers)]
    counter = itertools.count(seed * 1000)
    try:
        for name in names:
            consumers.start(name, max_items=3, seed=next(counter))
        for number in range(kills):
            site.go_on()
            time.sleep(rng.uniform(0, 0.02))
            name = rng.choice(names)
            consumers.kill(name)
            reborn = f"{name.partition('.')[0]}.{number}" if rng.random() < 0.5 else name  # under its name, or another
            names[names.index(name)] = reborn
            consumers.start(reborn, max_items=3, seed=next(counter))
        site.end()
        assert [consumers.reap(name) for name in names] == [0] * workers
    finally:
        consumers.stop()
    hold(consumers, site)
    _hold_leases(consumers)
    return consumers


def hold(consumers: Consumers, site: Site) -> None:
    """Every item was acknowledged once, none was missed, and each stream kept its order."""
    done = defaultdict(list)
    for spot, stream in consumers.done():
        done[stream].append(spot)
    assert dict(done) == site.expected()


def _hold_leases(consumers: Consumers) -> None:
    """Nobody got what another had, unless the lease of that was over."""
    latest: dict[str, Handed] = {}
    for batch in consumers.handed():
        for spot, _ in batch.items:
            before = latest.get(spot, batch)
            assert before.name == batch.name or batch.until_s - consumers.lease_s >= before.until_s
            latest[spot] = batch
