"""sd_notify(3): tells systemd that the daemon is ready, what it does, and that it lives. Without systemd: nothing.

The protocol is one datagram of `NAME=value` lines to the socket named in $NOTIFY_SOCKET; `@` starts an abstract name.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping

from videodb_listen.text import visible

SIGN_OF_LIFE_S = 1.0
"""Longest time between two signs of life, whatever the watchdog would allow."""

STOP_MARGIN_S = 10.0
"""What a stop may take beside the drain: the last flush and sync of a slow disk, the last lines on stderr."""


class Notifier:
    """Sends to the service manager that started us; every method does nothing when there is none."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        microseconds = environ.get("WATCHDOG_USEC", "")
        watched = self._address and microseconds.isdecimal() and int(microseconds) > 0
        self.watchdog_s = int(microseconds) / 1e6 if watched else None
        """Seconds within which systemd wants to hear of us; None: it does not watch."""

    @property
    def alive_every_s(self) -> float:
        """Seconds between two calls of `alive`: half of what the watchdog allows, as sd_watchdog_enabled(3) advises."""
        return SIGN_OF_LIFE_S if self.watchdog_s is None else min(SIGN_OF_LIFE_S, self.watchdog_s / 2)

    def ready(self, status: str) -> None:
        """The first connection stands."""
        self._send(f"READY=1\nSTATUS={visible(status)}")

    def status(self, status: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={visible(status)}")

    def alive(self) -> None:
        """Feed the watchdog."""
        if self.watchdog_s is not None:
            self._send("WATCHDOG=1")

    def stopping(self, drain_s: float | None = None) -> None:
        """The daemon ends. Its drain may take `drain_s` seconds: systemd must not kill it before; None: there is none.

        One datagram: the extension counts for the state that its first line has begun.
        """
        extension_us = ((drain_s or 0.0) + STOP_MARGIN_S) * 1e6
        self._send(f"STOPPING=1\nEXTEND_TIMEOUT_USEC={extension_us:.0f}")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        with (
            contextlib.suppress(OSError),  # a manager that does not listen is no reason to stop recording
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel,
        ):
            channel.setblocking(False)
            channel.sendto(message.encode(), self._address)
