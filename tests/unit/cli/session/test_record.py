"""From the words of `session record` to a plan, and to the words of the listener that it needs."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import Any

import click
import pytest

from videodb_listen.capturing.pipelines import Wanted
from videodb_listen.capturing.recording import Plan
from videodb_listen.cli.session.record import _plan, _words_for_run, record
from videodb_listen.paths import Layout


def options(*words: str) -> dict[str, Any]:
    return record.make_context("record", list(words)).params


def test_without_a_kind_everything_is_recorded_and_nothing_is_made_of_it() -> None:
    assert _plan(options(), "c-1") == Plan("c-1", (), False, None, getpass.getuser(), Wanted(False, None, ()))


def test_kinds_are_named_as_the_recorder_names_them() -> None:
    wanted = Wanted(True, "what", (("x", "an x"), ("y", "a=y")))
    words = "--mic --screen --system-audio --store --for 30s --transcribe --describe what --user me"
    alerts = ["--alert", "x=an x", "--alert", "y=a=y"]
    plan = _plan(options(*words.split(), *alerts), "c-1")
    assert plan == Plan("c-1", ("mic", "display", "system_audio"), True, 30.0, "me", wanted)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--screen --transcribe", "--transcribe needs"),
        ("--mic --describe what", "need --screen"),
        ("--mic --alert a=b", "need --screen"),
        ("--alert a", "'a' is not LABEL=PROMPT"),
        ("--alert =a", "'=a' is not LABEL=PROMPT"),
        ("--alert a=", "'a=' is not LABEL=PROMPT"),
    ],
)
def test_what_can_mean_nothing_is_wrong_usage(words: str, said: str) -> None:
    with pytest.raises(click.UsageError, match=said):
        _plan(options(*words.split()), "c-1")


def test_a_listener_that_is_launched_is_told_the_account_and_the_place() -> None:
    words = ["--cwd", "there", "--collection", "c-1", "--base-url", "https://x"]
    assert _words_for_run(Layout(Path("/d")), options("--dir", "elsewhere")) == ["--dir", "/d"]
    told = _words_for_run(Layout(Path("/d")), options(*words))
    assert dict(zip(told[::2], told[1::2], strict=True)) == {
        "--dir": "/d",
        **dict(zip(words[::2], words[1::2], strict=True)),
    }


def test_a_user_whom_the_machine_does_not_know_has_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert _plan(options(), "c-1").user == str(os.getuid())
