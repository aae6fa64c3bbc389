"""A certificate is checked on both ways, REST and WebSocket, and one that is not good is named in one line."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from support.backend import Backend, Reply
from support.daemon import Site
from support.ledger import Ledger
from support.lines import after_stamps

QUICK = ("--min-backoff", "10ms", "--max-backoff", "300ms")
EVENTS = [b'{"n":%d}' % n for n in range(50)]
HOST = "127.0.0.1"


class TlsBackend(Backend):
    """A backend behind TLS; `context` may be given another certificate at any time."""

    def __init__(self, certificate: trustme.LeafCert, *, host: str = HOST) -> None:
        super().__init__(host=host)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(self.context)
        self.handshakes: list[str] = []
        """Names that clients have asked for, in order; "" for an address."""
        self.context.sni_callback = self._hear

    @property
    def url(self) -> str:
        return super().url.replace("http:", "https:")

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._connected, self._host, self.port, ssl=self.context)
        self.port = self._server.sockets[0].getsockname()[1]

    def websocket_url(self) -> str:
        return super().websocket_url().replace("ws:", "wss:")

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # asyncio never wakes a drain() over TLS whose limit is 0, which is what a Peer asks for: keep the usual one.
        writer.transport.set_write_buffer_limits = lambda high=None, low=None: None  # type: ignore[method-assign]
        super()._connected(reader, writer)

    def _hear(self, _socket: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        self.handshakes.append(name or "")


@dataclass(frozen=True)
class Authority:
    """A certificate authority of our own, in a file that SSL_CERT_FILE can name."""

    authority: trustme.CA
    file: Path

    def good(self, name: str = HOST) -> trustme.LeafCert:
        """Return a certificate that is valid for this name or address."""
        return self.authority.issue_cert(name)

    def expired(self) -> trustme.LeafCert:
        """Return a certificate that was valid once."""
        begin, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)
        return self.authority.issue_cert(HOST, not_before=begin, not_after=end)

    def future(self) -> trustme.LeafCert:
        """Return a certificate that is not valid yet."""
        begin, end = datetime(2090, 1, 1, tzinfo=UTC), datetime(2091, 1, 1, tzinfo=UTC)
        return self.authority.issue_cert(HOST, not_before=begin, not_after=end)

    @staticmethod
    def create(directory: Path) -> Authority:
        """Make one."""
        authority = trustme.CA()
        file = directory / "authority.pem"
        authority.cert_pem.write_to_path(str(file))
        return Authority(authority, file)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path)


def trusting(site: Site, authority: Authority, backend: Backend) -> Site:
    """Let the commands of the site trust the authority and use the backend."""
    site.backend = backend
    site.env["SSL_CERT_FILE"] = str(authority.file)
    return site


BAD: dict[str, str] = {
    "expired": "certificate has expired",
    "not valid yet": "certificate is not yet valid",
    "wrong host": "certificate is not valid for '127.0.0.1'",
    "unknown authority": "unable to get local issuer certificate",
}


def certificate(authority: Authority, fault: str) -> trustme.LeafCert:
    match fault:
        case "expired":
            return authority.expired()
        case "not valid yet":
            return authority.future()
        case "wrong host":
            return authority.good("videodb.example")
        case _:
            return trustme.CA().issue_cert(HOST)


async def record(site: Site, backend: Backend, index: int = 0) -> list[bytes]:
    """Send 50 events on this connection and return the lines."""
    peer = await backend.greeted(index)
    await peer.burst(EVENTS)
    await site.written(len(EVENTS))
    return [after_stamps(line) for line in site.lines()]


async def test_a_good_certificate_of_an_own_authority_serves_rest_and_websocket(
    lone_site: Site, authority: Authority, ledger: Ledger
) -> None:
    async with TlsBackend(authority.good()) as backend:
        site = trusting(lone_site, authority, backend)
        async with site.daemon(*QUICK) as daemon:
            kept = await record(site, backend)
            assert await daemon.stop() == 0
        fired = f"{len(backend.handshakes)} TLS handshakes; SSL_CERT_FILE names the authority"
        ledger.row("tls-good", "own authority", sent=50, on_disk=len(kept), fired=fired)
        assert kept == EVENTS
        assert (len(backend.requests), len(backend.peers)) == (1, 1)
        assert len(backend.handshakes) == 2


@pytest.mark.parametrize("fault", BAD)
async def test_a_bad_certificate_of_the_rest_side_is_named_retried_and_ends_with_69(
    lone_site: Site, authority: Authority, ledger: Ledger, fault: str
) -> None:
    async with TlsBackend(certificate(authority, fault)) as backend:
        site = trusting(lone_site, authority, backend)
        async with site.daemon(*QUICK, "--startup-timeout", "2s") as daemon:
            assert await daemon.exit_status() == 69
        *tries, last = daemon.stderr.splitlines()
        ledger.row(f"tls-{fault}", "REST", sent=0, on_disk=len(site.lines()), fired=f"{last}; {len(tries)} tries")
        assert BAD[fault] in last.lower()
        assert "not connected within 2s" in last
        assert len(tries) >= 2
        assert all(BAD[fault] in line.lower() for line in tries)
        assert backend.requests == [], "no key went to a server that could not prove itself"


@pytest.mark.parametrize("fault", BAD)
async def test_a_bad_certificate_of_the_websocket_is_named_retried_and_ends_with_69(
    lone_site: Site, authority: Authority, ledger: Ledger, fault: str
) -> None:
    async with TlsBackend(authority.good()) as rest, TlsBackend(certificate(authority, fault)) as backend:
        url = {"success": True, "data": {"websocket_url": backend.websocket_url()}}
        rest.rest += [Reply(200, url)] * 100
        site = trusting(lone_site, authority, rest)
        async with site.daemon(*QUICK, "--startup-timeout", "2s") as daemon:
            assert await daemon.exit_status() == 69
        *tries, last = daemon.stderr.splitlines()
        ledger.row(f"tls-{fault}", "WebSocket", sent=0, on_disk=len(site.lines()), fired=f"{last}; {len(tries)} tries")
        assert BAD[fault] in last.lower()
        assert len(tries) >= 2
        assert backend.upgrades == []
        assert not any(token in daemon.stderr for token in backend.tokens)


async def test_a_certificate_that_expires_and_is_renewed_costs_no_start(
    lone_site: Site, authority: Authority, ledger: Ledger
) -> None:
    async with TlsBackend(authority.good()) as backend:
        site = trusting(lone_site, authority, backend)
        async with site.daemon(*QUICK) as daemon:
            await record(site, backend)
            authority.expired().configure_cert(backend.context)
            backend.peers[0].rst()
            said = await daemon.stderr_line("certificate has expired")
            authority.good().configure_cert(backend.context)
            peer = await backend.greeted(1)
            await peer.burst(EVENTS)
            await site.written(100)
            assert await daemon.stop() == 0
        kept = [after_stamps(line) for line in site.lines()]
        ledger.row("tls-renewed", "expires, then is renewed", sent=100, on_disk=len(kept), fired=said)
        assert kept == EVENTS * 2


async def test_a_server_that_speaks_no_tls_is_named(lone_site: Site, ledger: Ledger) -> None:
    heard: list[bytes] = []

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(100))
        writer.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(plain, HOST, 0) as server:
        lone_site.env["VIDEO_DB_API"] = f"https://{HOST}:{server.sockets[0].getsockname()[1]}"
        async with lone_site.daemon(*QUICK, "--startup-timeout", "2s") as daemon:
            assert await daemon.exit_status() == 69
    *tries, last = daemon.stderr.splitlines()
    ledger.row("tls-none", "plain HTTP at an https URL", sent=0, on_disk=len(lone_site.lines()), fired=last)
    assert "ssl" in last.lower()
    assert len(tries) >= 2
    assert {data[:1] for data in heard if data} == {b"\x16"}, "nothing but TLS was sent"
