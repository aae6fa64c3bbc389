"""Neither the key nor a token of a URL is ever written anywhere, whatever the server says and whatever breaks."""

from __future__ import annotations

import asyncio
import base64

import pytest

from support.backend import Backend, Peer, Reply, Request, Script, greet, mute
from support.daemon import Completed, Site


def echo(request: Request) -> dict[str, object]:
    """A server that repeats the key in its message, in several spellings."""
    key = request.headers["x-access-token"]
    return {"success": False, "message": f"bad key {key} (x-access-token: {key}, Bearer {key})", "error_code": key}


def nowhere_in(site: Site, backend: Backend, *spoken: bytes) -> None:
    """Search every file and both streams, byte for byte."""
    secrets = [site.key.encode(), *(token.encode() for token in backend.tokens)]
    places = {**site.contents(), **{f"stream {i}": data for i, data in enumerate(spoken)}}
    assert backend.tokens
    found = [(name, secret) for name, data in places.items() for secret in secrets if secret in data]
    assert found == []


@pytest.mark.parametrize("form", ["text", "json"])
async def test_no_secret_is_written_through_many_faults(lone_site: Site, form: str) -> None:
    async def tells_its_token(peer: Peer) -> None:
        await peer.hello()
        await peer.close(4001, peer.request.path[-100:])

    scripts: list[Script | Reply] = [greet, Reply(403, lambda request: request.path), tells_its_token, mute, greet]
    async with Backend(scripts) as backend:
        lone_site.backend = backend

        def secret_url(url: str) -> Reply:
            backend.tokens.append(token := f"tok-{len(backend.tokens)}-very-secret")
            return Reply(body={"success": True, "data": {"websocket_url": url.format(token=token)}})

        faults = [
            Reply(500, echo),
            Reply(429, echo),
            Reply(200, echo),
            Reply(401, echo),
            Reply(404, echo),
            Reply(200, lambda request: f"<html>{request.headers['x-access-token']}</html>"),
            secret_url("wss://nowhere.invalid/ws?token={token}"),
            secret_url("wss://user:{token}@nowhere.invalid/{token}?token={token}#{token}"),
            secret_url("ws://127.0.0.1:1/ws?token={token}"),
            secret_url("http://127.0.0.1/?token={token}"),
            secret_url("ws://[broken/?token={token}"),
            secret_url("/ws?token={token}"),
            secret_url("wss:?token={token}"),
        ]
        how = ["--log-level", "debug", "--log-format", form, "--min-backoff", "10ms", "--max-backoff", "250ms"]
        async with lone_site.daemon(*how, "--hello-timeout", "1s") as daemon:
            await daemon.ws_id()
            backend.rest += faults
            (await backend.peer(0)).rst()
            await daemon.ws_id()  # the one that closes and tells its token
            assert backend.rest == []
            await daemon.ws_id()
            peer = backend.peers[-1]
            await peer.event({"channel": "transcript", "data": {"text": "harmless"}})
            await lone_site.written(1)
            assert (len(backend.upgrades), len(backend.peers)) == (5, 4)
            looks = [await lone_site.run("status"), await lone_site.run("status", "--json"), await lone_site.run("id")]
            assert await daemon.stop() == 0
        spoken = [text.encode() for look in looks for text in (look.stdout, look.stderr)]
        nowhere_in(lone_site, backend, daemon.stdout_bytes, daemon.stderr_bytes, *spoken)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_a_key_that_the_server_repeats_is_not_printed_at_the_end(
    site: Site, backend: Backend, status: int
) -> None:
    backend.websocket_url()
    backend.rest += [Reply(status, echo)] * 2
    async with site.daemon("--log-level", "debug") as daemon:
        assert await daemon.exit_status() in {77, 78}
        nowhere_in(site, backend, daemon.stdout_bytes, daemon.stderr_bytes)
    started: Completed = await site.run("start")
    assert started.status in {77, 78}
    nowhere_in(site, backend, started.stdout.encode(), started.stderr.encode())


async def test_the_key_is_not_in_the_arguments_of_any_process(site: Site) -> None:
    assert (await site.run("start")).status == 0
    pid = site.files.pid.read_text()
    with open(f"/proc/{pid}/cmdline", "rb") as cmdline:  # noqa: ASYNC230, PTH123
        assert site.key.encode() not in cmdline.read()
    assert (await site.run("stop")).status == 0


async def test_the_key_goes_to_the_api_only_and_not_to_the_websocket(site: Site, backend: Backend) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        assert await daemon.stop() == 0
    assert backend.requests[0].headers["x-access-token"] == site.key
    (upgrade,) = backend.upgrades
    assert site.key not in upgrade.path + repr(upgrade.headers)


PASSWORD = "HUNTER2"
FAR = {"VIDEO_DB_API": "https://api.invalid"}


def tells_nothing_of_the_proxy(site: Site, *spoken: str) -> None:
    said = [*spoken, *map(repr, site.contents().values() if site.directory.exists() else ())]
    assert not [text for text in said for part in (PASSWORD, "someone", "proxy.invalid", ":3128") if part in text]


@pytest.mark.parametrize("odd", ["/", "#", "?", "%FF"])
@pytest.mark.parametrize("command", ["run", "start", "session list"])
async def test_a_proxys_password_that_was_not_escaped_is_not_told_and_the_variable_is(
    lone_site: Site, command: str, odd: str
) -> None:
    lone_site.env |= {**FAR, "HTTPS_PROXY": f"http://someone:{PASSWORD}{odd}x@proxy.invalid:3128"}
    done = await lone_site.run_bare(*command.split(), "--dir", str(lone_site.directory))
    assert done.status == 78
    assert "HTTPS_PROXY is not the address of a proxy" in done.stderr
    tells_nothing_of_the_proxy(lone_site, done.stdout, done.stderr)


@pytest.mark.parametrize(
    "address", ["proxy.invalid:3128", "http://someone:{}@proxy.invalid:3128", "https://someone:{}@127.0.0.1:3128"]
)
async def test_a_proxy_that_is_not_there_is_told_by_its_variable(lone_site: Site, address: str) -> None:
    lone_site.env |= {**FAR, "ALL_PROXY": address.format(PASSWORD)}
    async with lone_site.daemon("--startup-timeout", "1s", "--log-level", "debug") as daemon:
        assert await daemon.exit_status() == 69
    assert "could not be reached through the proxy of ALL_PROXY" in daemon.stderr
    tells_nothing_of_the_proxy(lone_site, daemon.stdout, daemon.stderr)


async def test_a_proxy_that_repeats_its_password_is_told_by_its_status_only(lone_site: Site) -> None:
    async def parrot(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        given = base64.b64decode(head.partition("Basic ")[2].split()[0]).decode()
        writer.write(f"HTTP/1.1 407 {given} is wrong\r\ncontent-length: 0\r\n\r\n".encode())
        writer.close()

    async with await asyncio.start_server(parrot, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        lone_site.env |= {**FAR, "HTTPS_PROXY": f"http://someone:{PASSWORD}@127.0.0.1:{port}"}
        async with lone_site.daemon("--startup-timeout", "1s", "--log-level", "debug") as daemon:
            assert await daemon.exit_status() == 69
    assert "the proxy of HTTPS_PROXY refused with 407" in daemon.stderr
    tells_nothing_of_the_proxy(lone_site, daemon.stdout, daemon.stderr)


async def test_a_key_in_what_is_no_http_is_not_printed(lone_site: Site) -> None:
    """The library shows the bytes that it does not understand."""

    async def parrot(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = head.lower().partition("x-access-token: ")[2].split()[0]
        writer.write(f"HTTP/1.1 200 OK\r\n{key}\r\n\r\n".encode())
        writer.close()

    async with await asyncio.start_server(parrot, "127.0.0.1", 0) as server:
        lone_site.env["VIDEO_DB_API"] = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with lone_site.daemon("--startup-timeout", "1s", "--log-level", "debug") as daemon:
            assert await daemon.exit_status() == 69
    assert "could not be reached" in daemon.stderr
    assert lone_site.key not in daemon.stderr + repr(lone_site.contents())
