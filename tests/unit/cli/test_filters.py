"""What the filters let pass, and what is said of names that nobody knows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from support.history import HandMade
from videodb_listen.cli.query import query


@pytest.fixture
def site(tmp_path: Path) -> HandMade:
    """Two sessions, of which the older has ended; a channel of somebody's own."""
    made = HandMade(tmp_path)
    for session, states in {"a": ("active", "stopped"), "b": ("active",)}.items():
        for state in states:
            streams = [{"rtstream_id": f"r-{session}"}]
            named = {"event": f"capture_session.{state}", "capture_session_id": session}
            made.append(1, channel="capture_session", data={"rtstreams": streams}, **named)
        made.append(1, rtstream_id=f"r-{session}")
    made.append(1, channel="mine")
    return made


def asked(site: HandMade, *words: str) -> Result:
    return CliRunner().invoke(query, ["--dir", str(site.directory), "--json", *words])


def numbers(done: Result) -> list[int]:
    return [json.loads(line)["n"] for line in done.stdout.splitlines()]


def test_the_last_session_and_the_current_one_have_no_need_of_an_id(site: HandMade) -> None:
    for which in ("last", "current", "b"):
        assert numbers(asked(site, "--session", which)) == [3, 4]
    site.append(1, channel="capture_session", event="capture_session.stopped", capture_session_id="b")
    assert numbers(asked(site, "--session", "last")) == [3, 4, 6]
    none = asked(site, "--session", "current")
    assert (none.exit_code, none.stdout, none.stderr) == (0, "", "videodb-listen: no capture session is under way\n")


def test_a_session_that_is_meant_stands_alone(site: HandMade) -> None:
    done = asked(site, "--session", "last", "--session", "a")
    assert (done.exit_code, "give no other" in done.stderr) == (2, True)


def test_without_any_session_that_is_said(tmp_path: Path) -> None:
    site = HandMade(tmp_path)
    site.append(1)
    done = asked(site, "--session", "last")
    assert (done.stdout, done.stderr) == ("", "videodb-listen: no capture session was seen\n")


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["--channel", "transcipt"], "transcript"),
        (["--event", "capture_session.expoted"], "capture_session.exported"),
        (["--channel", "alert", "--channel", "visual-index"], "visual_index"),
    ],
)
def test_a_name_that_nobody_knows_is_said_with_what_is_near(site: HandMade, words: list[str], near: str) -> None:
    done = asked(site, *words)
    assert (done.exit_code, done.stderr.count("\n")) == (0, 1)
    assert repr(words[-1]) in done.stderr
    assert near in done.stderr


@pytest.mark.parametrize("name", ["alert", "scene_index", "capture_session.exported", "mine"])
def test_a_name_that_is_known_or_was_recorded_is_not_mentioned(site: HandMade, name: str) -> None:
    assert asked(site, "--event", name).stderr == asked(site, "--channel", name).stderr == ""


def test_a_name_that_is_like_no_other_is_said_too(site: HandMade) -> None:
    said = asked(site, "--channel", "\x1bqqqq").stderr
    assert said == "videodb-listen: no channel or event '\\x1bqqqq' is known, and none is recorded\n"
