"""The read side: `wait` for an event that is still to come, `query` in a long file of those that came.

Waiting is measured by `waiting`, in the directory of a daemon that runs. When it has stopped, its events file is
replaced by a long one (`long_file`): the directory then is what one long run of one daemon leaves, and the state file
that the daemon itself left says that its stamps ascend from the first line on, which is what `query --since` relies on.
With more runs in one file, only those before the last would be read through.

The file is in the page cache: what is compared is work, not a disk. Every figure is of a whole process, from an
interpreter's start to its end. All alerts are asked for in three ways, round by round, and all three must find the same
number of them; ratios are taken within each round, as `flood` does. The last ten minutes are some 12,000 events here,
which are shown as text unless json is asked for.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import long_file
import waiting
from flood import spread
from measure import PeerFailedError
from peers import HERE, environment
from spent import Spent, spend

ROUNDS = 3
SINCE_RUNS = 5
SMALL_BYTES = 10_000_000

OURS, JQ, LOOP = "query", "jq", "loop"
NAMES = {
    OURS: "query --channel alert --format json",
    JQ: "jq -c 'select(.channel==\"alert\")'",
    LOOP: "a loop over json.loads(line)",
}

LINE_S = 0.020
HOUR_CPU_S = 5.0
FASTER_THAN = {JQ: 3.0, LOOP: 2.0}
SINCE_S = 0.300
GROWTH_MB = 10.0


@dataclass(frozen=True)
class Aim:
    """A figure and what it should be; some are only told."""

    figure: str
    wanted: str = ""
    met: bool = True

    def __str__(self) -> str:
        verdict = f"{self.wanted}: {'ok' if self.met else 'FAILED'}" if self.wanted else ""
        return f"{self.figure:<72} {verdict}".rstrip()


def report(size_mb: int) -> tuple[list[str], bool]:
    """The figures with their aims, and whether all of these are met. The long file has `size_mb` MB."""
    with tempfile.TemporaryDirectory(prefix="videodb-listen-bench-") as root:
        directory, small = Path(root, "long"), Path(root, "small")
        directory.mkdir()
        _progress(f"{waiting.ROUNDS} rounds of wait, then an idle one")
        waited = list(_waiting(directory))
        _progress(f"a file of {size_mb} MB")
        shutil.copytree(directory, small)
        events = long_file.make(_events(directory), size_mb * 1_000_000)
        since = list(_since(directory))  # now, while the last ten minutes are in the file
        long_file.make(_events(small), SMALL_BYTES)
        commands, left_out = _commands(directory)
        _require_same_answers(_commands(small)[0])
        rounds = [_round(commands, number) for number in range(1, ROUNDS + 1)]
        small_mb = max(spend(_commands(small)[0][OURS]).max_rss_mb for _ in range(ROUNDS))
    aims = [*waited, *since, *_ratios(rounds), _growth(rounds, small_mb)]
    table = [f"{size_mb:,} MB, {events:,} events, {ROUNDS} interleaved rounds", "", *_table(rounds), *left_out]
    return [*table, "", *map(str, aims)], all(aim.met for aim in aims)


def _waiting(directory: Path) -> Iterator[Aim]:
    waited = waiting.measure(directory)
    line_ms, exit_ms = ([1000 * one for one in column] for column in (waited.line_s, waited.exit_s))
    met = statistics.median(waited.line_s) < LINE_S
    yield Aim(f"wait prints, ms after the send: {spread(line_ms, '.1f')}", f"under {LINE_S * 1000:.0f} ms", met)
    yield Aim(f"wait has ended, ms after the send: {spread(exit_ms, '.1f')}")
    if waited.hour_cpu_s is None:
        yield Aim("an hour of waiting: left out, only Linux tells the CPU clock of another process")
        return
    figure = f"an hour of waiting, CPU s, extrapolated from {waiting.IDLE_S:.0f} s: {waited.hour_cpu_s:.2f}"
    yield Aim(figure, f"under {HOUR_CPU_S:.0f} s", waited.hour_cpu_s < HOUR_CPU_S)


def _since(directory: Path) -> Iterator[Aim]:
    """As people type it, and as json: the difference is what it takes to show so many events."""
    command = _ours("query", "--since", "10m", "--dir", str(directory))
    spend(command)  # once unmeasured: compiles what is not compiled yet
    text_ms, json_ms = (
        [spend(one).wall_s * 1000 for _ in range(SINCE_RUNS)] for one in (command, [*command, "--format", "json"])
    )
    met = statistics.median(text_ms) < SINCE_S * 1000
    yield Aim(f"query --since 10m, ms: {spread(text_ms, '.0f')}", f"under {SINCE_S * 1000:.0f} ms", met)
    yield Aim(f"query --since 10m --format json, ms: {spread(json_ms, '.0f')}")


def _ratios(rounds: Sequence[Mapping[str, Spent]]) -> Iterator[Aim]:
    for other, factor in FASTER_THAN.items():
        ratios = [one[other].wall_s / one[OURS].wall_s for one in rounds if other in one]
        if ratios:
            met = statistics.median(ratios) >= factor
            yield Aim(
                f"query is so many times as fast as {other}: {spread(ratios, '.2f')}", f"{factor:.0f} or more", met
            )


def _growth(rounds: Sequence[Mapping[str, Spent]], small_mb: float) -> Aim:
    long_mb = max(one[OURS].max_rss_mb for one in rounds)
    figure = f"peak MB of query: {long_mb:.1f}, in a file of {SMALL_BYTES // 1_000_000} MB {small_mb:.1f}"
    return Aim(figure, f"within {GROWTH_MB:.0f} MB", abs(long_mb - small_mb) < GROWTH_MB)


def _commands(directory: Path) -> tuple[dict[str, list[str]], list[str]]:
    """Who looks for the alerts, and for each that cannot why."""
    file = str(_events(directory))
    commands = {
        OURS: _ours("query", "--channel", "alert", "--format", "json", "--dir", str(directory)),
        JQ: ["jq", "-c", 'select(.channel=="alert")', file],
        LOOP: [sys.executable, str(HERE / "peer_loop.py"), file],
    }
    if shutil.which("jq") is None:
        del commands[JQ]
        return commands, [f"{JQ}: left out, there is no jq on PATH"]
    return commands, []


def _ours(*words: str) -> list[str]:
    return [sys.executable, "-m", "videodb_listen", *words]


def _events(directory: Path) -> Path:
    return directory / "videodb_events.jsonl"


def _require_same_answers(commands: Mapping[str, Sequence[str]]) -> None:
    """Raise PeerFailedError unless all commands print the same number of lines: only then are they comparable."""
    counts = {
        name: subprocess.run(command, stdout=subprocess.PIPE, env=environment(), check=True).stdout.count(b"\n")
        for name, command in commands.items()
    }
    if len(set(counts.values())) != 1:
        raise PeerFailedError(f"they found different numbers of alerts: {counts}")


def _round(commands: Mapping[str, Sequence[str]], number: int) -> dict[str, Spent]:
    spent = {}
    for name, command in commands.items():
        spent[name] = spend(command)
        _progress(f"round {number}: {name:<6}{spent[name].wall_s:7.2f} s")
    return spent


def _table(rounds: Sequence[Mapping[str, Spent]]) -> Iterator[str]:
    yield f"{'all alerts':<38} {'wall s, median (min..max)':>28} {'CPU s':>7}"
    for name in rounds[0]:
        runs = [one[name] for one in rounds]
        cpu_s = statistics.median(run.cpu_s for run in runs)
        yield f"{NAMES[name]:<38} {spread([run.wall_s for run in runs], '.2f'):>28} {cpu_s:>7.2f}"


def _progress(what: str) -> None:
    """For whoever watches."""
    print(what, file=sys.stderr)
