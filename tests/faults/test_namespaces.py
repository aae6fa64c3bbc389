"""A network that loses packets, or swallows them all: between two real network stacks."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from faults.test_proxies import installed
from faults.test_tls import Authority, TlsBackend
from support.daemon import Daemon, Site
from support.ledger import Ledger
from support.lines import after_stamps
from support.watching import lines_written

QUICK = ("--min-backoff", "10ms", "--max-backoff", "300ms", "--output", "none")
SERVER, CLIENT = "10.77.0.1", "10.77.0.2"
CLONE_NEWNET = 0x40000000


def run(*command: str) -> str:
    """Run a command that needs root; skip the test when it is refused."""
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        pytest.skip(f"{' '.join(command)}: {ran.stderr.strip()[-200:]}")
    return ran.stdout


@dataclass(frozen=True)
class Wire:
    """Two network namespaces with a wire between them, and nothing else."""

    server: str
    client: str

    @contextmanager
    def at_the_server(self) -> Iterator[None]:
        """Make sockets on the server's side: a socket stays in the namespace where it was made."""
        libc = ctypes.CDLL(None, use_errno=True)
        with Path("/proc/self/ns/net").open() as ours, Path(f"/run/netns/{self.server}").open() as theirs:
            assert libc.setns(theirs.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
            try:
                yield
            finally:
                assert libc.setns(ours.fileno(), CLONE_NEWNET) == 0

    def drop(self, what: str) -> None:
        """Drop packets of this kind that come to the client or leave it."""
        run("ip", "netns", "exec", self.client, "nft", "add table inet f")
        for hook in ("input", "output"):
            chain = f"add chain inet f {hook} {{ type filter hook {hook} priority 0; }}"
            run("ip", "netns", "exec", self.client, "nft", chain)
            run("ip", "netns", "exec", self.client, "nft", f"add rule inet f {hook} {what} counter drop")

    def lift(self) -> int:
        """Drop nothing any more; how many packets were dropped."""
        rules = json.loads(run("ip", "netns", "exec", self.client, "nft", "-j", "list table inet f"))
        run("ip", "netns", "exec", self.client, "nft", "delete table inet f")
        parts = [part for entry in rules["nftables"] if "rule" in entry for part in entry["rule"]["expr"]]
        return sum(part["counter"]["packets"] for part in parts if "counter" in part)


@pytest.fixture
def wire() -> Iterator[Wire]:
    installed("ip", "iproute2")
    installed("nft", "nftables")
    wire = Wire(f"faults-s-{os.getpid()}", f"faults-c-{os.getpid()}")
    made = []
    try:
        for name in (wire.server, wire.client):
            run("ip", "netns", "add", name)
            made.append(name)
        run("ip", "link", "add", "v0", "netns", wire.server, "type", "veth", "peer", "name", "v1", "netns", wire.client)
        for name, device, address in ((wire.server, "v0", SERVER), (wire.client, "v1", CLIENT)):
            run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", device)
            run("ip", "-n", name, "link", "set", device, "up")
            run("ip", "-n", name, "link", "set", "lo", "up")
        yield wire
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "delete", name], check=True)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path)


@pytest.fixture
async def far(wire: Wire, authority: Authority, lone_site: Site) -> AsyncIterator[TlsBackend]:
    """A backend at the far end of the wire, known to the site; beyond loopback it must be TLS."""
    backend = TlsBackend(authority.good(SERVER), host=SERVER)
    with wire.at_the_server():
        await backend.listen()
    lone_site.backend = backend
    lone_site.env["SSL_CERT_FILE"] = str(authority.file)
    try:
        yield backend
    finally:
        await backend.__aexit__(None, None, None)


def near(site: Site, wire: Wire, *args: str) -> Daemon:
    """Return a daemon at the client's end of the wire."""
    command = ["ip", "netns", "exec", wire.client, *site.arguments("run", (*QUICK, *args), site.directory)]
    return Daemon(site, command=command)


def events(first: int, count: int) -> list[bytes]:
    return [b'{"n":%d,"pad":"%b"}' % (n, b"x" * 500) for n in range(first, first + count)]


def lines(site: Site) -> list[bytes]:
    return [after_stamps(line) for line in site.lines()]


async def test_a_network_that_loses_every_tenth_packet_costs_no_event(
    lone_site: Site, wire: Wire, far: TlsBackend, ledger: Ledger
) -> None:
    async with near(lone_site, wire) as daemon:
        peer = await far.greeted()
        wire.drop("meta l4proto tcp numgen random mod 100 < 10")
        for first in range(0, 2000, 20):  # many small writes: one large one would be few packets
            await peer.burst(events(first, 20))
            await lines_written(lone_site.files.events, first + 20)
        dropped = wire.lift()
        assert await daemon.stop() == 0
    kept = lines(lone_site)
    fired = f"nft dropped {dropped} packets; connections: {len(far.peers)}"
    ledger.row("loss", "10 % packet loss both ways", sent=2000, on_disk=len(kept), fired=fired)
    assert dropped >= 5
    assert kept == events(0, 2000)


async def test_a_network_that_swallows_everything_is_noticed_and_left_when_it_is_whole_again(
    lone_site: Site, wire: Wire, far: TlsBackend, ledger: Ledger
) -> None:
    async with near(lone_site, wire, "--ping-interval", "1s", "--ping-timeout", "1s") as daemon:
        first = await far.greeted()
        await first.burst(events(0, 50))
        await lone_site.written(50)
        wire.drop(f"ip saddr {SERVER}")
        wire.drop(f"ip daddr {SERVER}")
        began = time.monotonic()
        await first.burst(events(50, 50))  # the kernel takes them; nobody will ever get them
        await lone_site.id_removed()
        noticed_s = time.monotonic() - began
        dropped = wire.lift()
        second = await far.greeted(1)
        back_s = time.monotonic() - began
        await second.burst(events(100, 50))
        await lone_site.written(100)
        assert await daemon.stop() == 0
    kept = lines(lone_site)
    (lost,), (gap,) = lone_site.journal("lost"), lone_site.journal("gap")
    fired = f"nft dropped {dropped} packets; {lost['reason']}, after {noticed_s:.2f} s; connected after {back_s:.2f} s"
    ledger.row("blackhole", "all packets dropped both ways", sent=150, on_disk=len(kept), fired=fired)
    assert dropped > 0
    assert kept == [*events(0, 50), *events(100, 50)]
    assert noticed_s < 1 + 1 + 1
    assert gap["from_unix_ts"] < gap["to_unix_ts"]
