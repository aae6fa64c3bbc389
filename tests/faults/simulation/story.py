"""The story of one run as a timeline: what struck, what the server did, what the daemon said, and what came of it.

    cd tests && python -m faults.simulation.story --seed 7 --mode ignore

plays the storm of seed 7 and prints it; the exit status is 1 when the oracle finds a problem.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import groupby

from faults.simulation.oracle import Expects, Verdict, judge
from faults.simulation.scenario import Run, play
from faults.simulation.storm import MODES, storm
from faults.simulation.world import Note


def told(run: Run, verdicts: Iterable[Verdict]) -> str:
    """Return the story of a run, and the verdicts on it."""
    verdicts = list(verdicts)
    notes = sorted([*run.world.story, *_results(run, verdicts)], key=lambda note: note.at)
    problems = [f"PROBLEM  {verdict.listener}: {problem}" for verdict in verdicts for problem in verdict.problems]
    idle = [f"PROBLEM  has not come true: {strike.fault}" for strike in run.strikes if not strike.fired]
    return "\n".join([*_condensed(notes), "", *map(str, verdicts), *problems, *idle])


def _results(run: Run, verdicts: Iterable[Verdict]) -> Iterator[Note]:
    """What became of the final results, when their events were due."""
    lost = {id(result) for verdict in verdicts for result in verdict.lost}
    for play_ in run.plays:
        for stream in play_.session.streams if play_.session else ():
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


def main(arguments: list[str]) -> int:
    """Play the storm of a seed, print its story; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m faults.simulation.story", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mode", choices=MODES, default="ignore")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--disconnects", type=int, default=40)
    parser.add_argument("--expects", choices=("live only", "everything"), default="live only")
    given = parser.parse_args(arguments)
    began = time.process_time()
    run = play(storm(given.seed, given.mode, minutes=given.minutes, disconnects=given.disconnects), given.seed)
    used_s = time.process_time() - began
    expects: Expects = given.expects
    verdicts = judge(run, expects)
    print(told(run, verdicts))
    print(
        f"{run.world.now / 3600:.2f} simulated hours in {used_s:.2f} s of CPU: {run.world.now / 3600 / used_s:.1f} an hour"
    )
    return int(any(verdict.problems for verdict in verdicts) or not all(strike.fired for strike in run.strikes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
