"""What can strike a listener. Each waits until there is something to strike, and fires when it has bitten."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from faults.simulation import kernel
from faults.simulation.api import FAILURES
from faults.simulation.api import Trouble as RestTrouble
from faults.simulation.network import Trouble as LinkTrouble
from faults.simulation.realtime import Trouble as RealtimeTrouble

if TYPE_CHECKING:
    from faults.simulation.machine import Process
    from faults.simulation.scenario import Listener, Strike

AWAY: dict[str, Callable[[Callable[[str], None]], LinkTrouble]] = {
    "refused": lambda happened: LinkTrouble(happened, error=ConnectionRefusedError),
    "unreachable": lambda happened: LinkTrouble(happened, error=OSError),
    "silent": lambda happened: LinkTrouble(happened, error=None),
    "dns": lambda happened: LinkTrouble(happened, lookup=True, error=None),
}
"""How the network can be away after a connection has ended; `nothing` means that it is there."""


@dataclass(frozen=True)
class At:
    """One fault of a scenario: when it strikes, in seconds, and whom."""

    when: float
    fault: Fault
    listener: str = "laptop"


class Fault:
    """A fault. It strikes once `ready`, and says by `strike.fire` what it really did, and by `strike.over` its end."""

    cuts_off: ClassVar[bool] = False
    """Whether nobody can be connected while it lasts."""
    everywhere: ClassVar[bool] = False
    """Whether it strikes every listener, not only its own."""

    def ready(self, listener: Listener) -> bool:
        """Whether there is something to strike: by default, a daemon that runs."""
        return listener.alive

    def strike(self, strike: Strike) -> None:
        """Do it."""
        raise NotImplementedError


@dataclass(frozen=True)
class Disconnect(Fault):
    """The connection ends (`clean`, `reset`, `frozen`), and the network is `away` for some seconds: see AWAY."""

    cuts_off = True
    how: str = "reset"
    away: str = "nothing"
    seconds: float = 0.0

    def ready(self, listener: Listener) -> bool:
        """Whether there is a connection, and no other trouble."""
        link = listener.machine.link
        return listener.alive and listener.connection is not None and link.trouble is None and not link.held

    def strike(self, strike: Strike) -> None:
        """End the connection."""
        listener, line = strike.listener, strike.listener.connection
        assert line is not None
        realtime = strike.run.service.realtime
        if self.how == "clean":
            realtime.close(line.id, 1001, "going away")
        elif self.how == "reset":
            realtime.end_of(line.id).reset()
        else:
            realtime.end_of(line.id).wire.freeze()
            line.broken = strike.run.world.now
        strike.fire(f"{line.id} ended: {self.how}")
        if self.away == "nothing":
            strike.over()
        else:
            listener.machine.link.fail(AWAY[self.away](strike.fire))
            strike.run.world.after(self.seconds, self._come_back, strike)

    @staticmethod
    def _come_back(strike: Strike) -> None:
        strike.listener.machine.link.fail(None)
        strike.over()


@dataclass(frozen=True)
class Stall(Fault):
    """Nothing gets through for some seconds; connections stay, and what was sent comes later."""

    cuts_off = True
    seconds: float

    def ready(self, listener: Listener) -> bool:
        """Whether there is a connection to stall."""
        return listener.alive and listener.connection is not None and not listener.machine.link.held

    def strike(self, strike: Strike) -> None:
        """Hold the link."""
        link = strike.listener.machine.link
        link.hold("stalled")
        strike.fire(f"{sum(wire.open for wire in link.wires)} connections stalled")
        strike.run.world.after(self.seconds, self._release, strike)

    @staticmethod
    def _release(strike: Strike) -> None:
        strike.listener.machine.link.release("stalled")
        strike.over()


@dataclass(frozen=True)
class Kill(Fault):
    """kill -9, and a new daemon over the same directory some seconds later, with --clear if that is wanted."""

    restart_s: float = 5.0
    clear: bool = False

    def strike(self, strike: Strike) -> None:
        """Kill it."""
        strike.listener.process.kill()
        strike.fire(f"killed process {strike.listener.process.pid}")
        _restart(strike, self.restart_s, clear=self.clear)


@dataclass(frozen=True)
class KillInCall(Fault):
    """kill -9 right before the n-th change that the daemon makes to its disk from then on, and a new daemon later."""

    number: int
    restart_s: float = 5.0

    def strike(self, strike: Strike) -> None:
        """Lie in wait for it."""
        listener, left = strike.listener, self.number
        rules = listener.machine.disk.rules

        def rule(call: str, path: str) -> None:
            nonlocal left
            process = kernel.running
            if process is None or process.machine is not listener.machine:
                return
            left -= 1
            if left == 0:
                rules.remove(rule)
                strike.fire(f"killed process {process.pid} before {call} of {path.rpartition('/')[2]}")
                _restart(strike, self.restart_s)
                process.kill()

        rules.append(rule)


@dataclass(frozen=True)
class Terminate(Fault):
    """SIGTERM, and a new daemon some seconds later."""

    restart_s: float = 5.0
    clear: bool = False

    def strike(self, strike: Strike) -> None:
        """Send it; the restart waits for the end."""
        strike.listener.process.send_signal(signal.SIGTERM)
        self._look(strike, strike.listener.process)

    def _look(self, strike: Strike, process: Process) -> None:
        if process.alive:
            strike.run.world.after(0.1, self._look, strike, process)
            return
        strike.fire(f"process {process.pid} ended, {process.failure or 'with status 0'}")
        _restart(strike, self.restart_s, clear=self.clear)


@dataclass(frozen=True)
class Sleep(Fault):
    """The lid is closed for some seconds."""

    cuts_off = True
    seconds: float

    def strike(self, strike: Strike) -> None:
        """Close it."""
        strike.listener.machine.suspend()
        strike.fire("the machine sleeps")
        strike.run.world.after(self.seconds, self._wake, strike)

    @staticmethod
    def _wake(strike: Strike) -> None:
        strike.listener.machine.resume()
        strike.over()


@dataclass(frozen=True)
class StepClock(Fault):
    """The wall clock is set by some seconds: forward, or back."""

    seconds: float

    def strike(self, strike: Strike) -> None:
        """Set it."""
        before = strike.listener.machine.wall()
        strike.listener.machine.step_clock(self.seconds)
        strike.fire(f"the clock went from {before:.3f} to {strike.listener.machine.wall():.3f}")
        strike.over()


@dataclass(frozen=True)
class FullDisk(Fault):
    """So many bytes of room are left on the disk; for some seconds after the first write that finds none."""

    seconds: float
    room: int = 0

    def strike(self, strike: Strike) -> None:
        """Fill it."""
        disk = strike.listener.machine.disk
        disk.free_bytes = self.room
        disk.on_full = lambda path: self._refused(strike, path)

    def _refused(self, strike: Strike, path: str) -> None:
        strike.fire_first(f"no room for {path.rpartition('/')[2]}", self.seconds, self._make_room)

    @staticmethod
    def _make_room(strike: Strike) -> None:
        strike.listener.machine.disk.free_bytes = None
        strike.over()


@dataclass(frozen=True)
class Rotate(Fault):
    """What logrotate does: the events file gets another name, then SIGHUP."""

    def ready(self, listener: Listener) -> bool:
        """Whether there is a file to rotate, and a daemon that a SIGHUP does not end."""
        names = listener.machine.disk.names(listener.directory)
        return listener.alive and "videodb_events.jsonl" in names and signal.SIGHUP in listener.process.handlers

    def strike(self, strike: Strike) -> None:
        """Rename it."""
        listener = strike.listener
        disk, path = listener.machine.disk, f"{listener.directory}/videodb_events.jsonl"
        number = sum(name.startswith("videodb_events.jsonl.") for name in disk.names(listener.directory)) + 1
        disk.rename(path, f"{path}.{number:03d}")
        listener.process.send_signal(signal.SIGHUP)
        strike.fire(f"renamed to videodb_events.jsonl.{number:03d}")
        strike.over()


@dataclass(frozen=True)
class RestFails(Fault):
    """A share of all requests fails, for some seconds; `ways` may also be `401` and `403`."""

    rate: float
    seconds: float
    ways: tuple[str, ...] = FAILURES

    def strike(self, strike: Strike) -> None:
        """Begin to fail."""
        strike.run.service.api.trouble = RestTrouble(self.rate, strike.fire, self.ways)
        strike.run.world.after(self.seconds, self._mend, strike)

    @staticmethod
    def _mend(strike: Strike) -> None:
        strike.run.service.api.trouble = None
        strike.over()


@dataclass(frozen=True)
class RealtimeFails(Fault):
    """New WebSockets are `refused`, or stay `silent`: no hello; for some seconds after the first of them."""

    how: str
    seconds: float
    cuts_off = True
    everywhere = True

    def strike(self, strike: Strike) -> None:
        """End the connection, if there is one, and begin to fail."""
        realtime = strike.run.service.realtime
        realtime.trouble = RealtimeTrouble(self.how, lambda what: strike.fire_first(what, self.seconds, self._mend))
        if strike.listener.connection is not None:
            realtime.close(strike.listener.connection.id, 1012, "service restart")

    @staticmethod
    def _mend(strike: Strike) -> None:
        strike.run.service.realtime.trouble = None
        strike.over()


def _restart(strike: Strike, seconds: float, *, clear: bool = False) -> None:
    def start() -> None:
        if strike.listener.machine.asleep:
            strike.run.world.after(1.0, start)
            return
        if not strike.listener.process.alive:
            strike.listener.start(clear=clear)
        strike.over()

    strike.run.world.after(seconds, start)
