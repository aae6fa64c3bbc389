"""An event is one safe line, as long as it takes or as wide as the terminal."""

from __future__ import annotations

import time
from typing import Any

import pytest

from videodb_listen.formats.text import COLOURS, DIM, line, row

ALERT = {
    "channel": "alert",
    "unix_ts": 5.0,
    "rtstream_name": "display:1",
    "data": {"label": "leak", "text": "a password"},
}


def words(event: dict[str, Any]) -> str:
    """What stands behind the time in a line."""
    return line({**event, "unix_ts": None}).removeprefix("- ")


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (ALERT, "alert display:1 leak: a password"),
        ({"channel": "transcript", "rtstream_id": "rts-1", "data": {"text": "hello"}}, "transcript rts-1 hello"),
        ({"channel": "transcript", "data": {"text": "hello"}}, "transcript - hello"),
        ({"channel": "scene_index", "data": {"text": "an editor"}}, "visual_index - an editor"),
        ({"event": "capture_session.active", "rtstream_name": "mic"}, "capture_session.active mic"),
        ({"channel": "alert", "data": {"label": "leak"}}, "alert - leak"),
        ({"channel": "transcript", "data": {"text": "a\x1b[2J\nb"}}, "transcript - a\\x1b[2J\\x0ab"),
        ({}, "event -"),
    ],
)
def test_a_line_says_what_on_which_stream_in_which_words(event: dict[str, Any], shown: str) -> None:
    assert words(event) == shown


def test_a_time_is_local_and_one_that_is_not_there_a_dash() -> None:
    assert line({"unix_ts": 1772446530.9}).startswith(time.strftime("%Y-%m-%d %H:%M:%S ", time.localtime(1772446530)))
    assert [line({"unix_ts": stamp})[:2] for stamp in (None, "soon")] == ["- ", "- "]


@pytest.mark.parametrize("columns", [1, 60, 80, 200])
def test_a_row_is_aligned_and_no_wider_than_the_terminal(columns: int) -> None:
    narrowest = 8 + 16 + 20 + 10 + len("   ")
    shown = row({**ALERT, "data": {"label": "leak", "text": "x" * 300}}, columns)
    assert len(shown) == max(narrowest, columns)
    assert shown.endswith("…")
    assert shown[8:26] == " alert            "


def test_a_row_is_painted_by_whoever_shows_it() -> None:
    def marked(text: str, style: str) -> str:
        return f"<{style}>{text.rstrip()}</>"

    assert f" <{COLOURS['alert']}>alert</> " in row(ALERT, 80, marked)
    interim = {"channel": "transcript", "data": {"text": "hel", "is_final": False}}
    assert row(interim, 80, marked).endswith(f"<{DIM}>hel</>")
    assert "<" not in row({"channel": "mine", "data": {"text": "hello"}}, 80, marked)
