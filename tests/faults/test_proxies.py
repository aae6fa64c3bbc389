"""Proxies on the way, real ones: what they keep is kept, what they cut is connected again, what they refuse is said."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import pytest

from faults.test_tls import Authority, TlsBackend
from support.backend import Backend, unused_port
from support.daemon import Daemon, Site
from support.ledger import Ledger
from support.lines import after_stamps
from support.watching import changed_until, file_matches

QUICK = ("--min-backoff", "10ms", "--max-backoff", "300ms")
HOST = "127.0.0.1"

Kind = Literal["nginx", "haproxy"]
KINDS: tuple[Kind, ...] = ("nginx", "haproxy")


def installed(command: str, package: str) -> str:
    """Return the path of a command, installing its Debian package where we may; skip the test where we may not."""
    if (path := shutil.which(command)) is not None:
        return path
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        pytest.skip(f"there is no {command}, and only root can install it")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-q"], env=environment, capture_output=True, check=False)
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", package]
    done = subprocess.run(install, env=environment, capture_output=True, text=True, check=False)
    if (path := shutil.which(command)) is None:
        pytest.skip(f"there is no {command}: {done.stderr.strip()[-200:]}")
    return path


NGINX = """
user root; worker_processes 1; pid {home}/nginx.pid; error_log {home}/error.log notice; daemon off;
events {{ worker_connections 64; }}
http {{
  access_log {home}/access.log;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/f;
  uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
  server {{
    listen 127.0.0.1:{port} ssl; ssl_certificate {home}/server.pem; ssl_certificate_key {home}/server.pem;
    location / {{
      proxy_pass http://127.0.0.1:{behind}; proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
      proxy_read_timeout {idle_s}s;
    }}
  }}
  map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
}}
"""

HAPROXY = """
global
  stats socket {home}/control level admin
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout tunnel {idle_s}s
  retries 0
frontend f
  bind 127.0.0.1:{port} ssl crt {home}/server.pem
  default_backend b
backend b
  server s1 127.0.0.1:{behind}
"""


class Fronted(Backend):
    """A backend whose clients are sent to a TLS proxy in front of it."""

    front = 0

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.front}"

    def websocket_url(self) -> str:
        return super().websocket_url().replace(f"ws://{HOST}:{self.port}", f"wss://{HOST}:{self.front}")


class Proxy:
    """A real TLS proxy in front of a backend."""

    def __init__(self, kind: Kind, home: Path, backend: Fronted, authority: Authority, idle_s: int = 60) -> None:
        self.program = installed(kind, kind)
        self.kind = kind
        self.home = home
        self.backend = backend
        self.backend.front = unused_port()
        self._process: asyncio.subprocess.Process | None = None
        home.mkdir()
        authority.good().private_key_and_cert_chain_pem.write_to_path(str(home / "server.pem"))
        template = NGINX if kind == "nginx" else HAPROXY
        text = template.format(home=home, port=backend.front, behind=backend.port, idle_s=idle_s)
        (home / "conf").write_text(text)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start it and wait until it listens."""
        options = {"nginx": ["-p", str(self.home), "-e", f"{self.home}/error.log", "-c"], "haproxy": ["-W", "-f"]}
        with (self.home / "log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                self.program, *options[self.kind], str(self.home / "conf"), stdout=log, stderr=log
            )
        sign = self.home / ("nginx.pid" if self.kind == "nginx" else "control")
        await changed_until(sign, sign.exists)

    async def stop(self) -> None:
        """Cut everything, as a restart does."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()
            (self.home / "control").unlink(missing_ok=True)

    async def reload(self) -> str:
        """Read the configuration again, with new workers; what proves that it was read."""
        if self.kind == "nginx":
            os.kill(self.pid, signal.SIGHUP)
            await file_matches(self.home / "error.log", lambda data: data.count(b"start worker process ") >= 2)
            return "nginx log: reconfiguring, a second worker started"
        os.kill(self.pid, signal.SIGUSR2)
        await file_matches(self.home / "log", lambda data: data.count(b"New worker") >= 2)
        return "haproxy log: a second worker was forked"

    async def command(self, line: str) -> str:
        """Say something to HAProxy's control socket; its answer."""
        reader, writer = await asyncio.open_unix_connection(self.home / "control")
        writer.write(line.encode() + b"\n")
        answer = (await reader.read()).decode()
        writer.close()
        await writer.wait_closed()
        return answer


@pytest.fixture
async def fronted() -> AsyncIterator[Fronted]:
    async with Fronted() as backend:
        yield backend


@pytest.fixture
def trusting_site(lone_site: Site, fronted: Fronted, authority: Authority) -> Site:
    """A site that uses the proxy's address and trusts its certificate."""
    lone_site.backend = fronted
    lone_site.env["SSL_CERT_FILE"] = str(authority.file)
    return lone_site


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path)


def events(first: int, count: int = 50) -> list[bytes]:
    return [b'{"n":%d}' % n for n in range(first, first + count)]


async def record(site: Site, backend: Backend, index: int, first: int) -> list[bytes]:
    """Send 50 events on this connection and return all lines."""
    peer = await backend.greeted(index)
    await peer.burst(events(first))
    await site.written(first + 50)
    return [after_stamps(line) for line in site.lines()]


async def finished(site: Site, daemon: Daemon) -> str:
    """Stop it; why the connections were lost."""
    assert await daemon.stop() == 0
    assert "Traceback" not in daemon.stderr
    return ", ".join(lost["reason"] for lost in site.journal("lost")) or "none lost"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_reload_of_a_proxy_keeps_the_connection(
    trusting_site: Site, fronted: Fronted, authority: Authority, tmp_path: Path, ledger: Ledger, kind: Kind
) -> None:
    async with (
        Proxy(kind, tmp_path / kind, fronted, authority) as proxy,
        trusting_site.daemon(*QUICK) as daemon,
    ):
        await record(trusting_site, fronted, 0, 0)
        fired = await proxy.reload()
        kept = await record(trusting_site, fronted, 0, 50)
        lost = await finished(trusting_site, daemon)
    ledger.row(f"{kind}-reload", "TLS proxy reloaded", sent=100, on_disk=len(kept), fired=f"{fired}; {lost}")
    assert kept == events(0, 100)
    assert len(fronted.peers) == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_a_restart_of_a_proxy_is_followed_by_a_reconnect(
    trusting_site: Site, fronted: Fronted, authority: Authority, tmp_path: Path, ledger: Ledger, kind: Kind
) -> None:
    async with (
        Proxy(kind, tmp_path / kind, fronted, authority) as proxy,
        trusting_site.daemon(*QUICK) as daemon,
    ):
        await record(trusting_site, fronted, 0, 0)
        await proxy.stop()
        said = await daemon.stderr_line("could not be reached")
        await proxy.start()
        kept = await record(trusting_site, fronted, 1, 50)
        lost = await finished(trusting_site, daemon)
    ledger.row(f"{kind}-restart", "TLS proxy restarted", sent=100, on_disk=len(kept), fired=f"{lost}; {said}")
    assert kept == events(0, 100)
    assert len(trusting_site.journal("lost")) == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_a_proxy_that_cuts_idle_connections_is_connected_again(
    trusting_site: Site, fronted: Fronted, authority: Authority, tmp_path: Path, ledger: Ledger, kind: Kind
) -> None:
    async with (
        Proxy(kind, tmp_path / kind, fronted, authority, idle_s=1),
        trusting_site.daemon(*QUICK) as daemon,
    ):
        await record(trusting_site, fronted, 0, 0)
        kept = await record(trusting_site, fronted, 1, 50)
        lost = await finished(trusting_site, daemon)
    ledger.row(f"{kind}-idle", "cut after 1 s without a byte", sent=100, on_disk=len(kept), fired=lost)
    assert kept == events(0, 100)
    assert len(trusting_site.journal("lost")) >= 1


@pytest.mark.parametrize("kind", KINDS)
async def test_pings_keep_an_idle_connection_alive_through_a_proxy(
    trusting_site: Site, fronted: Fronted, authority: Authority, tmp_path: Path, ledger: Ledger, kind: Kind
) -> None:
    async with (
        Proxy(kind, tmp_path / kind, fronted, authority, idle_s=1),
        trusting_site.daemon(*QUICK, "--ping-interval", "200ms") as daemon,
    ):
        peer = await fronted.greeted()
        await peer.until(lambda: peer.pings >= 12 or peer.gone, "2.4 seconds of pings")
        kept = await record(trusting_site, fronted, 0, 0)
        lost = await finished(trusting_site, daemon)
    fired = f"{peer.pings} pings, one each 0.2 s, through an idle limit of 1 s; {lost}"
    ledger.row(f"{kind}-idle", "kept by pings", sent=50, on_disk=len(kept), fired=fired)
    assert kept == events(0)
    assert len(fronted.peers) == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_a_backend_that_is_down_behind_a_proxy_is_waited_for(
    trusting_site: Site, fronted: Fronted, authority: Authority, tmp_path: Path, ledger: Ledger, kind: Kind
) -> None:
    status = {"nginx": 502, "haproxy": 503}[kind]
    async with (
        Proxy(kind, tmp_path / kind, fronted, authority),
        trusting_site.daemon(*QUICK) as daemon,
    ):
        await record(trusting_site, fronted, 0, 0)
        fronted.hang_up()
        fronted.peers[0].rst()
        said = await daemon.stderr_line(f"answered {status}")
        await fronted.listen()
        kept = await record(trusting_site, fronted, 1, 50)
        lost = await finished(trusting_site, daemon)
    ledger.row(f"{kind}-down", "backend down", sent=100, on_disk=len(kept), fired=f"{lost}; {said}")
    assert kept == events(0, 100)


async def test_sessions_that_haproxy_shuts_down_are_connected_again(
    trusting_site: Site, fronted: Fronted, authority: Authority, tmp_path: Path, ledger: Ledger
) -> None:
    async with (
        Proxy("haproxy", tmp_path / "haproxy", fronted, authority) as proxy,
        trusting_site.daemon(*QUICK) as daemon,
    ):
        await record(trusting_site, fronted, 0, 0)
        assert not (await proxy.command("shutdown sessions server b/s1")).strip()
        kept = await record(trusting_site, fronted, 1, 50)
        lost = await finished(trusting_site, daemon)
    ledger.row("haproxy-shutdown", "shutdown sessions", sent=100, on_disk=len(kept), fired=lost)
    assert kept == events(0, 100)
    assert len(trusting_site.journal("lost")) == 1


async def test_a_server_that_haproxy_has_disabled_is_waited_for(
    trusting_site: Site, fronted: Fronted, authority: Authority, tmp_path: Path, ledger: Ledger
) -> None:
    async with (
        Proxy("haproxy", tmp_path / "haproxy", fronted, authority) as proxy,
        trusting_site.daemon(*QUICK) as daemon,
    ):
        await record(trusting_site, fronted, 0, 0)
        await proxy.command("disable server b/s1")
        await proxy.command("shutdown sessions server b/s1")
        said = await daemon.stderr_line("answered 503")
        await proxy.command("enable server b/s1")
        kept = await record(trusting_site, fronted, 1, 50)
        lost = await finished(trusting_site, daemon)
    ledger.row("haproxy-disabled", "disable server", sent=100, on_disk=len(kept), fired=f"{lost}; {said}")
    assert kept == events(0, 100)


class ForwardProxy:
    """A small HTTP proxy on bare sockets: CONNECT, and GET of a whole URL."""

    def __init__(self, *, refuses_with: int | None = None) -> None:
        self.heads: list[list[str]] = []
        """Heads of the requests, line by line."""
        self.refuses_with = refuses_with
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def methods(self) -> list[str]:
        return [head[0].split()[0] for head in self.heads]

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, HOST, 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Drop every tunnel."""
        for writer in self._writers:
            writer.transport.abort()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.heads.append(head.split("\r\n"))
            method, target, _ = head.split(" ", 2)
            if self.refuses_with is not None:
                writer.write(b"HTTP/1.1 %d No\r\ncontent-length: 0\r\n\r\n" % self.refuses_with)
                await writer.drain()
            else:
                await self._tunnel(method, target, head, reader, writer)
        writer.transport.abort()

    async def _tunnel(
        self, method: str, target: str, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        place, slash, path = target.removeprefix("http://").partition("/")
        host, _, port = place.rpartition(":")
        assert host == HOST
        there, back = await asyncio.open_connection(host, int(port))
        self._writers.add(back)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Established\r\n\r\n")
        else:
            back.write(head.replace(target, slash + path, 1).encode("latin-1"))
        await asyncio.wait(
            [asyncio.create_task(self._pump(reader, back)), asyncio.create_task(self._pump(there, writer))]
        )
        back.transport.abort()

    @staticmethod
    async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.close()


class SocksProxy(ForwardProxy):
    """A small SOCKS5 proxy that wants a password (RFC 1928, RFC 1929). `heads` has what it was asked for."""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readexactly((await reader.readexactly(2))[1])
            writer.write(b"\x05\x02")
            user = await reader.readexactly((await reader.readexactly(2))[1])
            password = await reader.readexactly((await reader.readexactly(1))[0])
            writer.write(b"\x01\x00")
            *_, kind = await reader.readexactly(4)
            length = 4 if kind == 1 else (await reader.readexactly(1))[0]
            await reader.readexactly(length)
            port = int.from_bytes(await reader.readexactly(2))
            self.heads.append([f"CONNECT {user.decode()} {password.decode()}"])
            writer.write(b"\x05\x00\x00\x01" + bytes(6))
            there, back = await asyncio.open_connection(HOST, port)
            self._writers.add(back)
            await asyncio.wait(
                [asyncio.create_task(self._pump(reader, back)), asyncio.create_task(self._pump(there, writer))]
            )
            back.transport.abort()
        writer.transport.abort()


PASSWORD = "pw-8d1f0c"


async def test_https_proxy_takes_rest_and_websocket_and_its_password_is_never_shown(
    lone_site: Site, authority: Authority, ledger: Ledger
) -> None:
    async with TlsBackend(authority.good()) as backend, ForwardProxy() as proxy:
        lone_site.backend = backend
        lone_site.env |= {
            "SSL_CERT_FILE": str(authority.file),
            "HTTPS_PROXY": f"http://someone:{PASSWORD}@{HOST}:{proxy.port}",
        }
        async with lone_site.daemon(*QUICK) as daemon:
            await record(lone_site, backend, 0, 0)
            proxy.cut()
            kept = await record(lone_site, backend, 1, 50)
            lost = await finished(lone_site, daemon)
        fired = f"{len(proxy.heads)} CONNECT; tunnels cut: {lost}"
        ledger.row("https-proxy", "HTTPS_PROXY, cut once", sent=100, on_disk=len(kept), fired=fired)
        assert kept == events(0, 100)
        assert proxy.methods == ["CONNECT"] * 4
        assert all(any("proxy-authorization" in line.lower() for line in head) for head in proxy.heads)
        everything = [daemon.stdout, daemon.stderr, *map(repr, lone_site.contents().values())]
        assert not any(PASSWORD in text for text in everything)
        assert not any(lone_site.key in line for head in proxy.heads for line in head)


@pytest.mark.parametrize("variable", ["ALL_PROXY", "HTTPS_PROXY"])
@pytest.mark.parametrize("kind", ["socks5", "socks5h"])
async def test_a_socks_proxy_takes_rest_and_websocket_and_its_password_is_never_shown(
    lone_site: Site, authority: Authority, ledger: Ledger, variable: str, kind: str
) -> None:
    async with TlsBackend(authority.good()) as backend, SocksProxy() as proxy:
        lone_site.backend = backend
        lone_site.env |= {
            "SSL_CERT_FILE": str(authority.file),
            "HTTP_PROXY": "socks5://nowhere.invalid:1",  # not meant for https
            variable: f"{kind}://someone:{PASSWORD}@{HOST}:{proxy.port}",
        }
        async with lone_site.daemon(*QUICK) as daemon:
            await record(lone_site, backend, 0, 0)
            proxy.cut()
            kept = await record(lone_site, backend, 1, 50)
            lost = await finished(lone_site, daemon)
        fired = f"{len(proxy.heads)} connections through it; cut: {lost}"
        ledger.row("socks-proxy", f"{variable}={kind}://..., cut once", sent=100, on_disk=len(kept), fired=fired)
        assert kept == events(0, 100)
        assert proxy.heads == [[f"CONNECT someone {PASSWORD}"]] * 4
        everything = [daemon.stdout, daemon.stderr, *map(repr, lone_site.contents().values())]
        assert not any(PASSWORD in text for text in everything)


async def test_no_proxy_goes_past_the_proxy(lone_site: Site, authority: Authority, ledger: Ledger) -> None:
    async with TlsBackend(authority.good()) as backend, ForwardProxy() as proxy:
        lone_site.backend = backend
        lone_site.env |= {
            "SSL_CERT_FILE": str(authority.file),
            "HTTPS_PROXY": f"http://{HOST}:{proxy.port}",
            "NO_PROXY": HOST,
        }
        async with lone_site.daemon(*QUICK) as daemon:
            kept = await record(lone_site, backend, 0, 0)
            await finished(lone_site, daemon)
        fired = f"HTTPS_PROXY and NO_PROXY set; {len(proxy.heads)} calls at the proxy"
        ledger.row("no-proxy", "NO_PROXY", sent=50, on_disk=len(kept), fired=fired)
        assert kept == events(0)
        assert proxy.heads == []


async def test_plain_http_to_loopback_goes_past_the_proxy(lone_site: Site, backend: Backend, ledger: Ledger) -> None:
    """Otherwise the key would travel to the proxy in the clear, and a proxy has another loopback."""
    async with ForwardProxy() as proxy:
        lone_site.backend = backend
        lone_site.env["HTTP_PROXY"] = f"http://{HOST}:{proxy.port}"
        async with lone_site.daemon(*QUICK) as daemon:
            kept = await record(lone_site, backend, 0, 0)
            await finished(lone_site, daemon)
        fired = f"HTTP_PROXY was set; {len(proxy.methods)} requests at the proxy"
        ledger.row("http-proxy", "HTTP_PROXY and a plain API on loopback", sent=50, on_disk=len(kept), fired=fired)
        assert kept == events(0)
        assert proxy.methods == []


@pytest.mark.parametrize(
    "way",
    [
        "REST",
        "WebSocket",
    ],
)
@pytest.mark.parametrize("status", [403, 407, 502])
async def test_a_proxy_that_refuses_is_named_retried_and_ends_with_69(
    lone_site: Site, authority: Authority, ledger: Ledger, way: str, status: int
) -> None:
    async with TlsBackend(authority.good()) as backend, ForwardProxy(refuses_with=status) as proxy:
        lone_site.backend = backend
        lone_site.env["SSL_CERT_FILE"] = str(authority.file)
        variable = "HTTPS_PROXY" if way == "REST" else "WSS_PROXY"
        lone_site.env[variable] = f"http://someone:{PASSWORD}@{HOST}:{proxy.port}"
        async with lone_site.daemon(*QUICK, "--startup-timeout", "2s") as daemon:
            assert await daemon.exit_status() == 69
        *tries, last = daemon.stderr.splitlines()
        fired = f"{len(proxy.heads)} CONNECT answered {status}; {last}"
        ledger.row("proxy-refuses", f"{way}: CONNECT answered {status}", sent=0, on_disk=0, fired=fired)
        assert len(tries) >= 2
        assert len(proxy.heads) >= 2
        assert PASSWORD not in daemon.stdout + daemon.stderr
        assert backend.upgrades == []
        assert f"the proxy of {variable} refused with {status}" in last
