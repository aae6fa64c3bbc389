"""One flood into each peer, round by round, and the table of it.

Ratios are taken within each round and only then summed up: what a noisy machine does to a round, it does to both sides.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence

from measure import Figures, measure
from peers import BARE, NODE, OURS, PREVIEW, SDK, Peer

RATIOS = ((OURS, SDK), (OURS, BARE), (OURS, NODE), (PREVIEW, OURS))


def run_rounds(peers: Sequence[Peer], events: int, rounds: int) -> Iterator[Figures]:
    """A B C, A B C, ...: what disturbs the machine for a while disturbs every peer alike."""
    for number in range(1, rounds + 1):
        for peer in peers:
            yield measure(peer, events, number)


def progress(figures: Figures) -> str:
    """One run, for whoever watches."""
    result = figures.failure or f"{figures.events_per_s:9,.0f} events/s"
    return f"round {figures.round}: {figures.peer:<18}{result}"


def table(results: Sequence[Figures]) -> list[str]:
    """A line for each peer and a line for each ratio; a peer with a failed run has no figures, but what failed."""
    lines = [f"{'':<18} {'events/s, median (min..max)':>34} {'CPU s':>7} {'max RSS':>9}"]
    lines += [_row(peer, [one for one in results if one.peer == peer]) for peer in _names(results)]
    return [*lines, "", *_ratio_rows(results)]


def _row(peer: str, runs: Sequence[Figures]) -> str:
    if failures := sorted({run.failure for run in runs if run.failure}):
        return f"{peer:<18} FAILED: {'; '.join(failures)}"
    rates = [run.events_per_s for run in runs]
    cpu_s = statistics.median(run.cpu_s for run in runs)
    max_rss_mb = max(run.max_rss_mb for run in runs)
    return f"{peer:<18} {spread(rates, ',.0f'):>34} {cpu_s:>7.2f} {max_rss_mb:>6.0f} MB"


def _ratio_rows(results: Sequence[Figures]) -> Iterator[str]:
    rates = {(run.peer, run.round): run.events_per_s for run in results if not run.failure}
    for above, below in RATIOS:
        ratios = [
            rates[above, number] / rates[below, number]
            for number in sorted({run.round for run in results})
            if (above, number) in rates and (below, number) in rates
        ]
        if ratios:
            yield f"{f'{above} / {below}':<34} {spread(ratios, '.2f'):>18}"


def spread(values: Sequence[float], form: str) -> str:
    """The median of `values` with the least and the greatest of them."""
    return f"{statistics.median(values):{form}} ({min(values):{form}}..{max(values):{form}})"


def _names(results: Iterable[Figures]) -> list[str]:
    return list(dict.fromkeys(run.peer for run in results))
