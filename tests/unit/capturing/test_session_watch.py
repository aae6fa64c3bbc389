"""What became of a session, by its events or by what the API says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from videodb_listen.api.blocking import blocking
from videodb_listen.api.http import Api
from videodb_listen.capturing import session_watch
from videodb_listen.capturing.session_watch import SessionWatch
from videodb_listen.errors import RecorderFailed, SessionFailed, TimedOut, Unavailable
from videodb_listen.settings import Account


class Session:
    """A session `cap-1` of which the API says these states, one a question; an exception is raised."""

    id = "cap-1"
    status: str | None = "created"
    export_status: str | None = None
    api: Any = Api(Account("http://127.0.0.1:1", "sk-secret"))  # it asks nobody

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        self.data: dict[str, Any] = {}
        self._answers = list(answers)

    @blocking
    async def refresh(self) -> None:
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        self.data = answer
        self.status, self.export_status = answer.get("status"), answer.get("export_status")


def lifecycle(state: str, session: str = "cap-1", **data: Any) -> dict[str, Any]:
    event = f"capture_session.{state}"
    return {"channel": "capture_session", "event": event, "capture_session_id": session, "data": data}


async def those(*events: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    for event in events:
        yield event


def watched(*answers: dict[str, Any] | Exception) -> tuple[SessionWatch, list[str]]:
    said: list[str] = []
    return SessionWatch(Session(*answers), said.append), said  # type: ignore[arg-type]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_watch, "ASK_EVERY_S", 0.0)


async def test_each_state_is_told_once_and_none_is_gone_back_to() -> None:
    watch, said = watched()
    states = ["created", "active", "active", "created", "stopped"]
    await watch.hear(those(*map(lifecycle, states)))
    assert said == ["created", "active", "stopped"]
    await watch.reach("active")
    await watch.reach("stopped")


async def test_only_what_belongs_to_the_session_is_counted() -> None:
    watch, _ = watched()
    streams = [{"rtstream_id": "rts-1", "name": "mic"}]
    await watch.hear(
        those(
            {"channel": "transcript", "rtstream_id": "rts-1"},  # nobody knows yet whose it is
            lifecycle("active", rtstreams=streams),
            {"channel": "transcript", "rtstream_id": "rts-1"},
            {"channel": "transcript", "rtstream_id": "rts-9"},
            lifecycle("active", session="cap-2"),
        )
    )
    assert watch.counts == {"capture_session": 1, "transcript": 1}


async def test_a_failure_is_raised_with_what_the_event_says() -> None:
    watch, _ = watched()
    await watch.hear(those(lifecycle("failed", error={"code": "NO_DISK", "message": "of sk-secret"})))
    said = r'the session cap-1 failed: \{"code":"NO_DISK","message":"of \[secret\]"\}'
    with pytest.raises(SessionFailed, match=said):
        await watch.reach("stopped")


@pytest.mark.usefixtures("at_once")
async def test_while_no_event_comes_the_api_is_asked_however_it_answers() -> None:
    watch, said = watched(Unavailable("busy"), {"status": "created"}, {"status": "active", "x": 1})
    await watch.reach("active")
    assert said == ["created", "active"]
    assert watch.details["x"] == 1


@pytest.mark.usefixtures("at_once")
async def test_an_export_that_fails_is_not_the_session() -> None:
    watch, _ = watched({"status": "stopped", "export_status": "failed"})
    with pytest.raises(SessionFailed, match="the export of session cap-1 failed"):
        await watch.reach("exported")


async def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(session_watch.PATIENCE_S, "active", 0.0)
    watch, _ = watched()
    with pytest.raises(TimedOut, match="the session cap-1 is None, and not active after 0s"):
        await watch.reach("active")


async def test_whoever_else_may_end_it_is_asked_meanwhile() -> None:
    watch, _ = watched()

    def still() -> None:
        raise RecorderFailed("the recorder has ended", fix="start it again")

    with pytest.raises(RecorderFailed):
        await asyncio.wait_for(watch.reach("active", still), 10)
