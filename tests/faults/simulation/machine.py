"""A machine: two clocks, a disk, a link to the network, and the processes that run on it one after the other."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import itertools
import math
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any
from unittest import mock

from faults.simulation import kernel
from faults.simulation.disk import Disk
from faults.simulation.kernel import Off
from faults.simulation.loop import ProcessLoop
from faults.simulation.network import Link, Network
from faults.simulation.world import EPOCH, Event, World

UP_S = 1000.0
"""How long a machine has been up when the world begins: its monotonic clock never shows nothing."""

Main = Callable[[], Coroutine[Any, Any, None]]
"""A program: called when its process starts, and run to its end."""

Ended = Callable[["Process"], None]
"""Told of a process that has ended by itself."""

_PATIENCE = 100  # times that a coroutine may go on waiting while it is unwound

_pids = itertools.count(10_001)


class Machine:
    """One computer. `skew_s` is by how much its wall clock is wrong."""

    def __init__(self, world: World, network: Network, name: str, *, skew_s: float = 0.0) -> None:
        self.world = world
        self.name = name
        self.skew_s = skew_s
        self.disk = Disk(name, self.wall, lambda: world.now)
        self.link = Link(network, name)
        self.process: Process | None = None  # the one that runs, or ran last
        self._slept_s = 0.0
        self._asleep_since: float | None = None  # None: it is awake
        kernel.machines[name] = self

    def wall(self) -> float:
        """Unix seconds, right or wrong."""
        return EPOCH + self.world.now + self.skew_s

    def monotonic(self) -> float:
        """Seconds of being awake. It stands still while the machine sleeps."""
        return self.world.now + UP_S - self._slept_s

    @property
    def asleep(self) -> bool:
        """Whether nothing runs on it at present."""
        return self._asleep_since is not None

    def start(self, main: Main, ended: Ended = lambda _process: None) -> Process:
        """Start a process that runs `main`; `ended` is called when it ends, unless it is killed."""
        self.process = Process(self, main, ended)
        return self.process

    def suspend(self) -> None:
        """Close the lid: nothing runs, nothing arrives, the monotonic clock stands still."""
        if self._asleep_since is None:
            self._asleep_since = self.world.now
            self.link.hold("asleep")

    def resume(self) -> None:
        """Open the lid."""
        if self._asleep_since is not None:
            self._slept_s += self.world.now - self._asleep_since
            self._asleep_since = None
            self.link.release("asleep")
            if self.process is not None:
                self.process.wake()

    def step_clock(self, seconds: float) -> None:
        """Set the wall clock forward, or back."""
        self.skew_s += seconds


class Process:
    """One process: a loop, a table of signal handlers, and whatever it has open. `status` is None while it lives."""

    def __init__(self, machine: Machine, main: Main, ended: Ended) -> None:
        self.machine = machine
        self.pid = next(_pids)
        self.alive = True
        self.started = machine.world.now
        self.ended: float | None = None  # None: it lives
        self.finished = False  # whether it has come to its end by itself
        self.failure: BaseException | None = None  # what ended it then; None: nothing did
        self.handlers: dict[int, Any] = {}
        self.loop = ProcessLoop(self)
        self._main = main
        self._on_end = ended
        self._woken = False
        self._turning = False
        self._next: Event | None = machine.world.at(machine.world.now, self._begin, owner=self)

    @property
    def ended_well(self) -> bool:
        """Whether it has come to its end by itself, without a failure."""
        return self.finished and self.failure is None

    def __repr__(self) -> str:
        return f"<Process {self.pid} on {self.machine.name}>"

    # -- what others do to it --

    def call_soon(self, call: Callable[..., object], *args: Any) -> None:
        """Have its loop call `call`, as when a descriptor becomes ready."""
        if self.alive:
            self.loop.call_soon(call, *args)
            self.wake()

    def wake(self) -> None:
        """Let it look what is ready."""
        self._woken = True
        if self.alive and not self._turning and not self.machine.asleep:
            self._turn_at(self.machine.world.now)

    def send_signal(self, number: signal.Signals) -> None:
        """Do what kill(2) does."""
        handler = self.handlers.get(number, signal.SIG_DFL)
        if not self.alive or handler is signal.SIG_IGN:
            return
        if number == signal.SIGKILL or handler is signal.SIG_DFL:
            self.kill()
            return
        with _running(self):
            handler(number, None)
        self.wake()

    def kill(self) -> None:
        """End it here and now. What was handed to the kernel stays, and the kernel closes its files and sockets."""
        if not self.alive:
            return
        self._end()
        if not self._turning:
            self._bury()
        if kernel.running is self:
            raise Off

    def block(self, seconds: float) -> None:
        """Let time pass while nothing else of it runs: what sleep(3) does."""
        world = self.machine.world
        until = world.now + seconds
        with _running(None):
            while (event := world.next()) is not None and event.when <= until and event.owner in (None, self):
                world.step(event)
        world.now = max(world.now, until)
        if not self.alive:
            raise Off

    # -- how it runs --

    def idle(self, timeout: float | None) -> None:
        """Let the world go on until the loop has something to do, at the latest after `timeout`; None: no limit.

        Raises Off when it is somebody else's turn first, or nobody's.
        """
        world = self.machine.world
        until = math.inf if timeout is None else max(world.now + timeout, math.nextafter(world.now, math.inf))
        kernel.running = None
        while not self._woken:
            event = world.next()
            if event is None or event.when > until:
                if until > world.until:
                    self._turn_at(until)
                    raise Off
                world.now = until
                break
            if event.owner is not None or event.when > world.until:
                self._turn_at(until)
                raise Off
            world.step(event)
            if not self.alive or self.machine.asleep:
                raise Off
        self._woken = False
        kernel.running = self

    def _begin(self) -> None:
        with _running(self):
            life = self.loop.create_task(self._live())
        life.add_done_callback(lambda _: self.loop.stop())
        self._turn()

    async def _live(self) -> None:
        """Run the program, then what is left of it, as `asyncio.run` does."""
        try:
            await self._main()
        except Exception as exc:
            if not self.alive:
                return  # it was killed: this is what unwinding it has raised
            self.failure = exc
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others)
        self.finished = True
        self._end()
        self._on_end(self)

    def _turn(self) -> None:
        """Run its loop until the world has to go on."""
        self._next = None
        if not self.alive or self.machine.asleep:
            return
        self._turning = True
        try:
            with contextlib.suppress(Off), _running(self):
                self.loop.run_forever()
        finally:
            self._turning = False
        if self.ended is not None:
            self._bury()

    def _turn_at(self, when: float) -> None:
        if self._next is not None:
            self._next.cancel()
        self._next = None if when == math.inf else self.machine.world.at(when, self._turn, owner=self)

    def _bury(self) -> None:
        """Unwind what a killed process was doing, so that nothing of it is left to run later.

        Its `finally` blocks run, but reach neither disk nor network nor loop. A generator's would not run by itself,
        but those of the coroutine that it waits for would, whenever its memory is collected.
        """
        self.loop.set_exception_handler(_ignore)
        with _running(self), mock.patch.object(sys, "unraisablehook", _ignore):
            self.loop.close()
            for task in asyncio.all_tasks(self.loop):
                task._log_destroy_pending = False  # type: ignore[attr-defined]  # nobody forgot it
                _unwind(task.get_coro())
            for generator in list(self.loop._asyncgens):  # type: ignore[attr-defined]
                _unwind(generator.ag_await)

    def _end(self) -> None:
        self.alive = False
        self._turn_at(math.inf)
        self.ended = self.machine.world.now
        self.machine.link.close(self)
        kernel.leave(self)


@contextlib.contextmanager
def _running(process: Process | None) -> Iterator[None]:
    before, kernel.running = kernel.running, process
    try:
        yield
    finally:
        kernel.running = before


def _ignore(*_: object) -> None:
    """What unwinding raises is nobody's."""


def _unwind(waiting: Any) -> None:
    for _ in range(_PATIENCE):
        if not inspect.iscoroutine(waiting) or inspect.getcoroutinestate(waiting) == inspect.CORO_CLOSED:
            return
        with contextlib.suppress(BaseException):
            waiting.close()
    raise AssertionError(f"{waiting} cannot be ended")
