"""The service manager is told what happens: ready when connected, alive while it runs, stopping when it stops."""

from __future__ import annotations

import asyncio
import socket

from support.backend import Backend
from support.daemon import Site
from support.waiting import LIMIT_S


async def told(manager: socket.socket, expected: str) -> str:
    """Wait for a datagram that begins with this, and return it."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(LIMIT_S):
        while True:
            message = (await loop.sock_recv(manager, 4096)).decode()
            if message.startswith(expected):
                return message


async def test_systemd_is_told_of_ready_life_trouble_and_stopping(site: Site, backend: Backend) -> None:
    address = site.home / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.setblocking(False)
        manager.bind(str(address))
        site.env |= {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "2000000"}
        async with site.daemon("--min-backoff", "10ms") as daemon:
            first = await daemon.ws_id()
            assert await told(manager, "READY=1") == f"READY=1\nSTATUS=connected as {first}"
            assert await told(manager, "WATCHDOG=1") == "WATCHDOG=1"
            (await backend.peer()).rst()
            assert "trying again" in await told(manager, "STATUS=")
            second = await daemon.ws_id()
            assert await told(manager, "STATUS=connected") == f"STATUS=connected as {second}"
            assert await daemon.stop() == 0
            assert await told(manager, "STOPPING=1") == "STOPPING=1\nEXTEND_TIMEOUT_USEC=12000000"


async def test_a_watchdog_that_is_impatient_is_fed_in_its_time(site: Site) -> None:
    """Forty signs of life at one a second would take longer than any test waits."""
    address = site.home / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.setblocking(False)
        manager.bind(str(address))
        site.env |= {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "100000"}
        async with site.daemon() as daemon:
            async with asyncio.timeout(LIMIT_S):
                for _ in range(40):
                    await told(manager, "WATCHDOG=1")
            assert await daemon.stop() == 0


async def test_a_long_drain_is_announced(site: Site) -> None:
    address = site.home / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.setblocking(False)
        manager.bind(str(address))
        site.env |= {"NOTIFY_SOCKET": str(address), "VIDEODB_LISTEN_DRAIN": "5m"}
        async with site.daemon() as daemon:
            await daemon.ws_id()
            assert await daemon.stop() == 0
        assert await told(manager, "STOPPING=1") == "STOPPING=1\nEXTEND_TIMEOUT_USEC=310000000"


async def test_without_a_watchdog_there_is_no_sign_of_life(site: Site) -> None:
    address = site.home / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.setblocking(False)
        manager.bind(str(address))
        site.env["NOTIFY_SOCKET"] = str(address)
        async with site.daemon() as daemon:
            await daemon.ws_id()
            await site.phase("connected")
            assert await daemon.stop() == 0
        messages = []
        while True:
            try:
                messages.append(manager.recv(4096).decode().split("\n")[0])
            except BlockingIOError:
                break
        assert messages == ["READY=1", "STOPPING=1"]
