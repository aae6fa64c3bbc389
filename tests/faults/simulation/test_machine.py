"""Machines and their processes: time that costs nothing, clocks that differ, and deaths that leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from faults.simulation.machine import UP_S, Machine
from faults.simulation.world import EPOCH, World


def test_an_hour_passes_in_no_time(world: World, machine: Machine) -> None:
    seen: list[float] = []

    async def main() -> None:
        await asyncio.sleep(3600)
        seen.append(asyncio.get_running_loop().time() - UP_S)

    before = time.perf_counter()
    machine.start(main)
    world.run(4000)
    assert seen == [pytest.approx(3600)]
    assert time.perf_counter() - before < 5


def test_what_is_due_first_happens_first_in_the_world_and_in_processes_alike(world: World, machine: Machine) -> None:
    order: list[str] = []

    async def main() -> None:
        for number in (1, 3, 5):
            await asyncio.sleep(number * 10 - world.now)
            order.append(f"process {number}")

    machine.start(main)
    for number in (2, 4):
        world.at(number * 10, order.append, f"world {number}")
    world.run(100)
    assert order == ["process 1", "world 2", "process 3", "world 4", "process 5"]


def test_two_machines_take_turns(world: World, machine: Machine) -> None:
    other = Machine(world, machine.link.network, "other")
    order: list[tuple[str, float]] = []

    async def main(name: str) -> None:
        for _ in range(3):
            await asyncio.sleep(1.0 if name == "box" else 1.6)
            order.append((name, round(world.now, 6)))

    machine.start(lambda: main("box"))
    other.start(lambda: main("other"))
    world.run(10)
    assert order == [("box", 1), ("other", 1.6), ("box", 2), ("box", 3), ("other", 3.2), ("other", 4.8)]


def test_the_wall_clock_can_be_wrong_and_be_set_while_the_monotonic_one_goes_on(world: World, machine: Machine) -> None:
    told: list[tuple[float, float]] = []

    async def main() -> None:
        while True:
            told.append((time.time() - EPOCH, time.monotonic() - UP_S))
            await asyncio.sleep(10)

    machine.skew_s = 300.0
    machine.start(main)
    world.at(15, machine.step_clock, -360.0)
    world.run(25)
    assert [(round(wall), round(mono)) for wall, mono in told] == [(300, 0), (310, 10), (-40, 20)]


def test_a_machine_that_sleeps_runs_nothing_and_its_monotonic_clock_stands_still(
    world: World, machine: Machine
) -> None:
    told: list[tuple[float, float]] = []

    async def main() -> None:
        await asyncio.sleep(30)
        told.append((time.time() - EPOCH, time.monotonic() - UP_S))

    machine.start(main)
    world.at(10, machine.suspend)
    world.at(110, machine.resume)
    world.run(200)
    assert told[0] == pytest.approx((130, 30))


def test_sleep_of_the_library_blocks_the_process_and_nobody_else(world: World, machine: Machine) -> None:
    told: list[tuple[str, float]] = []

    async def main() -> None:
        asyncio.get_running_loop().call_later(1, lambda: told.append(("later", round(world.now))))
        await asyncio.sleep(0.5)
        time.sleep(5)
        told.append(("blocked", round(world.now, 1)))

    world.at(3, lambda: told.append(("world", world.now)))
    machine.start(main)
    world.run(10)
    assert told == [("world", 3), ("blocked", 5.5), ("later", 6)]


def test_a_loop_without_end_is_found(world: World, machine: Machine) -> None:
    async def main() -> None:
        while True:
            await asyncio.sleep(0)

    machine.start(main)
    with pytest.raises(AssertionError, match="round and round"):
        world.run(1)


@pytest.mark.parametrize("what", ["a thread", "a blocking socket", "a blocking look-up"])
def test_what_the_simulation_would_not_know_of_is_refused(world: World, machine: Machine, what: str) -> None:
    async def main() -> None:
        if what == "a thread":
            threading.Thread(target=print).start()
        elif what == "a blocking socket":
            socket.create_connection(("localhost", 9))
        else:
            socket.getaddrinfo("localhost", 9)

    process = machine.start(main)
    world.run(1)
    assert what in str(process.failure)


def test_what_a_program_raises_is_its_failure_and_it_has_ended(world: World, machine: Machine) -> None:
    async def main() -> None:
        raise ValueError("no")

    ended: list[object] = []
    process = machine.start(main, ended.append)
    world.run(1)
    assert ended == [process]
    assert not process.alive
    assert repr(process.failure) == "ValueError('no')"


def test_sigterm_calls_the_handler_that_the_process_has_set(world: World, machine: Machine) -> None:
    stopped_at: list[float] = []

    async def main() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(stop.set))
        await stop.wait()
        stopped_at.append(world.now)

    process = machine.start(main)
    world.at(7, process.send_signal, signal.SIGTERM)
    world.run(10)
    assert stopped_at == [7]
    assert process.ended_well


def test_the_handlers_of_the_tests_themselves_are_not_touched(world: World, machine: Machine) -> None:
    before = signal.getsignal(signal.SIGTERM)

    async def main() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    machine.start(main)
    world.run(1)
    assert signal.getsignal(signal.SIGTERM) is before


@asynccontextmanager
async def _owned(path: Path) -> AsyncIterator[None]:
    path.write_text("open")
    try:
        yield
    finally:
        await asyncio.sleep(0)
        path.write_text("closed")


async def _works(path: Path) -> None:
    async with _owned(path):
        try:
            await asyncio.sleep(1e6)
        finally:
            path.with_name("left").write_text("I was here")


@pytest.mark.parametrize("asleep", [False, True])
def test_what_was_killed_does_nothing_more_not_even_in_finally(world: World, machine: Machine, asleep: bool) -> None:
    path = Path("/simulated/box/file")
    process = machine.start(lambda: _works(path))
    if asleep:
        world.at(4, machine.suspend)
    world.at(5, process.kill)
    world.run(10)
    gc.collect()
    world.run(20)
    assert not process.ended_well
    assert path.read_text() == "open"
    assert machine.disk.names("/simulated/box") == ["file"]


def test_a_process_can_be_killed_before_it_has_begun(world: World, machine: Machine) -> None:
    process = machine.start(lambda: _works(Path("/simulated/box/file")))
    process.kill()
    world.run(10)
    assert machine.disk.names("/simulated/box") == []


def test_one_process_after_the_other_runs_on_the_same_disk(world: World, machine: Machine) -> None:
    path = Path("/simulated/box/count")

    async def main() -> None:
        path.write_text(f"{int(path.read_text()) + 1 if path.exists() else 1}")
        await asyncio.sleep(1e6)

    for at in (1, 2, 3):
        first = machine.start(main)
        world.run(at)
        first.kill()
    assert path.read_text() == "3"
