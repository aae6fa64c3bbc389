"""What ends the waiting: the newest session, its failure, and anything else that was named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from videodb_listen.reader import query
from videodb_listen.reader.query import Where, event, select
from videodb_listen.reader.wait import Awaited, Session

NOTHING = None


def session(name: str, session_id: str | None = None, **more: Any) -> dict[str, Any]:
    named = {"capture_session_id": session_id} if session_id else {}
    return {"channel": "capture_session", "event": f"capture_session.{name}", **named, **more}


def speech(text: str) -> dict[str, Any]:
    return {"channel": "transcript", "data": {"text": text}}


A, B = "cap-a", "cap-b"

CASES: dict[str, tuple[Where, list[dict[str, Any]], list[dict[str, Any]], tuple[int, bool] | None]] = {
    "it is there": (
        event("capture_session.active"),
        [session("created", A), session("active", A)],
        [],
        (1, False),
    ),
    "it comes": (event("capture_session.active"), [session("created", A)], [session("active", A)], (1, False)),
    "only an older session has it": (
        event("capture_session.active"),
        [session("active", A), session("created", B)],
        [session("stopped", A)],
        NOTHING,
    ),
    "the newest session gets it later": (
        event("capture_session.active"),
        [session("active", A), session("created", B)],
        [session("active", B)],
        (2, False),
    ),
    "a session that begins while we wait is the newest": (
        event("capture_session.active"),
        [session("created", A)],
        [session("created", B), session("active", A), session("active", B)],
        (3, False),
    ),
    "the one that was the newest when it came": (
        event("capture_session.exported"),
        [session("created", A)],
        [session("exported", A), session("created", B)],
        (1, False),
    ),
    "a named session, though it is old": (
        event("capture_session.active") & query.session(A),
        [session("active", A), session("created", B)],
        [],
        (0, False),
    ),
    "either of two named sessions": (
        event("capture_session.active") & query.session(A, B),
        [session("created", A), session("created", B), session("active", A)],
        [],
        (2, False),
    ),
    "a named session fails, though it is old": (
        event("capture_session.active") & (query.session(A) | query.stream("rts-1")),
        [session("created", A), session("failed", A), session("created", B)],
        [],
        (1, True),
    ),
    "the newest session fails": (
        event("capture_session.exported"),
        [session("created", A)],
        [session("failed", A)],
        (1, True),
    ),
    "an older session fails": (
        event("capture_session.exported"),
        [session("created", A), session("failed", A), session("created", B)],
        [],
        NOTHING,
    ),
    "a failure is what was waited for": (
        event("capture_session.failed"),
        [session("created", A), session("failed", A)],
        [],
        (1, False),
    ),
    "a session that was active and has failed is over": (
        event("capture_session.active"),
        [session("active", A), session("failed", A)],
        [],
        NOTHING,
    ),
    "a session that failed before it was active will never be": (
        event("capture_session.active"),
        [session("created", A), session("failed", A)],
        [],
        (1, True),
    ),
    "yesterday's meeting": (
        event("capture_session.active"),
        [session("active", A), session("stopped", A)],
        [session("exported", A), session("active", B)],
        (3, False),
    ),
    "yesterday's meeting, though its export fails today": (
        event("capture_session.active"),
        [session("active", A), session("stopped", A)],
        [session("failed", A), session("active", B)],
        (3, False),
    ),
    "the end of yesterday's meeting": (
        event("capture_session.stopped"),
        [session("active", A), session("stopped", A), session("exported", A)],
        [],
        (1, False),
    ),
    "an export that may come yet": (
        event("capture_session.exported"),
        [session("active", A), session("stopped", A)],
        [session("exported", A)],
        (2, False),
    ),
    "an end that comes while we wait does not take back what came before it": (
        event("capture_session.active"),
        [session("created", A)],
        [session("active", A), session("stopped", A)],
        (1, False),
    ),
    "another event than of a session stands, though that is over": (
        event("capture_session.active", "alert"),
        [{"channel": "alert"}, session("active", A), session("stopped", A)],
        [],
        (0, False),
    ),
    "a named session, though it is over": (
        event("capture_session.active") & query.session(A),
        [session("active", A), session("exported", A)],
        [],
        (0, False),
    ),
    "an event without a session belongs to the newest": (
        event("capture_session.exported"),
        [session("created", A), session("exported")],
        [],
        (1, False),
    ),
    "any of several": (
        event("capture_session.exported", "alert"),
        [session("created", A)],
        [{"channel": "alert"}, session("exported", A)],
        (1, False),
    ),
    "a channel": (event("transcript"), [speech("hello")], [], (0, False)),
    "a channel and a filter": (
        event("transcript") & query.grep("budget"),
        [speech("hello")],
        [speech("the budget")],
        (1, False),
    ),
    "a filter alone": (
        query.channel("transcript") & query.grep("budget"),
        [speech("hello"), session("created", A)],
        [speech("the budget")],
        (2, False),
    ),
    "a failure is nothing to who waits for words": (
        event("transcript"),
        [session("created", A), session("failed", A)],
        [],
        NOTHING,
    ),
    "a name under which the channel is also sent": (
        event("visual_index"),
        [{"channel": "scene_index"}],
        [],
        (0, False),
    ),
}


OVER = [session("created", A), session("active", A), session("stopped", A), session("exported", A)]
LAST_OR_CURRENT: dict[str, tuple[Session, Where, list[dict[str, Any]], list[dict[str, Any]], Any]] = {
    "the last, though it is over": ("last", event("capture_session.active"), OVER, [], (1, False)),
    "the current one is not over": ("current", event("capture_session.active"), OVER[:2], [], (1, False)),
    "the next one, when none is under way": (
        "current",
        event("capture_session.active"),
        OVER,
        [session("active", B)],
        (4, False),
    ),
    "not even the end of one that is over": (
        "current",
        event("capture_session.exported"),
        OVER,
        [session("active", B), session("exported", B)],
        (5, False),
    ),
    "an export that is under way": (
        "current",
        event("capture_session.exported"),
        OVER[:3],
        [session("exported", A)],
        (3, False),
    ),
    "a failure of one that is over is none of ours": (
        "current",
        event("capture_session.exported"),
        [session("created", A), session("failed", A)],
        [session("created", B), session("failed", B)],
        (3, True),
    ),
}


def fed(
    where: Where,
    there: list[dict[str, Any]],
    coming: list[dict[str, Any]],
    *,
    all_lines: bool,
    session: Session | None = None,
) -> Any:
    """Feed what is needed, or all; the number of the event of the verdict, and whether it is a failure."""
    awaited = Awaited(where, session)
    for events, first, live in ((there, 0, False), (coming, len(there), True)):
        data = b"".join(json.dumps({"i": first + n, **event}).encode() + b"\n" for n, event in enumerate(events))
        for line, found in select(
            data, query.ANY if all_lines else awaited.needed, lambda line: pytest.fail(str(line))
        ):
            awaited.take(line, found, live=live)
        if not live:
            awaited.settle()
    verdict = awaited.verdict
    return None if verdict is None else (json.loads(verdict.line)["i"], verdict.failed)


@pytest.mark.parametrize("all_lines", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_the_verdict(case: str, all_lines: bool) -> None:
    where, there, coming, expected = CASES[case]
    assert fed(where, there, coming, all_lines=all_lines) == expected


@pytest.mark.parametrize("all_lines", [False, True])
@pytest.mark.parametrize("case", LAST_OR_CURRENT)
def test_the_verdict_of_the_last_session_and_of_the_current_one(case: str, all_lines: bool) -> None:
    which, where, there, coming, expected = LAST_OR_CURRENT[case]
    assert fed(where, there, coming, all_lines=all_lines, session=which) == expected
