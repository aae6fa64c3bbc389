"""One account: everything that REST knows, over one agenda. Pure: the time comes in as an argument (unix seconds)."""

import secrets
from dataclasses import asdict
from typing import Any

from videodb_emulator.pure.agenda import Agenda
from videodb_emulator.pure.dialect import Dialect
from videodb_emulator.pure.fields import Fields, Refusal
from videodb_emulator.pure.ids import Entropy, new_id
from videodb_emulator.pure.indexes import Alert, Event, SceneIndex
from videodb_emulator.pure.library import Library
from videodb_emulator.pure.sessions import Sessions
from videodb_emulator.pure.streams import Streams

DAY_S = 86_400  # the lifetime of a client token that the SDK asks for
_LONGEST_S = 365 * DAY_S


class Account:
    """Its library, streams and sessions, and what belongs to none of them: client tokens, and events to look for."""

    def __init__(
        self, agenda: Agenda, dialect: Dialect | None = None, *, entropy: Entropy = secrets.token_bytes
    ) -> None:
        dialect = dialect or Dialect()
        self.agenda = agenda
        self.library = Library(entropy)
        self.streams = Streams(self.agenda, dialect, self.library, entropy)
        self.sessions = Sessions(self.agenda, dialect, self.streams, self.library, entropy)
        self._entropy = entropy
        self._events: dict[str, Event] = {}
        self._tokens: dict[str, float] = {}

    def accepts(self, key: str, now_s: float) -> bool:
        """Return whether a key opens the account: a client token that is valid, or any other text but an empty one."""
        if key.startswith("st-"):
            return now_s < self._tokens.get(key, now_s)
        return bool(key)

    def issue_token(self, request: Fields, now_s: float) -> dict[str, Any]:
        """Return a client token; raise `Refusal` 400 for a lifetime that is none."""
        expires_in_s = request.whole("expires_in", default=DAY_S, low=1, high=_LONGEST_S)
        token = new_id("client token", self._entropy)
        self._tokens[token] = now_s + expires_in_s
        return {"token": token, "expires_at": int(now_s) + expires_in_s, "expires_in": expires_in_s}

    def create_event(self, request: Fields) -> dict[str, str]:
        """Take note of an event that alerts may look for."""
        event = Event(new_id("event", self._entropy), request.text("event_prompt"), request.text("label"))
        self._events[event.event_id] = event
        return {"event_id": event.event_id}

    def events(self) -> dict[str, Any]:
        """Return the body of a listing of events, oldest first."""
        return {"events": [asdict(event) for event in self._events.values()]}

    def create_alert(self, index: SceneIndex, request: Fields) -> dict[str, str]:
        """Look for an event in an index; raise `Refusal` 404 if it is unknown."""
        event_id = request.text("event_id")
        if event_id not in self._events:
            raise Refusal(404, f"event {event_id} not found")
        alert = Alert(
            new_id("alert", self._entropy),
            self._events[event_id],
            request.optional_text("callback_url") or "",
            request.optional_text("ws_connection_id"),
        )
        index.alerts[alert.alert_id] = alert
        return {"alert_id": alert.alert_id}
