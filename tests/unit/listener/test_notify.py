"""systemd hears that the daemon is ready, what it does and that it lives; without systemd nothing happens."""

import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from videodb_listen.listener.notify import Notifier


@pytest.fixture
def manager() -> Iterator[tuple[socket.socket, str]]:
    """A service manager's socket, and its address."""
    with (
        tempfile.TemporaryDirectory() as directory,  # an address of a UNIX socket must be short
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening,
    ):
        address = str(Path(directory, "notify"))
        listening.bind(address)
        listening.settimeout(5)
        yield listening, address


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What is given to a socket to send, whether anybody is there or not."""
    messages: list[bytes] = []

    class Recorded(socket.socket):
        def sendto(self, data: bytes, *to: Any) -> int:  # type: ignore[override]
            messages.append(data)
            return super().sendto(data, *to)

    monkeypatch.setattr(socket, "socket", Recorded)
    return messages


def heard(listening: socket.socket) -> list[str]:
    """Return every datagram that has come."""
    listening.setblocking(False)
    messages = []
    try:
        while True:
            messages.append(listening.recv(4096).decode())
    except BlockingIOError:
        return messages


def test_each_change_is_one_datagram(manager: tuple[socket.socket, str]) -> None:
    listening, address = manager
    notifier = Notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "30000000"})
    notifier.ready("connected as abc")
    notifier.status("trying again")
    notifier.alive()
    notifier.stopping(2.5)
    assert heard(listening) == [
        "READY=1\nSTATUS=connected as abc",
        "STATUS=trying again",
        "WATCHDOG=1",
        "STOPPING=1\nEXTEND_TIMEOUT_USEC=12500000",
    ]


@pytest.mark.parametrize(("drain_s", "microseconds"), [(None, "10000000"), (0.0, "10000000"), (600.0, "610000000")])
def test_a_stop_asks_for_the_time_of_its_drain_and_some_more(
    manager: tuple[socket.socket, str], drain_s: float | None, microseconds: str
) -> None:
    listening, address = manager
    Notifier({"NOTIFY_SOCKET": address}).stopping(drain_s)
    assert heard(listening) == [f"STOPPING=1\nEXTEND_TIMEOUT_USEC={microseconds}"]


def test_a_status_cannot_forge_another_message(manager: tuple[socket.socket, str]) -> None:
    listening, address = manager
    notifier = Notifier({"NOTIFY_SOCKET": address})
    notifier.ready("a\nMAINPID=1")
    notifier.status("b\nSTOPPING=1 \udcff")
    assert heard(listening) == ["READY=1\nSTATUS=a\\x0aMAINPID=1", "STATUS=b\\x0aSTOPPING=1 \\udcff"]


@pytest.mark.parametrize("environ", [{}, {"WATCHDOG_USEC": ""}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "0"}])
def test_a_watchdog_that_does_not_watch_is_not_fed(manager: tuple[socket.socket, str], environ: dict[str, str]) -> None:
    listening, address = manager
    notifier = Notifier({"NOTIFY_SOCKET": address, **environ})
    notifier.alive()
    assert notifier.watchdog_s is None
    assert heard(listening) == []


def test_the_watchdog_names_its_patience_in_microseconds() -> None:
    assert Notifier({"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "2500000"}).watchdog_s == 2.5
    assert Notifier({"WATCHDOG_USEC": "2500000"}).watchdog_s is None


@pytest.mark.parametrize(
    ("microseconds", "every_s"), [("1000000", 0.5), ("300000", 0.15), ("2000000", 1.0), ("30000000", 1.0), ("", 1.0)]
)
def test_the_watchdog_is_fed_twice_in_its_time_and_at_least_once_a_second(microseconds: str, every_s: float) -> None:
    assert Notifier({"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": microseconds}).alive_every_s == every_s


@pytest.mark.skipif(sys.platform != "linux", reason="abstract sockets are Linux's")
def test_an_address_that_starts_with_an_at_sign_is_abstract() -> None:
    name = f"videodb-listen-test-{tempfile.gettempprefix()}-{id(object())}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name}")
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).status("here")
        assert heard(listening) == ["STATUS=here"]


def test_an_at_sign_inside_an_address_is_part_of_its_name() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="user@") as directory,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening,
    ):
        address = str(Path(directory, "notify"))
        listening.bind(address)
        Notifier({"NOTIFY_SOCKET": address}).status("here")
        assert heard(listening) == ["STATUS=here"]


@pytest.mark.parametrize("address", ["/nowhere/notify", "/" + "x" * 200, "@nobody-listens-here"])
def test_a_manager_that_does_not_listen_is_no_failure(address: str, sent: list[bytes]) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"})
    notifier.ready("a")
    notifier.status("b")
    notifier.alive()
    notifier.stopping()
    assert [message.split(b"=")[0] for message in sent] == [b"READY", b"STATUS", b"WATCHDOG", b"STOPPING"]


def test_a_manager_that_is_too_slow_holds_nothing_up(manager: tuple[socket.socket, str]) -> None:
    listening, address = manager
    notifier = Notifier({"NOTIFY_SOCKET": address})
    for _ in range(5000):  # far more than the kernel queues for one socket
        notifier.status("busy")
    assert 0 < len(heard(listening)) < 5000


def test_without_a_manager_nothing_is_sent(sent: list[bytes]) -> None:
    for environ in ({}, {"NOTIFY_SOCKET": ""}):
        Notifier(environ).ready("alone")
    assert sent == []
