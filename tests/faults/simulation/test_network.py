"""The network: bytes arrive late and in order, links fail in every way, and libraries do not notice what it is."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import httpx2
import pytest

from faults.simulation.machine import Machine
from faults.simulation.network import GIVE_UP_S, NAME, Acceptor, End, Network, Trouble
from faults.simulation.world import World

PORT = 7


class Echo(Acceptor):
    """Sends back what it gets, and remembers it."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.ends: list[End] = []
        self.ended = 0

    def accept(self, end: End) -> bool:
        def ended() -> None:
            self.ended += 1

        def data(data: bytes) -> None:
            self.got.append(data)
            end.send(data)

        self.ends.append(end)
        end.on_data, end.on_end = data, ended
        return True


@pytest.fixture
def echo(network: Network) -> Echo:
    network.servers[PORT] = echo = Echo()
    return echo


@pytest.fixture
def runs(world: World, machine: Machine) -> Callable[[Callable[[], Coroutine[Any, Any, Any]]], list[Any]]:
    """Run a program until the world is 1,000 s older: what it has returned or raised."""

    def run(main: Callable[[], Coroutine[Any, Any, Any]]) -> list[Any]:
        results: list[Any] = []

        async def whole() -> None:
            try:
                results.append(await main())
            except OSError as exc:
                results.append(exc)

        machine.start(whole)
        world.run(world.now + 1000)
        return results

    return run


Runs = Callable[[Callable[[], Coroutine[Any, Any, Any]]], list[Any]]


async def _ask(words: list[bytes]) -> bytes:
    reader, writer = await asyncio.open_connection(NAME, PORT)
    for word in words:
        writer.write(word)
    answer = await reader.readexactly(sum(map(len, words)))
    writer.close()
    return answer


def test_what_is_sent_arrives_in_order_and_takes_its_time(world: World, echo: Echo, runs: Runs) -> None:
    words = [b"one ", b"two ", b"three"]
    assert runs(lambda: _ask(words)) == [b"one two three"]
    assert echo.got == words
    assert echo.ended == 1


def test_nobody_listens_at_another_port(echo: Echo, runs: Runs) -> None:
    assert isinstance(runs(lambda: asyncio.open_connection(NAME, PORT + 1))[0], ConnectionRefusedError)


@pytest.mark.parametrize(
    ("trouble", "raised"),
    [
        ({"lookup": True, "error": None}, socket.gaierror),
        ({"error": ConnectionRefusedError}, ConnectionRefusedError),
        ({"error": OSError}, OSError),
    ],
)
def test_a_link_in_trouble_refuses_and_says_so(
    machine: Machine, echo: Echo, runs: Runs, trouble: dict[str, Any], raised: type[OSError]
) -> None:
    happened: list[str] = []
    machine.link.fail(Trouble(happened.append, **trouble))
    [result] = runs(lambda: _ask([b"hello"]))
    assert type(result) is raised
    assert len(happened) == 1
    machine.link.fail(None)
    assert runs(lambda: _ask([b"hello"])) == [b"hello"]


def test_a_silent_link_lets_one_wait_until_it_is_back(world: World, machine: Machine, echo: Echo, runs: Runs) -> None:
    machine.link.fail(Trouble(lambda _: None, error=None))
    world.at(60, machine.link.fail, None)
    answered_at: list[float] = []

    async def main() -> bytes:
        answer = await _ask([b"hello"])
        answered_at.append(world.now)
        return answer

    assert runs(main) == [b"hello"]
    assert 60 < answered_at[0] < 62


class Client(asyncio.Protocol):
    """Remembers what it heard, and how it ended."""

    heard = b""
    ended = "nothing"

    def data_received(self, data: bytes) -> None:
        self.heard += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = "end" if exc is None else "reset"


async def _hear_until_it_ends() -> tuple[bytes, str]:
    """Connect, and send something every ten seconds for 200 s: what came, and how it ended."""
    transport, client = await asyncio.get_running_loop().create_connection(Client, NAME, PORT)
    for number in range(20):
        transport.write(b"%d " % number)
        await asyncio.sleep(10)
        if client.ended != "nothing":
            break
    return client.heard, client.ended


def test_a_reset_ends_it_for_both(world: World, echo: Echo, runs: Runs) -> None:
    world.at(35, lambda: echo.ends[0].reset())
    [(got, how)] = runs(_hear_until_it_ends)
    assert (got, how) == (b"0 1 2 3 ", "reset")
    assert echo.ended == 1


def test_a_server_that_closes_is_read_to_its_end(world: World, echo: Echo, runs: Runs) -> None:
    def say_goodbye() -> None:
        echo.ends[0].send(b"bye")
        echo.ends[0].close()

    world.at(35, say_goodbye)
    [(got, how)] = runs(_hear_until_it_ends)
    assert (got, how) == (b"0 1 2 3 bye", "end")


def test_a_frozen_connection_tells_nobody_until_the_server_gives_it_up(
    world: World, machine: Machine, echo: Echo, runs: Runs
) -> None:
    world.at(35, lambda: machine.link.wires[0].freeze())
    world.at(50, lambda: echo.ends[0].send(b"into the void"))
    ended_at: list[float] = []
    echo.accept = lambda end: Echo.accept(echo, end) and _at_the_end(end, lambda: ended_at.append(world.now))  # type: ignore[method-assign]
    [(got, how)] = runs(_hear_until_it_ends)
    assert (got, how) == (b"0 1 2 3 ", "nothing")
    assert ended_at == [pytest.approx(50 + GIVE_UP_S, abs=1)]


def _at_the_end(end: End, call: Callable[[], None]) -> bool:
    end.on_end = call
    return True


@pytest.mark.parametrize(("seconds", "how"), [(20, "nothing"), (120, "reset")])
def test_a_stalled_link_delivers_later_what_was_not_given_up(
    world: World, machine: Machine, echo: Echo, runs: Runs, seconds: float, how: str
) -> None:
    world.at(34.0, machine.link.hold, "stalled")
    world.at(34.5, lambda: echo.ends[0].send(b"late "))
    world.at(34.0 + seconds, machine.link.release, "stalled")
    [(got, ended)] = runs(_hear_until_it_ends)
    assert ended == how
    assert (b"late " in got) == (how == "nothing")


def test_an_attempt_that_was_given_up_leaves_no_connection(
    world: World, machine: Machine, echo: Echo, runs: Runs
) -> None:
    async def main() -> str:
        for patience_s in (0.005, 0.03, 0.06, 0.1):
            try:
                async with asyncio.timeout(patience_s):
                    await asyncio.get_running_loop().create_connection(Client, NAME, PORT)
                    await asyncio.sleep(1)
            except TimeoutError:
                await asyncio.sleep(1)
        return "given up"

    assert runs(main) == ["given up"]
    assert [wire.transport.is_closing() for wire in machine.link.wires] == [False] * (len(echo.ends) - echo.ended)
    assert echo.ended > 0


def test_what_a_killed_process_had_open_is_closed(world: World, machine: Machine, echo: Echo) -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_connection(asyncio.Protocol, NAME, PORT)
        await asyncio.sleep(1e6)

    process = machine.start(main)
    world.run(10)
    process.kill()
    world.run(11)
    assert echo.ended == 1
    assert machine.link.wires == []


def test_who_sends_is_told_when_it_was_read(world: World, machine: Machine, echo: Echo, runs: Runs) -> None:
    read_at: list[float] = []
    world.at(34.0, machine.link.hold, "stalled")
    world.at(35.0, lambda: echo.ends[0].send(b"late", lambda: read_at.append(world.now)))
    world.at(36.0, lambda: echo.ends[0].send(b"lost", lambda: read_at.append(-1)))
    world.at(50.0, machine.link.release, "stalled")
    world.at(50.0, lambda: echo.ends[0].reset())
    runs(_hear_until_it_ends)
    assert read_at == []


def test_an_http_client_keeps_its_connection(world: World, network: Network, runs: Runs) -> None:
    class Http(Echo):
        def accept(self, end: End) -> bool:
            self.ends.append(end)
            end.on_data = lambda _: end.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            return True

    network.servers[PORT] = http = Http()

    async def main() -> list[str]:
        texts = []
        async with httpx2.AsyncClient(timeout=10, trust_env=False) as client:
            for pause in (1, 1, 200):
                texts.append((await client.get(f"http://{NAME}:{PORT}/")).text)
                await asyncio.sleep(pause)
        return texts

    assert runs(main) == [["ok"] * 3]
    assert len(http.ends) == 1
