"""What is made of the streams while they are recorded, and what follows the listener to another connection."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from videodb_listen.api.blocking import blocking
from videodb_listen.api.http import Api
from videodb_listen.capturing.pipelines import Pipelines, Wanted
from videodb_listen.errors import Unavailable
from videodb_listen.settings import Account

NOWHERE = Api(Account("http://127.0.0.1:1", "sk"))


@dataclass
class Stream:
    """A stream that notes what it is asked for; `broken` ones refuse."""

    type: str
    broken: bool = False
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    api = NOWHERE

    @property
    def name(self) -> str:
        return self.type

    @blocking
    async def start_transcript(self, ws_connection_id: str | None) -> dict[str, Any]:
        self._note("transcript", ws_connection_id)
        return {}

    @blocking
    async def index_visuals(self, prompt: str, ws_connection_id: str | None) -> Stream:
        self._note(prompt, ws_connection_id)
        return self

    @blocking
    async def create_alert(self, event_id: str, ws_connection_id: str | None) -> str:
        self._note(event_id, ws_connection_id)
        return "alert-1"

    def _note(self, what: str, ws_id: str | None) -> None:
        if self.broken:
            raise Unavailable("the API answered 402", fix="top up")
        self.asked.append((what, ws_id))


class Events:
    api = NOWHERE

    @blocking
    async def create_event(self, prompt: str, label: str) -> str:
        return f"event-{label}"


def pipelines(said: list[str], **wanted: Any) -> Pipelines:
    wishes = Wanted(**{"transcribe": False, "describe": None, "alerts": (), **wanted})
    return Pipelines(wishes, Events(), said.append)  # type: ignore[arg-type]


async def test_each_stream_gets_what_is_meant_for_it() -> None:
    said, mic, screen = list[str](), Stream("mic"), Stream("display")
    await pipelines(said, transcribe=True, describe="what", alerts=(("x", "an x"),)).start([mic, screen], "a=")  # type: ignore[list-item]
    assert mic.asked == [("transcript", "a=")]
    assert screen.asked == [("what", "a="), ("event-x", "a=")]
    assert said == []


async def test_an_alert_alone_has_the_screen_described_by_its_prompt() -> None:
    screen = Stream("display")
    await pipelines([], alerts=(("x", "an x"), ("y", "a y"))).start([screen], None)  # type: ignore[list-item]
    assert screen.asked[0] == ("an x\na y", None)


async def test_one_that_fails_is_said_and_the_others_go_on() -> None:
    said, broken, mic = list[str](), Stream("mic", broken=True), Stream("system_audio")
    await pipelines(said, transcribe=True).start([broken, mic], "a=")  # type: ignore[list-item]
    assert said == ["transcribing mic failed: the API answered 402; top up"]
    assert mic.asked == [("transcript", "a=")]


@pytest.mark.parametrize(
    ("wish", "line"),
    [
        ({"transcribe": True}, "there is nothing to transcribe in this session"),
        ({"describe": "what"}, "there is nothing to describe in this session"),
    ],
)
async def test_a_wish_without_a_stream_is_said(wish: dict[str, Any], line: str) -> None:
    said: list[str] = []
    await pipelines(said, **wish).start([], "a=")
    assert said == [line]


async def test_transcripts_follow_to_another_connection_once() -> None:
    said, mic, screen = list[str](), Stream("mic"), Stream("display")
    running = pipelines(said, transcribe=True, describe="what")
    await running.start([mic, screen], "a=")  # type: ignore[list-item]
    for ws_id in ("a=", None, None, "b=", "b="):
        await running.follow(ws_id)
    assert mic.asked == [("transcript", "a="), ("transcript", "b=")]
    assert screen.asked == [("what", "a=")]
    assert [line.split(":")[0] for line in said] == [
        "the listener is not connected",
        "the listener is connected as b= now",
        "descriptions and alerts cannot be moved to it",
    ]
