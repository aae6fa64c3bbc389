"""The screen fits on the terminal, whatever is counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videodb_listen.cli.stats import aligned

WHEN = "2026-03-02 15:45:30"
HEADER = ["stream", "events", "share", "a minute", "first", "last", "name"]
ROW = ["rts-fa440862-ca68-4fe6-ba28-6046d1a", "123456", "100%", "1234.5", WHEN, WHEN, "system_audio:default"]


def test_what_tells_least_goes_first_where_there_is_no_room() -> None:
    titles = {columns: aligned([HEADER, ROW], columns)[0].split() for columns in (None, 140, 110, 100, 60)}
    assert titles[None] == titles[140] == ["stream", "events", "share", "a", "minute", "first", "last", "name"]
    assert titles[110] == ["stream", "events", "a", "minute", "last", "name"]
    assert titles[60] == ["stream", "events", "last", "name"]


@given(st.integers(60, 100), st.text("x", max_size=36), st.text("y", max_size=36), st.integers(0, 10**12))
def test_no_line_is_wider_than_the_terminal(columns: int, name: str, label: str, events: int) -> None:
    rows = [HEADER, ROW, [name, str(events), "1%", "-", WHEN, "-", label]]
    assert max(map(len, aligned(rows, columns))) <= columns


@pytest.mark.parametrize("columns", [None, 300])
def test_where_there_is_room_nothing_is_cut(columns: int | None) -> None:
    assert aligned([HEADER, ROW], columns)[1].split("  ")[0] == ROW[0]
