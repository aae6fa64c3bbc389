"""The WebSocket side without its sockets: which URLs and connections are good, what is said on them, and when.

No asyncio, no clock, no I/O: the time comes in as an argument (unix seconds, never going back) and the frames to
send come out. The rules, each of which a client can rely on:

- a WebSocket URL carries an unguessable token, good for one handshake within a minute;
- every connection gets an id of its own, never given twice;
- the scripted session is bound to the connection that started it. When that one goes away, the rest of its events
  is dropped: delivery is at most once, and nothing is moved to another connection;
- one session plays at a time; the first connection made after its end starts it anew, with new ids.
"""

import base64
import json
import secrets
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, NamedTuple

from videodb_emulator.pure.ids import Entropy, secret
from videodb_emulator.pure.scenario import Message, Scenario
from videodb_emulator.pure.templates import EVENTS, Cast, TemplateError, fill, with_change

TOKEN_LIFETIME_S = 60.0  # longer than any handshake, shorter than a nap: a URL kept for later must fail

_CONNECTION_ID_BYTES = 11  # 16 characters ending in "=", the look of API Gateway's connection ids


class Cue(NamedTuple):
    """A message and when it is due (unix seconds)."""

    due_s: float
    message: Message


@dataclass(slots=True)
class Performance:
    """One run of the scenario, bound to the connection that started it."""

    name: str
    connection_id: str
    cast: Cast
    cues: deque[Cue]
    sent: int = 0
    dropped: int = 0

    @property
    def over(self) -> bool:
        """Whether the last event was sent or dropped."""
        return not self.cues


class Delivery(NamedTuple):
    """A frame to send now: text if str, binary if bytes."""

    performance: Performance
    frame: str | bytes

    def failed(self) -> None:
        """Take note that the connection was gone after all."""
        self.performance.sent -= 1
        self.performance.dropped += 1


class Triggered(NamedTuple):
    """A frame made on request, and the connections to send it to."""

    frame: str
    connection_ids: tuple[str, ...]


@dataclass(slots=True)
class World:
    """The connections of one account, and the scripted session that is played to them.

    `scenario` is None for a backend that says hello and nothing else; `speed` divides every delay and is positive.
    """

    scenario: Scenario | None = None
    speed: float = 1.0
    entropy: Entropy = secrets.token_bytes
    performance: Performance | None = field(default=None, init=False)
    _cast: Cast = field(init=False)
    _tokens: dict[str, float] = field(default_factory=dict, init=False)
    _connection_ids: dict[str, None] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        if not self.speed > 0:
            raise ValueError(f"speed is {self.speed}, it must be positive")
        self._cast = Cast(self.entropy)

    # -- WebSocket URLs

    def issue_token(self, now_s: float) -> str:
        """Return a new token for a WebSocket URL."""
        self._tokens = {token: issued_s for token, issued_s in self._tokens.items() if self._alive(issued_s, now_s)}
        token = secret(self.entropy)
        self._tokens[token] = now_s
        return token

    def redeem_token(self, token: str, now_s: float) -> bool:
        """Use a token up; tell whether it was good."""
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

    def connected(self, connection_id: str, now_s: float) -> bool:
        """Open the connection, whose hello is on its way; tell whether the scenario starts with it."""
        self._connection_ids[connection_id] = None
        if self.scenario is None or (self.performance is not None and not self.performance.over):
            return False
        self._cast = Cast(self.entropy)
        due_s = accumulate((step.after_s / self.speed for step in self.scenario.steps), initial=now_s)
        next(due_s)  # the start itself
        cues = deque(Cue(at_s, step.message) for at_s, step in zip(due_s, self.scenario.steps, strict=True))
        self.performance = Performance(self.scenario.name, connection_id, self._cast, cues)
        return True

    def disconnected(self, connection_id: str) -> int:
        """Close the connection; return how many events of a running session nobody will hear now."""
        self._connection_ids.pop(connection_id, None)
        if self.performance is None or self.performance.connection_id != connection_id:
            return 0
        return len(self.performance.cues)

    # -- what is said

    def next_due_s(self) -> float | None:
        """Return when the next event is due (unix seconds); None while no session plays."""
        if self.performance is None or self.performance.over:
            return None
        return self.performance.cues[0].due_s

    def advance(self, now_s: float) -> list[Delivery]:
        """Take every event that is due; return those whose connection is there, in order."""
        performance = self.performance
        deliveries: list[Delivery] = []
        while performance is not None and performance.cues and performance.cues[0].due_s <= now_s:
            message = performance.cues.popleft().message
            if performance.connection_id in self._connection_ids:
                performance.sent += 1
                deliveries.append(Delivery(performance, _frame(message, performance.cast, now_s)))
            else:
                performance.dropped += 1
        return deliveries

    def trigger(
        self, event: str, changes: Mapping[str, Any], now_s: float, connection_id: str | None = None
    ) -> Triggered:
        """Make one event of the table, with fields changed by dotted path.

        It goes to `connection_id`, or to every open connection if that is None; a closed one gets nothing. The ids
        are those of the session played last, so the event looks as if it belonged to it. Raises `TemplateError`.
        """
        if event not in EVENTS:
            raise TemplateError(f"unknown event {event!r}; known: {', '.join(EVENTS)}")
        frame = fill(EVENTS[event], self._cast, now_s)
        for path, value in changes.items():
            frame = with_change(frame, path, value)
        chosen = (open_id for open_id in self._connection_ids if connection_id in (None, open_id))
        return Triggered(encode(frame), tuple(chosen))


def _frame(message: Message, cast: Cast, now_s: float) -> str | bytes:
    return encode(fill(message, cast, now_s)) if isinstance(message, dict) else message


def encode(frame: dict[str, Any]) -> str:
    """Return an event as the text of its frame."""
    text = json.dumps(frame, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(frame)  # half of a surrogate pair travels only as an escape
    return text
