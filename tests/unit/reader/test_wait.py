"""What ends the waiting: the newest session, its failure, and anything else that was named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from videodb_listen.reader import query
from videodb_listen.reader.query import ANY, Where, select
from videodb_listen.reader.wait import Awaited

NOTHING = None


def session(name: str, session_id: str | None = None, **more: Any) -> dict[str, Any]:
    named = {"capture_session_id": session_id} if session_id else {}
    return {"channel": "capture_session", "event": f"capture_session.{name}", **named, **more}


def speech(text: str) -> dict[str, Any]:
    return {"channel": "transcript", "data": {"text": text}}


A, B = "cap-a", "cap-b"

CASES: dict[str, tuple[Awaited, list[dict[str, Any]], list[dict[str, Any]], tuple[int, bool] | None]] = {
    "it is there": (
        Awaited(["capture_session.active"], ANY),
        [session("created", A), session("active", A)],
        [],
        (1, False),
    ),
    "it comes": (Awaited(["capture_session.active"], ANY), [session("created", A)], [session("active", A)], (1, False)),
    "only an older session has it": (
        Awaited(["capture_session.active"], ANY),
        [session("active", A), session("created", B)],
        [session("stopped", A)],
        NOTHING,
    ),
    "the newest session gets it later": (
        Awaited(["capture_session.active"], ANY),
        [session("active", A), session("created", B)],
        [session("active", B)],
        (2, False),
    ),
    "a session that begins while we wait is the newest": (
        Awaited(["capture_session.active"], ANY),
        [session("created", A)],
        [session("created", B), session("active", A), session("active", B)],
        (3, False),
    ),
    "the one that was the newest when it came": (
        Awaited(["capture_session.exported"], ANY),
        [session("created", A)],
        [session("exported", A), session("created", B)],
        (1, False),
    ),
    "a named session, though it is old": (
        Awaited(["capture_session.active"], ANY, A),
        [session("active", A), session("created", B)],
        [],
        (0, False),
    ),
    "the newest session fails": (
        Awaited(["capture_session.exported"], ANY),
        [session("created", A)],
        [session("failed", A)],
        (1, True),
    ),
    "an older session fails": (
        Awaited(["capture_session.exported"], ANY),
        [session("created", A), session("failed", A), session("created", B)],
        [],
        NOTHING,
    ),
    "a failure is what was waited for": (
        Awaited(["capture_session.failed"], ANY),
        [session("created", A), session("failed", A)],
        [],
        (1, False),
    ),
    "it had come before the failure": (
        Awaited(["capture_session.active"], ANY),
        [session("active", A), session("failed", A)],
        [],
        (0, False),
    ),
    "an event without a session belongs to the newest": (
        Awaited(["capture_session.exported"], ANY),
        [session("created", A), session("exported")],
        [],
        (1, False),
    ),
    "any of several": (
        Awaited(["capture_session.exported", "alert"], ANY),
        [session("created", A)],
        [{"channel": "alert"}, session("exported", A)],
        (1, False),
    ),
    "a channel": (Awaited(["transcript"], ANY), [speech("hello")], [], (0, False)),
    "a channel and a filter": (
        Awaited(["transcript"], query.grep("budget")),
        [speech("hello")],
        [speech("the budget")],
        (1, False),
    ),
    "a filter alone": (
        Awaited([], query.channel("transcript") & query.grep("budget")),
        [speech("hello"), session("created", A)],
        [speech("the budget")],
        (2, False),
    ),
    "a failure is nothing to who waits for words": (
        Awaited(["transcript"], ANY),
        [session("created", A), session("failed", A)],
        [],
        NOTHING,
    ),
    "a name under which the channel is also sent": (
        Awaited(["visual_index"], ANY),
        [{"channel": "scene_index"}],
        [],
        (0, False),
    ),
}


def fed(awaited: Awaited, there: list[dict[str, Any]], coming: list[dict[str, Any]], needed: Where) -> Any:
    """Feed what `needed` lets through; the number of the event of the verdict, and whether it is a failure."""
    for events, first, live in ((there, 0, False), (coming, len(there), True)):
        data = b"".join(json.dumps({"i": first + n, **event}).encode() + b"\n" for n, event in enumerate(events))
        for line, event in select(data, needed, lambda line: pytest.fail(str(line))):
            awaited.take(line, event, live=live)
    verdict = awaited.verdict
    return None if verdict is None else (json.loads(verdict.line)["i"], verdict.failed)


@pytest.mark.parametrize("case", CASES)
def test_the_verdict(case: str) -> None:
    awaited, there, coming, expected = CASES[case]
    assert fed(awaited, there, coming, awaited.needed) == expected


def test_a_session_filter_and_a_session_mean_the_same() -> None:
    there = [session("active", A), session("created", B)]
    assert fed(Awaited(["capture_session.active"], query.session(A), A), there, [], ANY) == (0, False)
