"""Every failure has a status, a code and something to do about it."""

import re

import pytest

from videodb_listen import errors
from videodb_listen.errors import Bug, ListenError, SinkError, Unavailable

KINDS = ListenError.__subclasses__()
RETRYABLE = {"not_running", "not_connected", "unavailable", "timed_out"}


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = re.findall(r"[├└]── (\w+) +(\d+)  (\w+)", errors.__doc__ or "")
    assert drawn == [(kind.__name__, str(kind.status), kind.code) for kind in KINDS]


def test_statuses_are_those_that_scripts_rely_on() -> None:
    assert {kind.code: kind.status for kind in KINDS} == {
        "session_failed": 1,
        "cannot_stop": 1,
        "usage": 2,
        "not_running": 3,
        "not_connected": 4,
        "request_refused": 65,
        "unavailable": 69,
        "bug": 70,
        "recorder_failed": 71,
        "directory_unusable": 73,
        "io_error": 74,
        "incomplete": 74,
        "directory_busy": 75,
        "credentials_rejected": 77,
        "configuration": 78,
        "timed_out": 124,
    }


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_survives_its_way_through_another_process(kind: type[ListenError]) -> None:
    said = kind("what happened", fix="what to do")
    heard = ListenError.from_dict(said.as_dict())
    assert type(heard) is kind
    assert (heard.message, heard.fix, str(heard)) == ("what happened", "what to do", "what happened; what to do")
    assert heard.as_dict() == said.as_dict()


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_may_pass_by_itself_is_called_retryable(kind: type[ListenError]) -> None:
    assert kind("a", fix="b").as_dict() == {
        "error": "a",
        "code": kind.code,
        "fix": "b",
        "retryable": kind.code in RETRYABLE,
    }


def test_a_code_that_nobody_knows_is_a_bug() -> None:
    heard = ListenError.from_dict({"error": "a", "code": "made_up", "fix": "b"})
    assert type(heard) is Bug


def test_what_a_server_asks_for_is_kept_beside_the_message() -> None:
    assert Unavailable("busy").retry_after_s is None
    assert Unavailable("busy", retry_after_s=5.0).retry_after_s == 5.0
    assert Unavailable("busy").fix


def test_a_bug_names_the_exception() -> None:
    bug = Bug.of(KeyError("x"))
    assert bug.message == "unexpected KeyError: 'x'"
    assert "report" in bug.fix


def test_errors_are_caught_by_what_one_can_do() -> None:
    with pytest.raises(ListenError) as caught:
        raise SinkError("a", fix="b")
    assert caught.value.status == 74
