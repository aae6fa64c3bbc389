"""The ledger of faults: what was injected, what was sent, what is on disk, and how it is known that the fault came.

A test writes rows; they travel with its report, so that they arrive from the workers of pytest-xdist, too. With
`--faults-report FILE` the session ends by writing them all as one table. A test that failed or was skipped is in it.
"""

from __future__ import annotations

import platform
import re
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

_PROPERTY = "fault"
_TEMPORARY = re.compile(r"/\S*/pytest-of-\S+/")  # where a test ran is no part of what it found


@dataclass(frozen=True)
class Row:
    """One fault of one test. `sent` and `on_disk` count events; None: the test ended before it knew."""

    id: str
    what: str
    sent: int | None = None
    on_disk: int | None = None
    fired: str = ""


class Ledger:
    """What one test says about its faults."""

    def __init__(self, properties: list[tuple[str, object]]) -> None:
        self._properties = properties

    def row(self, id: str, what: str, *, sent: int, on_disk: int, fired: str) -> None:
        """Write a row. `fired` says what proves that the fault really came. Written before the last assertion."""
        self._properties.append((_PROPERTY, asdict(Row(id, what, sent, on_disk, _TEMPORARY.sub("", fired)))))


@dataclass
class _Outcome:
    rows: list[Row] = field(default_factory=list)
    result: str = "pass"


class LedgerReport:
    """The pytest plugin that gathers the rows of a session and writes them."""

    def __init__(self, path: Path, folder: str) -> None:
        self._path = path
        self._folder = folder
        self._outcomes: dict[str, _Outcome] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what one phase of one test has said."""
        if f"{self._folder}/" not in report.nodeid:
            return
        outcome = self._outcomes.setdefault(report.nodeid, _Outcome())
        told = (value for name, value in report.user_properties if name == _PROPERTY)
        outcome.rows = [Row(**row) for row in told if isinstance(row, dict)]
        if report.failed:
            outcome.result = "**fail**"
        elif report.skipped:
            outcome.result = f"skipped: {_reason(report)}"

    def pytest_sessionfinish(self) -> None:
        """Write the table."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text("\n".join([*_heading(), *self._table(), ""]), encoding="utf-8")

    def _table(self) -> list[str]:
        lines = []
        for nodeid, outcome in self._outcomes.items():
            test = nodeid.split(f"{self._folder}/")[-1]
            for row in outcome.rows or [Row("-", _sentence(test))]:
                cells = [row.id, row.what, f"`{test}`", _count(row.sent), _count(row.on_disk), row.fired or "-"]
                lines.append((_order(row.id), test, _line([*cells, outcome.result])))
        head = ["id", "fault", "test", "sent", "on disk", "fired", "result"]
        return [_line(head), _line(["---"] * len(head)), *(line for *_, line in sorted(lines))]


def _heading() -> list[str]:
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    return [
        "# Faults that were injected",
        "",
        "Each row is a fault that a test has really caused, and what was left of the events afterwards. "
        "`scripts/test faults` writes this file.",
        "",
        f"Date: {datetime.now(UTC):%Y-%m-%d}",
        "",
        f"Platform: {system}, {platform.python_implementation()} {platform.python_version()}",
        "",
    ]


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _count(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"


def _sentence(test: str) -> str:
    name, bracket, parameters = test.split("::")[-1].partition("[")
    return name.removeprefix("test_").replace("_", " ") + (f" ({parameters[:-1]})" if bracket else "")


def _order(id: str) -> tuple[int, int, str]:
    """Numbers first, then names, then what has no id because its test did not get that far."""
    return (0, int(id), "") if id.isdecimal() else (2 if id == "-" else 1, 0, id)


def _reason(report: pytest.TestReport) -> str:
    if hasattr(report, "wasxfail"):
        return f"fails as expected: {report.wasxfail}"
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return reason.removeprefix("Skipped: ")
