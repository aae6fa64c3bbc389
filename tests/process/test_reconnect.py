"""Whatever happens to a connection, there is a new one, and everyone can see that it is a new one."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from support.backend import Backend, Peer, Reply, Script, greet, mute, unused_port
from support.daemon import PYTHON, Daemon, Site

QUICK = ("--min-backoff", "10ms", "--max-backoff", "300ms")


async def recovers(site: Site, daemon: Daemon, backend: Backend, fault: Callable[[Peer], Awaitable[None]]) -> None:
    """Record an event, let the fault happen, record another: all that the contract says is to be seen."""
    first = await daemon.ws_id()
    peer = await backend.greeted(0)
    await peer.event({"n": 0})
    await site.written(1)
    await fault(peer)
    second = await daemon.ws_id()
    assert second != first
    newest = backend.peers[-1]
    assert newest.id == second
    await newest.event({"n": 1})
    assert [record["n"] for record in await site.written(2)] == [0, 1]
    assert site.files.ws_id.read_text() == second
    (lost,) = site.journal("lost")
    assert lost["ws_id"] == first
    assert lost["reason"]
    (gap,) = site.journal("gap")
    assert (gap["old_ws_id"], gap["new_ws_id"]) == (first, second)
    start, *_, again = site.journal("connected")
    assert start["unix_ts"] <= gap["from_unix_ts"] <= lost["unix_ts"] <= gap["to_unix_ts"] == again["unix_ts"]
    assert (again["ws_id"], again["previous_ws_id"]) == (second, first)
    assert "no longer reports here" in await daemon.stderr_line(f"bound to {first}")
    assert "Traceback" not in daemon.stderr
    assert await daemon.stop() == 0


async def close_and_leave(peer: Peer) -> None:
    await peer.send_close(1001)
    peer.rst()


async def reset(peer: Peer) -> None:
    peer.rst()


def closing(code: int | None, reason: str = "") -> Callable[[Peer], Awaitable[None]]:
    return lambda peer: peer.close(code, reason)


ENDINGS: dict[str, Callable[[Peer], Awaitable[None]]] = {
    "fin": Peer.fin,
    "rst": reset,
    **{f"close {code}": closing(code) for code in (1000, 1001, 1008, 1011, 1012, 1013, 4001)},
    "close without a code": closing(None),
    "close with a long reason": closing(1000, "because " * 15),
    "close and then a reset": close_and_leave,
    "a frame that breaks the protocol": lambda peer: peer.raw(b"\xff\xff\xff\xff"),
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_any_end_of_a_connection_is_followed_by_another(site: Site, backend: Backend, ending: str) -> None:
    async with site.daemon(*QUICK) as daemon:
        await recovers(site, daemon, backend, ENDINGS[ending])
    assert len(backend.peers) == 2
    assert len(set(backend.tokens)) == 2, "a fresh URL for every attempt"


@pytest.mark.parametrize("code", [1000, 1011, 4001])
async def test_the_close_code_of_the_server_is_journalled(site: Site, backend: Backend, code: int) -> None:
    async with site.daemon(*QUICK) as daemon:
        await daemon.ws_id()
        await (await backend.peer()).close(code)
        await daemon.ws_id()
        assert await daemon.stop() == 0
    assert [lost["close_code"] for lost in site.journal("lost")] == [code]


ANSWERS: dict[str, Reply] = {
    **{str(code): Reply(code, {"success": False, "message": "down"}) for code in (402, 408, 429, 500, 502, 503, 504)},
    "429 with Retry-After": Reply(429, headers={"retry-after": "0"}),
    "401 later": Reply(401),
    "403 later": Reply(403),
    "400 later": Reply(400),
    "404 later": Reply(404),
    "not JSON": Reply(200, b"<html>maintenance</html>"),
    "empty": Reply(200, b""),
    "not UTF-8": Reply(200, b'{"success":true,"data":{"websocket_url":"\xff"}}'),
    "JSON, but no object": Reply(200, b"[1]"),
    "success: false": Reply(200, {"success": False, "message": "not now"}),
    "data: null": Reply(200, {"success": True, "data": None}),
    "no URL": Reply(200, {"success": True, "data": {}}),
    "URL of a host that does not exist": Reply(
        200, {"success": True, "data": {"websocket_url": "wss://nowhere.invalid/ws?token=t"}}
    ),
    "URL of a port where nobody listens": Reply(
        200, lambda _: {"success": True, "data": {"websocket_url": f"ws://127.0.0.1:{unused_port()}/ws?token=t"}}
    ),
}


@pytest.mark.parametrize("answer", ANSWERS)
async def test_a_bad_answer_later_is_retried(site: Site, backend: Backend, answer: str) -> None:
    async def fault(peer: Peer) -> None:
        backend.rest.append(ANSWERS[answer])
        peer.rst()

    async with site.daemon(*QUICK) as daemon:
        await recovers(site, daemon, backend, fault)
    assert backend.rest == []
    assert len(backend.requests) == 3


@pytest.mark.parametrize("answer", ["500", "not JSON", "success: false", "data: null", "402", "429"])
async def test_a_bad_answer_at_the_start_is_retried(site: Site, backend: Backend, answer: str) -> None:
    backend.rest += [ANSWERS[answer]] * 2
    async with site.daemon(*QUICK) as daemon:
        assert await daemon.ws_id() == backend.peers[0].id
        assert await daemon.stop() == 0
    assert backend.rest == []
    assert site.journal("lost") == []


UNUSABLE_URLS = {
    "empty label": "wss://a..b/ws?token=hidden",
    "label too long": f"wss://{'a' * 64}.example/ws?token=hidden",
    "NUL in the host": "wss://a\0b/ws?token=hidden",
    "control character in the host": "wss://h\x9b2J/ws?token=hidden",
    "line break in the path": "ws://127.0.0.1:9/ \r\nX: y?token=hidden",
}


@pytest.mark.parametrize("url", UNUSABLE_URLS.values(), ids=UNUSABLE_URLS)
async def test_an_address_that_cannot_be_used_is_retried_and_its_secret_kept(
    site: Site, backend: Backend, url: str
) -> None:
    backend.rest.append(Reply(body={"success": True, "data": {"websocket_url": url}}))
    async with site.daemon(*QUICK) as daemon:
        await daemon.ws_id()
        assert len(backend.requests) == 2
        assert await daemon.stop() == 0
    assert "hidden" not in daemon.stderr


NEVER = "https://127.0.0.1:9"  # nothing listens there, and nothing needs to


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
async def test_certificate_authorities_that_are_gone_are_named_at_once(lone_site: Site, variable: str) -> None:
    gone = str(lone_site.home / "gone.pem")
    lone_site.env |= {variable: gone, "VIDEO_DB_API": NEVER}
    result = await lone_site.run("run")
    assert result.status == 78
    assert f"{variable} names {gone}" in result.stderr


@pytest.mark.parametrize("variable", ["ALL_PROXY", "HTTPS_PROXY", "https_proxy"])
async def test_a_kind_of_proxy_that_needs_a_package_is_a_setting_to_correct(lone_site: Site, variable: str) -> None:
    lone_site.env |= {variable: "socks5://127.0.0.1:9", "VIDEO_DB_API": NEVER}
    without = "import sys; sys.modules |= {'socksio': None, 'python_socks': None}; from videodb_listen.cli import main;"
    command = [PYTHON, "-c", f"{without} main()", "run", "--dir", str(lone_site.directory)]
    async with Daemon(lone_site, command=command) as daemon:
        assert await daemon.exit_status() == 78
    assert f"{variable.upper()} names a SOCKS proxy" in daemon.stderr
    assert "videodb-listen[socks]" in daemon.stderr


@pytest.mark.parametrize(
    "unused",
    [
        "ALL_PROXY=socks5://127.0.0.1:9",
        "HTTPS_PROXY=socks5://127.0.0.1:9",
        "HTTP_PROXY=nonsense",
        "SSL_CERT_FILE=/nowhere",
        "SSL_CERT_DIR=/nowhere",
        "NO_PROXY=[",
    ],
)
async def test_what_an_address_in_the_clear_does_not_use_cannot_fail(site: Site, unused: str) -> None:
    name, site.env[name] = unused.split("=", 1)
    async with site.daemon() as daemon:
        await daemon.ws_id()
        assert await daemon.stop() == 0


async def test_retry_after_is_honoured(site: Site, backend: Backend) -> None:
    async def fault(peer: Peer) -> None:
        backend.rest.append(Reply(429, headers={"retry-after": "2"}))
        peer.rst()

    async with site.daemon(*QUICK) as daemon:
        await recovers(site, daemon, backend, fault)
    _, refused, served = backend.requests
    assert served.at_s - refused.at_s >= 2.0


@pytest.mark.parametrize("status", [401, 403, 410, 429, 500, 503])
async def test_a_refused_upgrade_is_retried_whatever_its_status(lone_site: Site, status: int) -> None:
    async with Backend([greet, Reply(status, "no"), greet]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon(*QUICK) as daemon:
            await recovers(lone_site, daemon, backend, reset)
        assert (len(backend.upgrades), len(backend.peers)) == (3, 2)


async def test_a_server_that_is_away_for_a_while(site: Site, backend: Backend) -> None:
    async def fault(peer: Peer) -> None:
        backend.hang_up()
        peer.rst()
        await daemon.stderr_line("could not be reached")
        await backend.listen()

    async with site.daemon(*QUICK) as daemon:
        await recovers(site, daemon, backend, fault)


async def say_nonsense(peer: Peer) -> None:
    await peer.hello("an id with blanks")


async def hang_up_before_the_hello(peer: Peer) -> None:
    await peer.close(1000)


async def array_instead_of_a_hello(peer: Peer) -> None:
    await peer.text(b"[1]")
    await peer.close(1000)


SILENT = {"nothing": mute, "unfit id": say_nonsense, "close": hang_up_before_the_hello}


@pytest.mark.parametrize("instead", SILENT)
async def test_a_connection_without_a_hello_is_given_up(lone_site: Site, instead: str) -> None:
    async with Backend([greet, SILENT[instead], greet]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon(*QUICK, "--hello-timeout", "1s") as daemon:
            await recovers(lone_site, daemon, backend, reset)
        assert len(backend.peers) == 3


UNFIT = [b'"a b"', '"é"'.encode(), b'"' + b"x" * 257 + b'"', b'"a\\u001b[2J"', b'"a\\nWS_ID=b"', b'""', b"7", b"null"]


@pytest.mark.parametrize("unfit", UNFIT)
async def test_an_id_that_no_file_should_hold_never_gets_out(lone_site: Site, unfit: bytes) -> None:
    async def bad(peer: Peer) -> None:
        await peer.text(b'{"connection_id":' + unfit + b"}")

    async with Backend([bad, greet]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon(*QUICK, "--hello-timeout", "1s") as daemon:
            assert await daemon.ws_id() == backend.peers[1].id
            assert await daemon.stop() == 0
        assert [entry["ws_id"] for entry in lone_site.journal("connected")] == [backend.peers[1].id]
        assert daemon.stdout.count("WS_ID=") == 1


@pytest.mark.parametrize("fit", ["../../x", "AbCd_-=+:;.~{}", "x" * 256])
async def test_any_printable_id_is_taken_as_it_is(lone_site: Site, fit: str) -> None:
    async def hello(peer: Peer) -> None:
        await peer.hello(fit, more={"ignored": True})

    async with Backend([hello]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon() as daemon:
            assert await daemon.ws_id() == fit
            assert lone_site.files.ws_id.read_text() == fit
            assert await daemon.stop() == 0


async def test_a_half_open_connection_is_noticed(site: Site, backend: Backend) -> None:
    async def freeze(peer: Peer) -> None:
        await peer.until(lambda: peer.pings > 0, "a first ping")
        peer.freeze()

    async with site.daemon(*QUICK, "--ping-interval", "200ms", "--ping-timeout", "2s") as daemon:
        await recovers(site, daemon, backend, freeze)
    assert "pong" in site.journal("lost")[0]["reason"]


async def test_a_server_that_reads_but_does_not_pong_is_noticed(site: Site, backend: Backend) -> None:
    async def quiet(peer: Peer) -> None:
        peer.answers_pings = False

    async with site.daemon(*QUICK, "--ping-interval", "200ms", "--ping-timeout", "2s") as daemon:
        await recovers(site, daemon, backend, quiet)
    assert backend.peers[0].pings >= 1


async def test_pings_of_the_server_are_answered(site: Site, backend: Backend) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        peer = await backend.peer()
        await peer.ping(b"are you there")
        await peer.until(lambda: any(f.op == 0xA and f.payload == b"are you there" for f in peer.received), "a pong")
        assert await daemon.stop() == 0


async def test_the_stale_id_is_gone_before_the_next_attempt(site: Site, backend: Backend) -> None:
    seen: list[bool] = []

    def look(_: object) -> bytes:
        seen.append(site.files.ws_id.exists())
        return b"{}"

    async with site.daemon(*QUICK) as daemon:
        await daemon.ws_id()
        backend.rest.append(Reply(500, look))
        (await backend.peer()).rst()
        await daemon.ws_id()
        assert await daemon.stop() == 0
    assert seen == [False]


WINDOW_S = 10.0
MOST = 8


async def hello_and_close(peer: Peer) -> None:
    await peer.hello()
    await peer.close(1000)


FLAPS: list[Script | Reply] = [hello_and_close, hang_up_before_the_hello, Reply(503)]


async def test_a_server_that_accepts_and_closes_is_not_stormed(tmp_path: Path) -> None:
    """At most 8 connections in the 10 seconds from the first one, whether or not a hello came before the end."""

    async def connections(flap: Script | Reply, home: Path) -> list[float]:
        async with Backend([flap]) as backend, Site(home, backend).daemon() as daemon:
            await backend.until(lambda: len(backend.upgrades) > 0, "a first connection")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(WINDOW_S):
                    await backend.until(lambda: len(backend.upgrades) > MOST, "a storm", limit_s=2 * WINDOW_S)
            assert await daemon.stop() == 0
            return [upgrade.at_s for upgrade in backend.upgrades]

    homes = [tmp_path / str(index) for index in range(len(FLAPS))]
    for home in homes:
        home.mkdir()
    for times in await asyncio.gather(*map(connections, FLAPS, homes)):
        assert 2 <= len(times) <= MOST
        assert all(later - earlier >= 0.25 for earlier, later in itertools.pairwise(times))


async def test_the_delays_start_over_after_a_connection_that_delivered(site: Site, backend: Backend) -> None:
    """Ten good connections in a row cost ten first delays, not a growing series (which would take minutes)."""
    async with site.daemon("--min-backoff", "250ms", "--max-backoff", "60s") as daemon:
        began = time.monotonic()
        for index in range(8):
            await daemon.ws_id()
            peer = await backend.greeted(index)
            await peer.event({"n": index})
            await site.written(index + 1)
            peer.rst()
        assert time.monotonic() - began < 15
        await daemon.kill()


async def test_a_rejection_later_is_doubted_at_the_slowest_pace(site: Site, backend: Backend) -> None:
    async def fault(peer: Peer) -> None:
        backend.rest += [Reply(401), Reply(404)]
        peer.rst()

    async with site.daemon("--min-backoff", "10ms", "--max-backoff", "700ms") as daemon:
        await recovers(site, daemon, backend, fault)
    times = [request.at_s for request in backend.requests]
    assert times[2] - times[1] >= 0.7
    assert times[3] - times[2] >= 0.7
