"""Measures the daemon: how fast it records against other clients, how much memory it takes, what its start costs.

`read` measures the other side: how soon `wait` speaks, and how long `query` takes in a long file.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import flood
import memory
import reading
import start
from measure import Figures
from peers import all_peers


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("mode", nargs="?", choices=["flood", "memory", "start", "read"], default="flood")
    parser.add_argument("--events", type=int, default=200_000, help="events of one flood [%(default)s]")
    parser.add_argument("--rounds", type=int, default=5, help="floods into each peer [%(default)s]")
    parser.add_argument(
        "--size",
        type=int,
        default=1000,
        metavar="MB",
        help="the file that `read` reads [%(default)s]; the aims are for that size",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures of every flood there")
    parser.add_argument("--node-modules", type=_absolute, help=argparse.SUPPRESS)  # scripts/bench knows
    options = parser.parse_args()
    if options.mode == "flood":
        return _flood(options)
    lines, good = _report(options)
    print(*lines, sep="\n")
    return 0 if good else 1


def _report(options: argparse.Namespace) -> tuple[list[str], bool]:
    """What the mode has to tell, and whether it is good."""
    if options.mode == "read":
        lines, good = reading.report(options.size)
        return [_machine(), *lines], good
    return memory.report() if options.mode == "memory" else start.report()


def _absolute(path: str) -> Path:
    return Path(path).resolve()  # peers run in a directory of their own


def _flood(options: argparse.Namespace) -> int:
    peers, left_out = all_peers(options.node_modules)
    results: list[Figures] = []
    for figures in flood.run_rounds(peers, options.events, options.rounds):
        print(flood.progress(figures), file=sys.stderr)
        results.append(figures)
    print(f"{options.events:,} events of 250 bytes, {options.rounds} interleaved rounds; {_machine()}", "", sep="\n")
    print(*flood.table(results), *left_out, sep="\n")
    if options.json:
        _write_json(options.json, results)
    return 1 if any(figures.failure for figures in results) else 0


def _machine() -> str:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{python}, websockets {version('websockets')}, {os.cpu_count()} CPUs, {platform.system()}"


def _write_json(path: Path, results: Sequence[Figures]) -> None:
    rows = [{**dataclasses.asdict(figures), "events_per_s": figures.events_per_s} for figures in results]
    path.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
