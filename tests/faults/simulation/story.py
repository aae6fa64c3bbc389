"""The story of one run as a timeline: what struck, what the server did, what the daemon said, and what came of it.

    cd tests && python -m faults.simulation.story --seed 7 --mode ignore

plays the storm of seed 7 and prints it; the exit status is 1 when the oracle finds a problem. `--shrink` first takes
out the faults that the problem does not need.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from typing import get_args

from faults.simulation.oracle import Expects, Verdict, judge
from faults.simulation.product import EXPECTS
from faults.simulation.scenario import Run, Scenario, play
from faults.simulation.storm import MODES, storm
from faults.simulation.world import Note


def check(run: Run, expects: Expects) -> list[Verdict]:
    """Judge a run. Raises AssertionError with its whole story when there is a problem, or a fault has not come true."""
    verdicts = judge(run, expects)
    if problems(run, verdicts):
        raise AssertionError(f"seed {run.seed}:\n{told(run, verdicts)}")
    return verdicts


def problems(run: Run, verdicts: Iterable[Verdict]) -> list[str]:
    """Everything that is wrong with a run, a line each."""
    found = [f"PROBLEM  {verdict.listener}: {problem}" for verdict in verdicts for problem in verdict.problems]
    return found + [f"PROBLEM  has not come true: {strike.fault}" for strike in run.strikes if not strike.fired]


def told(run: Run, verdicts: Iterable[Verdict]) -> str:
    """Return the story of a run, and the verdicts on it."""
    verdicts = list(verdicts)
    notes = sorted([*run.world.story, *_results(run, verdicts)], key=lambda note: note.at)
    return "\n".join([*_condensed(notes), "", *map(str, verdicts), *problems(run, verdicts)])


def shrunk(scenario: Scenario, seed: int, expects: Expects) -> Scenario:
    """Return what is left of a scenario that goes wrong, when every fault is taken out without which it still does."""
    for planned in scenario.faults:
        smaller = replace(scenario, faults=tuple(one for one in scenario.faults if one is not planned))
        run = play(smaller, seed)
        if any(verdict.problems for verdict in judge(run, expects)):
            scenario = smaller
    return scenario


def _results(run: Run, verdicts: Iterable[Verdict]) -> Iterator[Note]:
    """What became of the final results, when their events were due."""
    lost = {id(result) for verdict in verdicts for result in verdict.lost}
    for occasion in run.occasions:
        for stream in occasion.session.streams if occasion.session else ():
            for pipeline in stream.pipelines:
                for result in pipeline.results:
                    yield Note(result.live_at, "results", "lost" if id(result) in lost else "written")


def _condensed(notes: Iterable[Note]) -> Iterator[str]:
    """One line for results that follow each other and fared the same."""
    for (who, what), same in groupby(
        notes, key=lambda note: (note.who, note.what if note.who == "results" else id(note))
    ):
        first, *rest = same
        yield str(Note(first.at, who, f"{1 + len(rest)} {what}")) if who == "results" else str(first)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m faults.simulation.story", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mode", choices=MODES, default="ignore", help="what a second start of a transcription does")
    parser.add_argument("--minutes", type=float, default=30.0, help="how long the meeting is")
    parser.add_argument("--disconnects", type=int, default=40)
    parser.add_argument("--expects", choices=get_args(Expects), default=EXPECTS)
    parser.add_argument("--shrink", action="store_true", help="first take out the faults that a problem does not need")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Play the storm of a seed, print its story; the exit status."""
    given = _options(arguments)
    scenario = storm(given.seed, given.mode, minutes=given.minutes, disconnects=given.disconnects)
    if given.shrink:
        scenario = shrunk(scenario, given.seed, given.expects)
    began = time.process_time()
    run = play(scenario, given.seed)
    used_s = time.process_time() - began
    verdicts = judge(run, given.expects)
    print(told(run, verdicts))
    if given.shrink:
        print(*scenario.faults, sep="\n")
    hours = run.world.now / 3600
    print(f"{hours:.2f} simulated hours in {used_s:.2f} s of CPU: {hours / used_s:.1f} a second")
    return int(bool(problems(run, verdicts)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
