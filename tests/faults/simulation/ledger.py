"""What the server knows: accounts, sessions, streams, pipelines, results, and what became of each result's event.

This is the truth that the oracle judges by. It shares no code with the product or its emulator.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Manners:
    """How the server behaves where the documentation leaves it open. Times are seconds; a pair is least and most."""

    rebind: str = "ignore"
    """What a second start of a transcription does to its binding: `allow` moves it, `ignore` does not, `reject` is
    refused, `duplicate` adds one."""
    unit: str = "ms"  # of live times: `ms`, `s`, or `mixed`: transcripts in seconds, indexes in milliseconds
    stream_skew_s: float = 0.0  # by how much the clock that streams are timed by is wrong
    live_lag_s: tuple[float, float] = (1.0, 2.0)  # from the end of an utterance to its event
    index_lag_s: tuple[float, float] = (2.0, 5.0)  # from the end of a window to its event
    record_lag_s: tuple[float, float] = (-1.0, 3.0)  # from the event to the record; negative: the record comes first
    straggling: float = 0.02  # share of records that come up to 54 s late
    edited: float = 0.0  # share of transcripts whose text differs between event and record
    newest_first: bool = True
    page_cap: int = 1000  # records a page at most, whatever is asked for
    range_means: str = "overlap"  # what `start` and `end` select by: a record's `start`, its `end`, or `overlap`
    lists_others: bool = True  # whether the list of streams shows those of other owners
    hello_s: tuple[float, float] = (0.05, 0.4)  # from the upgrade to the connection id
    interim: int = 1  # interim transcripts before a final one, at most


@dataclass
class Frame:
    """One event on its way over one connection. `read_at`: when the listener read it, None while or if it did not."""

    connection: str
    sent_at: float
    payload: bytes
    result: Result | None = None  # None: nothing that is stored
    read_at: float | None = None


@dataclass(eq=False)
class Result:
    """A final result. `start` and `end` are unix seconds in the time of its stream; the others are the world's time."""

    pipeline: Pipeline
    start: float
    end: float
    text: str
    stored_text: str
    live_at: float
    stored_at: float
    frames: list[Frame] = field(default_factory=list)

    @property
    def was_read(self) -> bool:
        """Whether a listener has read its event."""
        return any(frame.read_at is not None for frame in self.frames)

    def __str__(self) -> str:
        return f"{self.pipeline} {self.start:.3f}..{self.end:.3f} {self.text!r}"


@dataclass(eq=False)
class Pipeline:
    """A transcription (`index` is None) or an index of one stream. `bound` are the connections that get its events."""

    stream: Stream
    kind: str
    index: str | None
    name: str
    bound: list[str]
    engine: str = "default"
    status: str = "running"
    results: list[Result] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.stream.name} ({self.kind if self.index is None else f'{self.kind} {self.name}'})"


@dataclass(eq=False)
class Stream:
    """A live stream. `created` is the world's time."""

    id: str
    name: str
    category: str
    media: str
    owner: str
    created: float
    session: Session | None = None
    status: str = "connected"
    pipelines: list[Pipeline] = field(default_factory=list)


@dataclass(eq=False)
class Session:
    """A capture session. `bound` gets its events; `history` says when each state began, in the world's time."""

    id: str
    owner: str
    bound: str
    created: float
    status: str = "created"
    streams: list[Stream] = field(default_factory=list)
    history: list[tuple[float, str]] = field(default_factory=list)
    export_status: str = "pending"
    video: str | None = None


@dataclass(eq=False)
class Connection:
    """A WebSocket of one listener: `id` is its connection id. `ended` is None while the server has it."""

    id: str
    machine: str
    owner: str
    opened: float
    greeted: float | None = None  # when the listener read its id; None: it did not
    ended: float | None = None
    broken: float | None = None  # since when nothing passes, though the server does not know; None: it does pass
    frames: list[Frame] = field(default_factory=list)


@dataclass(frozen=True)
class Start:
    """A start of a transcription that somebody asked for: what was so before, and what came of it."""

    pipeline: Pipeline
    engine: str | None  # that was asked for; None: none was named
    target: str | None  # the connection that was to get its events; None: none was named
    was: str  # the status of the transcription
    bound: tuple[str, ...]
    accepted: bool

    def __str__(self) -> str:
        return f"a start of {self.pipeline}, which was {self.was}, for {self.target}"


@dataclass(frozen=True)
class Request:
    """A request. `status` 0: it got no answer. `changes` says what it tried to change on the server; None: nothing."""

    at: float
    machine: str
    method: str
    path: str
    status: int
    changes: Start | str | None = None


class Ledger:
    """Everything that has happened on the server."""

    def __init__(self, manners: Manners) -> None:
        self.manners = manners
        self.keys: dict[str, str] = {}  # of each API key, its owner
        self.connections: dict[str, Connection] = {}
        self.sessions: dict[str, Session] = {}
        self.streams: dict[str, Stream] = {}
        self.requests: list[Request] = []

    @property
    def pipelines(self) -> list[Pipeline]:
        """Every pipeline there is."""
        return [pipeline for stream in self.streams.values() for pipeline in stream.pipelines]

    def pipeline(self, stream: str, index: str | None) -> Pipeline | None:
        """The transcription, or the index of this id, of a stream; None when there is none."""
        known = self.streams[stream].pipelines if stream in self.streams else []
        return next((one for one in known if one.index == index), None)

    def live(self, machine: str) -> Connection | None:
        """The newest connection of a machine; None when that is none any more, or carries nothing."""
        newest = next((one for one in reversed(self.connections.values()) if one.machine == machine), None)
        return newest if newest and newest.ended is None and newest.broken is None else None

    def changes(self, machine: str) -> list[Request]:
        """The requests by which a machine has changed the server, or tried to."""
        return [request for request in self.requests if request.machine == machine and request.changes is not None]
