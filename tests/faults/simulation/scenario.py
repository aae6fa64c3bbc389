"""A scenario: what is recorded, how the server behaves, and which faults strike when. `play` plays it."""

from __future__ import annotations

import logging
import random
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from faults.simulation import kernel, product
from faults.simulation.ledger import Connection, Manners
from faults.simulation.machine import Machine, Process
from faults.simulation.meeting import Meeting, Occasion, strangers
from faults.simulation.network import Network
from faults.simulation.service import BASE_URL, Service
from faults.simulation.world import World

if TYPE_CHECKING:
    from faults.simulation.faults import At, Fault

LOOK_S = 2.0
"""How often a fault looks whether there is something that it can strike."""

SUPERVISED_S = 5.0
"""How soon a daemon that has failed is started again."""

OVERTIME_S = 3 * 3600.0
"""How long after the last meeting a run goes on at most: one that waits for something that never comes ends there."""


@dataclass(frozen=True)
class Scenario:
    """What is played. `options` are the daemon's, named as in its environment without the prefix.

    A run goes on until every meeting is over and every fault has struck, and then for `calm_s`; then it is stopped.
    """

    faults: tuple[At, ...] = ()
    meetings: tuple[Meeting, ...] = (Meeting(),)
    manners: Manners = field(default_factory=Manners)
    options: Mapping[str, str] = field(default_factory=dict)
    skew_s: float = 0.0  # by how much the wall clocks of the machines are wrong from the beginning
    calm_s: float = 300.0

    @property
    def machines(self) -> list[str]:
        """The machines that a listener runs on."""
        return sorted({meeting.listener for meeting in self.meetings})


@dataclass(eq=False)
class Strike:
    """One fault of one run. `fired` says what it really did: empty, it has not come true."""

    fault: Fault
    listener: Listener
    run: Run
    struck_at: float | None = None
    over_at: float | None = None
    fired: list[str] = field(default_factory=list)

    def fire(self, what: str) -> None:
        """Write down something that it did."""
        world = self.run.world
        world.fired[type(self.fault).__name__] += 1
        self.fired.append(what)
        world.note("fault", f"{what} [{self.listener.name}]")

    def fire_first(self, what: str, seconds: float, end: Callable[[Strike], None]) -> None:
        """Write down something that it did; the first time, have it end these seconds later."""
        if not self.fired:
            self.run.world.after(seconds, end, self)
        self.fire(what)

    def begin(self) -> None:
        """Strike as soon as there is something to be struck."""
        world = self.run.world
        if not self.fault.ready(self.listener):
            world.after(LOOK_S, self.begin)
            return
        self.struck_at = world.now
        world.note("fault", f"{self.fault} [{self.listener.name}]")
        self.fault.strike(self)

    def over(self) -> None:
        """Say that whatever it broke is whole again."""
        self.over_at = self.run.world.now
        self.run.world.note("fault", f"over: {self.fault} [{self.listener.name}]")


class Listener:
    """The daemon on one machine, over all its restarts. `cleared_at` are the times at which it emptied its file."""

    def __init__(self, run: Run, machine: Machine, options: Mapping[str, str]) -> None:
        self.run = run
        self.machine = machine
        self.name = machine.name
        self.options = options
        self.directory = f"{machine.disk.root}/events"
        self.processes: list[Process] = []
        self.cleared_at: list[float] = []
        self.lingers = False  # whether it did not end when it was asked to, at the end of the run

    @property
    def process(self) -> Process:
        """The process that runs, or ran last."""
        return self.processes[-1]

    @property
    def alive(self) -> bool:
        """Whether the daemon runs, on a machine that is awake."""
        return self.process.alive and not self.machine.asleep

    @property
    def connection(self) -> Connection | None:
        """Its connection, as the server has it; None when it has none, or when that is being closed."""
        found = self.run.service.ledger.live(self.name)
        return found if found is not None and self.run.service.realtime.is_open(found.id) else None

    def start(self, *, clear: bool = False) -> None:
        """Start the daemon."""
        self.run.world.note(self.name, "the daemon is started" + " with --clear" * clear)

        async def main() -> None:
            await product.record(self.directory, BASE_URL, self.options, clear=clear)

        if clear:
            self.cleared_at.append(self.run.world.now)
        self.processes.append(self.machine.start(main, self._ended))

    def _ended(self, process: Process) -> None:
        """Start it again when it has failed, as a supervisor does."""
        if process.failure is not None and not self.run.ending:
            self.run.world.note(self.name, f"the daemon has ended: {process.failure}")
            self.run.world.after(SUPERVISED_S, self._start_again)

    def _start_again(self) -> None:
        if not self.process.alive:
            self.start()


class Run:
    """One play of a scenario: everything that the oracle and the story look at."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.scenario = scenario
        self.seed = seed
        self.world = World(seed)
        self.network = Network(self.world)
        self.service = Service(self.network, scenario.manners)
        self.service.ledger.keys[product.KEY] = "us"
        self.listeners: dict[str, Listener] = {}
        self.strikes: list[Strike] = []
        self.occasions: list[Occasion] = []
        self.ending = False  # whether nothing is started any more

    @property
    def over(self) -> bool:
        """Whether every meeting is over, and every fault."""
        return all(play.over for play in self.occasions) and all(strike.over_at is not None for strike in self.strikes)

    def prepare(self) -> None:
        """Put everything in its place, and on its way."""
        for name in self.scenario.machines:
            machine = Machine(self.world, self.network, name, skew_s=self.scenario.skew_s)
            self.listeners[name] = Listener(self, machine, self.scenario.options)
            self.listeners[name].start()
        self.occasions = [meeting.begin(self.service) for meeting in self.scenario.meetings]
        if self.scenario.manners.lists_others:
            strangers(self.service, max(meeting.minutes for meeting in self.scenario.meetings) * 60)
        for planned in self.scenario.faults:
            strike = Strike(planned.fault, self.listeners[planned.listener], self)
            self.strikes.append(strike)
            self.world.at(planned.when, strike.begin)

    def go_on(self) -> None:
        """Let it all happen, and end it."""
        longest = max(meeting.begins + meeting.minutes * 60 for meeting in self.scenario.meetings) + OVERTIME_S
        while not self.over and self.world.now < longest:
            self.world.run(self.world.now + 60)
        self.world.run(self.world.now + self.scenario.calm_s)
        self.ending = True
        for listener in self.listeners.values():
            listener.process.send_signal(signal.SIGTERM)
        self.world.run(self.world.now + 30)

    def abandon(self) -> None:
        """Kill whatever has not ended."""
        for listener in self.listeners.values():
            listener.lingers = listener.process.alive
            listener.process.kill()

    def hear(self, record: logging.LogRecord) -> None:
        """Take what a daemon says on stderr into the story."""
        process = kernel.running
        if process is not None and process.alive:
            self.world.note(process.machine.name, f"{record.levelname.lower()}: {record.getMessage()}")


def play(scenario: Scenario, seed: int) -> Run:
    """Play a scenario. The same seed makes the same run, also of the daemon's own dice."""
    run = Run(scenario, seed)
    before = random.getstate()
    random.seed(seed)
    try:
        with kernel.installed(), product.simulated(run.hear):
            try:
                run.prepare()
                run.go_on()
            finally:
                run.abandon()
    finally:
        random.setstate(before)
    return run
