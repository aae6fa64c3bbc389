"""An event is one safe line, as long as it takes or as wide as the terminal."""

from __future__ import annotations

import time
from typing import Any

import pytest

from videodb_listen.formats.text import COLOURS, DIM, line, mark, row

NOW_S = 1772446530.0

ALERT = {
    "channel": "alert",
    "unix_ts": 5.0,
    "rtstream_name": "display:1",
    "data": {"label": "leak", "text": "a password"},
}


def lifecycle(state: str, **data: Any) -> dict[str, Any]:
    return {"channel": "capture_session", "event": f"capture_session.{state}", "data": data}


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
        (
            lifecycle("failed", error={"code": "RECORDING_FAILED", "message": "no display"}),
            "capture_session.failed - RECORDING_FAILED: no display",
        ),
        (
            lifecycle("exported", player_url="https://p/1", stream_url="https://s/1"),
            "capture_session.exported - https://p/1",
        ),
        (lifecycle("exported", exported_video_id="m-1"), "capture_session.exported - m-1"),
        (lifecycle("stopped", status="stopped"), "capture_session.stopped -"),
        (
            lifecycle("active", rtstreams=[{"rtstream_id": "a", "name": "mic"}, {"rtstream_id": "b"}]),
            "capture_session.active - mic, b",
        ),
        (
            {"channel": "alert", "data": {"label": "leak", "explanation": "a key", "player_url": "https://p/2"}},
            "alert - leak: a key  https://p/2",
        ),
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


def test_a_stream_has_the_name_that_is_known_for_its_id() -> None:
    names = {"rts-1": "mic:default"}
    spelled = {"channel": "transcript", "rtstream_id": "rts-1", "rtstream_name": "Capture mic - cap-1"}
    assert line(spelled, names=names).split()[2] == "mic:default"
    assert row({"channel": "alert", "rtstream_id": "rts-1"}, 80, names=names).split()[1] == "mic:default"
    assert line({"channel": "alert", "rtstream_id": "rts-2"}, names=names).split()[2] == "rts-2"
    assert line(lifecycle("active", rtstreams=[{"id": "rts-1"}]), names=names).endswith(" mic:default")


GAP = {"from_unix_ts": NOW_S, "to_unix_ts": NOW_S + 38, "reason": "lost", "new_ws_id": "conn-2"}


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, "-- the connection was lost: nobody listened for 38s from {begin} on; the id is conn-2 now --"),
        (
            {"reason": "crashed"},
            "-- the listener crashed: nobody listened for 38s from {begin} on; the id is conn-2 now --",
        ),
        (
            {"reason": "?", "new_ws_id": "\x1b"},
            "-- a gap: nobody listened for 38s from {begin} on; the id is \\x1b now --",
        ),
        (
            {"to_unix_ts": NOW_S - 5},
            "-- the connection was lost: nobody listened for 0s from {begin} on; the id is conn-2 now --",
        ),
    ],
)
def test_a_mark_says_why_and_how_long_nobody_listened(changes: dict[str, Any], shown: str) -> None:
    begin = time.strftime("%H:%M:%S", time.localtime(NOW_S))
    gap = {**GAP, **changes}
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(gap["to_unix_ts"]))
    assert mark(gap) == f"{when} {shown.format(begin=begin)}"
    assert mark(gap, dated=False) == mark(gap)[11:]
