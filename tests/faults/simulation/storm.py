"""Storms: scenarios that are thrown from a seed, with everything in them that can go wrong."""

from __future__ import annotations

import random

from faults.simulation.faults import (
    AWAY,
    At,
    Disconnect,
    Fault,
    FullDisk,
    Kill,
    KillInCall,
    RealtimeFails,
    RestFails,
    Rotate,
    Sleep,
    Stall,
    StepClock,
    Terminate,
)
from faults.simulation.ledger import Manners
from faults.simulation.meeting import Meeting
from faults.simulation.scenario import Scenario

MODES = ("allow", "ignore", "reject", "duplicate")
"""What a second start of a transcription does to its binding: see Manners.rebind."""

_AWAY_S = ((0.7, 1, 10), (0.25, 10, 60), (0.05, 60, 180))
"""How long the network is away: with this probability, between so many seconds and so many."""


def storm(seed: int, mode: str, *, minutes: float = 30.0, disconnects: int = 40) -> Scenario:
    """Return the scenario of this seed: a meeting, and about 55 faults in it."""
    dice = random.Random(f"{seed} {mode}")
    listeners = ["laptop", "desk"] if dice.random() < 0.2 else ["laptop"]
    faults = [
        At(round(dice.uniform(5, minutes * 60), 1), fault, dice.choice(listeners))
        for fault in _faults(dice, disconnects)
    ]
    faults.append(At(2.0, RestFails(0.1, minutes * 60 + 120)))
    return Scenario(
        faults=tuple(sorted(faults, key=lambda planned: planned.when)),
        meetings=tuple(_meeting(dice, listener, minutes) for listener in listeners),
        manners=_manners(dice, mode),
        options={"ROTATE_SIZE": "16K", "ROTATE_KEEP": "1000"} if dice.random() < 0.3 else {},
        skew_s=dice.choice((0.0, 0.0, 300.0, -300.0, dice.uniform(-5, 5))),
    )


def _faults(dice: random.Random, disconnects: int) -> list[Fault]:
    def seconds(least: float, most: float) -> float:
        return round(dice.uniform(least, most), 1)

    return [
        *(_disconnect(dice) for _ in range(disconnects)),
        *(Stall(seconds(2, 60)) for _ in range(3)),
        *(Kill(seconds(0.5, 60)) for _ in range(2)),
        *(KillInCall(dice.randint(1, 60), seconds(0.5, 30)) for _ in range(3)),
        *(StepClock(dice.choice((-300.0, 300.0, seconds(-20, 20)))) for _ in range(2)),
        *(Kill(2.0, clear=True) for _ in range(dice.random() < 0.1)),
        RealtimeFails(dice.choice(("refused", "silent")), seconds(10, 40)),
        Terminate(seconds(0.5, 60)),
        Sleep(seconds(5, 300)),
        FullDisk(seconds(5, 60), room=dice.choice((0, 100, 300))),
        Rotate(),
    ]


def _disconnect(dice: random.Random) -> Disconnect:
    [(_, least, most)] = dice.choices(_AWAY_S, [weight for weight, *_ in _AWAY_S])
    return Disconnect(
        dice.choice(("clean", "reset", "frozen")),
        dice.choice(("nothing", *AWAY)),
        round(dice.uniform(least, most), 1),
    )


def _meeting(dice: random.Random, listener: str, minutes: float) -> Meeting:
    middle = minutes * 30
    return Meeting(
        listener,
        minutes=minutes,
        quiet=(middle, middle + dice.uniform(60, 300)) if dice.random() < 0.3 else None,
        stops_transcription=dice.uniform(60, minutes * 60) if dice.random() < 0.2 else None,
        rebinds_after=dice.uniform(0.5, 6) if dice.random() < 0.2 else None,
    )


def _manners(dice: random.Random, mode: str) -> Manners:
    least = dice.choice((-1.5, 0.0, 1.0))
    return Manners(
        rebind=mode,
        unit=dice.choice(("ms", "s", "mixed")),
        stream_skew_s=dice.choice((0.0, 0.0, 90.0, -90.0)),
        record_lag_s=(least, least + dice.uniform(0.5, 8)),
        edited=dice.choice((0.0, 0.1)),
        newest_first=dice.random() < 0.7,
        page_cap=dice.choice((7, 50, 1000)),
        range_means=dice.choice(("start", "end", "overlap")),
        lists_others=dice.random() < 0.7,
    )
