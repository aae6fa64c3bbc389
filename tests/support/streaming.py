"""A stream of the emulator without its server: the test is its clock."""

from __future__ import annotations

from typing import Any

from videodb_emulator.pure.account import Account
from videodb_emulator.pure.agenda import Agenda
from videodb_emulator.pure.dialect import Dialect
from videodb_emulator.pure.fields import Fields
from videodb_emulator.pure.indexes import SceneIndex


class Stream:
    """A connected stream, and what anyone hears of it."""

    def __init__(self, speed: float = 1.0, **dialect: Any) -> None:
        self.account = Account(Agenda(speed), Dialect(**dialect))
        self.stream = self.account.streams.open("mic:default", ["audio"], 0.0, store=True, channel_id="mic")
        self.transcription = self.stream.transcription

    def transcribe(self, now_s: float, connection_id: str | None = "ours") -> dict[str, Any]:
        return self.transcription.start(Fields({"ws_connection_id": connection_id}), now_s)

    def index(self, now_s: float, **fields: Any) -> SceneIndex:
        body = self.account.streams.create_index(self.stream, Fields({"ws_connection_id": "ours", **fields}), now_s)
        return self.stream.index(body["rtstream_index_id"])

    def alert(self, index_id: str, connection_id: str) -> str:
        event = self.account.create_event(Fields({"event_prompt": "look", "label": "secret"}))
        fields = Fields({**event, "callback_url": "", "ws_connection_id": connection_id})
        return self.account.create_alert(self.stream.index(index_id), fields)["alert_id"]

    def heard(self, now_s: float) -> list[tuple[str, dict[str, Any]]]:
        sent = self.account.agenda.advance(now_s)
        return [(one.connection_id, one.message) for one in sent if isinstance(one.message, dict)]
