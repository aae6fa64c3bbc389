"""What is said to people, scripts and the service manager when something changes. It only speaks, and decides nothing.

People hear it on stderr, scripts on stdout, the service manager from its socket. Programs read files: see `publish`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from videodb_listen.listener.notify import Notifier
from videodb_listen.listener.stdio import KEPT, Stdout
from videodb_listen.units import format_duration

log = logging.getLogger(__name__)

NOT_BOUND = "what was bound to %s (sessions, transcripts, indexes, alerts) no longer reports here; bind it to %s"


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection stands. `unbound_id` was lost with what was bound to it, None: nothing was. `first` of this run."""

    ws_id: str
    unbound_id: str | None
    first: bool


@dataclass(frozen=True, slots=True)
class Retrying:
    """An attempt failed, and the next comes after `delay_s`."""

    failure: str
    delay_s: float


@dataclass(frozen=True, slots=True)
class Repaired:
    """A torn tail of the events file was mended; `detail` says how."""

    detail: str


@dataclass(frozen=True, slots=True)
class Stopping:
    """The end has begun, and its drain may take `drain_s`."""

    drain_s: float


Announcement = Connected | Retrying | Repaired | Stopping


@dataclass(frozen=True)
class Outside:
    """What the daemon speaks through, handed in by whoever starts it."""

    stdout: Stdout
    notifier: Notifier
    on_connected: Callable[[str], None]  # gets the first connection id, for whoever waits for the start

    def announce(self, what: Announcement | None) -> None:
        """Say it to everyone whom it concerns; None: there is nothing to say."""
        match what:
            case Connected():
                self._connected(what)
            case Retrying():
                log.warning("%s; trying again in %s", what.failure, format_duration(what.delay_s))
                self.notifier.status(f"trying again: {what.failure}")
            case Repaired():
                log.warning("the events file was repaired: %s", what.detail)
            case Stopping():
                self.notifier.stopping(what.drain_s)

    def _connected(self, it: Connected) -> None:
        if it.unbound_id is not None:
            log.warning(NOT_BOUND, it.unbound_id, it.ws_id, extra=KEPT)
        self.stdout.announce(it.ws_id)
        log.info("connected as %s", it.ws_id)
        if it.first:
            self.notifier.ready(f"connected as {it.ws_id}")
            self.on_connected(it.ws_id)
        else:
            self.notifier.status(f"connected as {it.ws_id}")
