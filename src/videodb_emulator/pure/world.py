"""The WebSocket side without its sockets: which URLs and connections are good, and what is sent on them.

The rules, each of which a client can rely on:

- a WebSocket URL carries an unguessable token, good for one handshake within a minute;
- every connection gets an id of its own, never given twice;
- the scripted session is bound to the connection that started it. When that one goes away, the rest of its events
  is dropped: delivery is at most once, and nothing is moved to another connection;
- one session plays at a time; the first connection made after its end starts it anew, with new ids.
"""

import base64
import secrets
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from videodb_emulator.pure.agenda import Agenda
from videodb_emulator.pure.ids import Entropy, secret
from videodb_emulator.pure.scenario import Scenario, Step
from videodb_emulator.pure.templates import EVENTS, Cast, TemplateError, fill, with_change

TOKEN_LIFETIME_S = 60.0  # longer than any handshake, shorter than a nap: a URL kept for later must fail

_CONNECTION_ID_BYTES = 11  # 16 characters ending in "=", the look of API Gateway's connection ids


@dataclass(slots=True)
class Performance:
    """One run of the scenario, bound to the connection that started it; `cues` are the steps to come."""

    name: str
    connection_id: str
    cast: Cast
    cues: deque[Step]
    sent: int = 0
    dropped: int = 0

    @property
    def over(self) -> bool:
        """Whether the last event was sent or dropped."""
        return not self.cues

    def drop(self) -> None:
        """Count an event as dropped that was counted as sent: the connection was gone after all."""
        self.sent -= 1
        self.dropped += 1


class Triggered(NamedTuple):
    """An event made on request, and the connections to send it to."""

    event: dict[str, Any]
    connection_ids: tuple[str, ...]


@dataclass(slots=True)
class World:
    """The connections of one account, and the scripted session that is played to them.

    `scenario` is None for a backend that says hello and nothing else.
    """

    agenda: Agenda
    scenario: Scenario | None = None
    entropy: Entropy = secrets.token_bytes
    performance: Performance | None = field(default=None, init=False)
    _cast: Cast = field(init=False)
    _tokens: dict[str, float] = field(default_factory=dict, init=False)
    _connection_ids: dict[str, None] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._cast = Cast(self.entropy)

    # -- WebSocket URLs

    def issue_token(self, now_s: float) -> str:
        """Return a new token for a WebSocket URL."""
        self._tokens = {token: issued_s for token, issued_s in self._tokens.items() if self._alive(issued_s, now_s)}
        token = secret(self.entropy)
        self._tokens[token] = now_s
        return token

    def redeem_token(self, token: str, now_s: float) -> bool:
        """Use a token up; return whether it was good."""
        issued_s = self._tokens.pop(token, None)
        return issued_s is not None and self._alive(issued_s, now_s)

    @staticmethod
    def _alive(issued_s: float, now_s: float) -> bool:
        return now_s - issued_s <= TOKEN_LIFETIME_S

    # -- connections

    @property
    def connection_ids(self) -> tuple[str, ...]:
        """The open connections, oldest first."""
        return tuple(self._connection_ids)

    def new_connection_id(self) -> str:
        """Return an id for a connection that is about to get its hello."""
        return base64.urlsafe_b64encode(self.entropy(_CONNECTION_ID_BYTES)).decode()

    def connected(self, connection_id: str, now_s: float) -> None:
        """Open the connection, whose hello is on its way; the scenario starts with it unless it is being played."""
        self._connection_ids[connection_id] = None
        if self.scenario is None or self.playing:
            return
        self._cast = Cast(self.entropy)
        self.performance = Performance(self.scenario.name, connection_id, self._cast, deque(self.scenario.steps))
        self._plan_step(self.performance, now_s)

    def disconnected(self, connection_id: str) -> int:
        """Close the connection; return how many events of a running session are lost now."""
        self._connection_ids.pop(connection_id, None)
        if self.performance is None or self.performance.connection_id != connection_id:
            return 0
        return len(self.performance.cues)

    # -- what is sent

    @property
    def playing(self) -> Performance | None:
        """The session that is being played; None between two."""
        return None if self.performance is None or self.performance.over else self.performance

    def _plan_step(self, performance: Performance, now_s: float) -> None:
        if performance.cues:
            self.agenda.after(performance.cues[0].after_s, now_s, lambda due_s: self._perform(performance, due_s))

    def _perform(self, performance: Performance, now_s: float) -> None:
        message = performance.cues.popleft().message
        if performance.connection_id in self._connection_ids:
            performance.sent += 1
            speed = self.agenda.speed
            filled = fill(message, performance.cast, now_s, speed) if isinstance(message, dict) else message
            self.agenda.send(performance.connection_id, filled, performance.drop)
        else:
            performance.dropped += 1
        self._plan_step(performance, now_s)

    def trigger(
        self, event: str, changes: Mapping[str, Any], now_s: float, connection_id: str | None = None
    ) -> Triggered:
        """Make one event of the table, with fields changed by dotted path.

        It goes to `connection_id`, or to every open connection if that is None; a closed one gets nothing. The ids
        are those of the session played last, so the event looks as if it belonged to it. Raises `TemplateError`.
        """
        if event not in EVENTS:
            raise TemplateError(f"unknown event {event!r}; known: {', '.join(EVENTS)}")
        made = fill(EVENTS[event], self._cast, now_s, self.agenda.speed)
        for path, value in changes.items():
            made = with_change(made, path, value)
        chosen = (open_id for open_id in self._connection_ids if connection_id in (None, open_id))
        return Triggered(made, tuple(chosen))
