"""Consumers of a feed that are killed at any moment, and what of their work was done.

Each is a process of its own: it takes a batch, writes down what it got, acknowledges it, and begins again. What it
wrote is in the file however it dies; a token that it did not get to write down is in the ledger of the feed.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from videodb_listen.errors import NotRunning, Usage
from videodb_listen.feed import Feed
from videodb_listen.reader import query


@dataclass(frozen=True)
class Handed:
    """A batch as its consumer wrote it down: its items by spot and stream.

    `until_s` is the end of its lease (unix seconds), 0 when that was over before anything could be written down.
    """

    name: str
    token: str
    until_s: float
    items: list[tuple[str, str]]


@dataclass
class Consumers:
    """Those of one directory and one group, or one alone."""

    directory: Path
    group: str | None = None
    lease_s: float = 300.0
    apart: Callable[[], object] = lambda: None  # what a consumer must not share with us
    acked: set[str] = field(default_factory=set)
    _running: dict[str, int] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """What they wrote down, an object a line."""
        return self.directory / "consumed.jsonl"

    def feed(self, name: str) -> Feed:
        return Feed(self.directory, name, group=self.group, lease_s=self.lease_s)

    def start(self, name: str, *, max_items: int, seed: int) -> None:
        """Start a consumer; it is killed from outside, or ends when nothing is left and no listener runs."""
        if (pid := os.fork()) == 0:
            try:
                self.apart()
                self._consume(self.feed(name), max_items, random.Random(seed))
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        self._running[name] = pid

    def kill(self, name: str) -> None:
        """Kill it, and learn what it acknowledged and could not write down."""
        os.kill(self._running[name], signal.SIGKILL)
        self.reap(name)

    def reap(self, name: str) -> int:
        """Wait for its end; its exit status, negative for a signal."""
        _, status = os.waitpid(self._running.pop(name), 0)
        self.acked.update(self.feed(name).ledger().acked)
        return os.waitstatus_to_exitcode(status)

    def stop(self) -> None:
        """Kill all that still run."""
        for name in list(self._running):
            self.kill(name)

    def _consume(self, feed: Feed, max_items: int, rng: random.Random) -> None:
        log = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

        def note(**what: object) -> None:
            os.write(log, json.dumps(what).encode() + b"\n")

        with contextlib.suppress(NotRunning):
            while True:
                batch = feed.next(query.final(), max_items=max_items, wait_s=60)
                assert batch.token is not None
                items = [(item.spot, item.stream) for item in batch.items]
                until_s = next((out.until_unix_ts for out in feed.ledger().out if out.token == batch.token), 0.0)
                note(name=feed.name, token=batch.token, until_s=until_s, items=items)
                time.sleep(rng.uniform(0, 0.03))  # its work
                with contextlib.suppress(Usage):  # its lease was over: another has it
                    feed.acknowledge(batch.token)
                    note(acked=batch.token)

    # -- what was done --

    def handed(self) -> list[Handed]:
        """Every batch that was handed out, in the order in which that was written down."""
        entries = [json.loads(line) for line in self.log.read_text().splitlines()]
        self.acked.update(entry["acked"] for entry in entries if "acked" in entry)
        return [Handed(**entry) for entry in entries if "token" in entry]

    def done(self) -> list[tuple[str, str]]:
        """The spots that were acknowledged, with their streams.

        In the order in which that was done, as far as streams have one: there is one batch of a stream at a time.
        """
        last = {batch.token: (number, batch) for number, batch in enumerate(self.handed())}
        acknowledged = sorted((last[token] for token in self.acked), key=lambda found: found[0])
        return [item for _, batch in acknowledged for item in batch.items]
