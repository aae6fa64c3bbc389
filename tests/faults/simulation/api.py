"""The server's REST side: a table of routes over the ledger, and all the ways in which it can fail.

Routes, fields and their oddities are those that are known of the service; what a request changes is written down.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from faults.simulation.ledger import Json, Ledger, Pipeline, Request, Result, Session, Start, Stream
from faults.simulation.network import Acceptor, End
from faults.simulation.world import EPOCH, World

if TYPE_CHECKING:
    from faults.simulation.service import Service

LOST = "answer lost"
"""The one way to fail in which the request has been done."""

FAILURES = ("refused", "reset", "timeout", LOST, "429", "500", "502", "page", "success: false", "half")
"""The ways in which a request can fail and pass; see `Api._fail`."""

IDLE_S = 60.0
"""How long a connection that nobody uses is kept."""


class Problem(Exception):
    """An answer other than 2xx."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Trouble:
    """REST that fails at a `rate` of 0 to 1, in these ways; `happened` is told of each failure.

    At the latest it fails when twice as many requests have come well as are due.
    """

    rate: float
    happened: Callable[[str], None]
    ways: tuple[str, ...] = FAILURES
    well: int = 0  # requests since the last failure


@dataclass
class Call:
    """One request as the routes see it. `changes` is set by those that change something."""

    owner: str
    query: dict[str, str]
    body: Json
    changes: Start | str | None = None

    def number(self, name: str, default: float) -> float:
        """A number of the query; absent, empty or not a number: the default."""
        try:
            return float(self.query[name])
        except (KeyError, ValueError):
            return default


@dataclass
class _Head:
    method: str
    path: str
    headers: dict[str, str]


@dataclass
class _Reading:
    """What one connection has sent so far."""

    machine: str
    end: End
    data: bytearray = field(default_factory=bytearray)
    head: _Head | None = None
    used_at: float = 0.0


Handler = Callable[..., Json]


class Api(Acceptor):
    """HTTP/1.1 over the ledger of `service`."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.world: World = service.world
        self.ledger: Ledger = service.ledger
        self.trouble: Trouble | None = None
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = [
            (method, re.compile(pattern.replace("{}", "([^/]+)") + "/?$"), handler)
            for method, pattern, handler in self._table()
        ]

    def _table(self) -> list[tuple[str, str, Handler]]:
        return [
            ("GET", "/collection/{}", self._collection),
            ("GET", "/collection/{}/websocket", self._websocket),
            ("GET", "/collection/{}/capture/session/{}", self._session),
            ("GET", "/rtstream", self._streams),
            ("GET", "/rtstream/{}", self._stream),
            ("GET", "/rtstream/{}/transcription/status", self._transcription_status),
            ("GET", "/rtstream/{}/transcription", self._transcription),
            ("POST", "/rtstream/{}/transcription", self._transcription_action),
            ("GET", "/rtstream/{}/index/scene", self._indexes),
            ("GET", "/rtstream/{}/index/scene/{}", self._index_records),
            ("GET", "/video/{}", self._video),
        ]

    # -- HTTP --

    def accept(self, end: End) -> bool:
        """Take a connection, unless REST fails and refuses it."""
        machine = end.wire.link.name
        if self._fails() == "refused":
            self._note(machine, _Head("connect", "", {}), 0, None)
            return False
        reading = _Reading(machine, end)
        end.on_data = lambda data: self._read(reading, data)
        return True

    def _read(self, reading: _Reading, data: bytes) -> None:
        reading.data += data
        reading.used_at = self.world.now
        self.world.after(IDLE_S, self._close_if_idle, reading)
        while reading.head is not None or b"\r\n\r\n" in reading.data:
            if reading.head is None:
                said, _, rest = bytes(reading.data).partition(b"\r\n\r\n")
                reading.head, reading.data = _parsed(said), bytearray(rest)
            length = int(reading.head.headers.get("content-length", "0"))
            if len(reading.data) < length:
                return
            body, head = bytes(reading.data[:length]), reading.head
            del reading.data[:length]
            reading.head = None
            self._answer(reading, head, body)

    def _close_if_idle(self, reading: _Reading) -> None:
        if self.world.now - reading.used_at >= IDLE_S:
            reading.end.close()

    def _answer(self, reading: _Reading, head: _Head, body: bytes) -> None:
        way = self._fails(but="refused")
        if way is not None and way != LOST:
            self._note(reading.machine, head, 0, None)
            self._fail(way, reading.end)
            return
        call = Call(self._owner(head), dict(parse_qsl(urlsplit(head.path).query)), _json(body))
        try:
            data = self._route(head, reading.machine)(call)
            status, answer = 200, {"success": True, "data": data}
        except Problem as exc:
            status, answer = exc.status, {"success": False, "message": str(exc)}
        if head.method != "GET" and call.changes is None:
            call.changes = f"{head.method} {head.path}"
        self._note(reading.machine, head, 0 if way == LOST else status, call.changes)
        if way == LOST:
            reading.end.reset()
        else:
            self._send(reading.end, status, json.dumps(answer).encode())

    def _route(self, head: _Head, machine: str) -> Callable[[Call], Json]:
        path = urlsplit(head.path).path
        for method, pattern, handler in self._routes:
            if method == head.method and (found := pattern.match(path)):
                parts = [unquote(part) for part in found.groups()]
                if handler == self._websocket:
                    return lambda call: handler(call, machine)
                return lambda call: handler(call, *parts)
        raise Problem(404, f"no route {head.method} {path}")

    def _owner(self, head: _Head) -> str:
        return self.ledger.keys.get(head.headers.get("x-access-token", ""), "")

    def _note(self, machine: str, head: _Head, status: int, changes: Start | str | None) -> None:
        self.ledger.requests.append(Request(self.world.now, machine, head.method, head.path, status, changes))
        if changes is not None:
            self.world.note("server", f"{machine} asks for {changes}: {status}")

    def _send(self, end: End, status: int, body: bytes, *, kind: str = "application/json", extra: str = "") -> None:
        date = format_datetime(datetime.fromtimestamp(self.world.unix(), UTC), usegmt=True)
        head = f"HTTP/1.1 {status} Said\r\nDate: {date}\r\nContent-Type: {kind}\r\n{extra}"
        end.send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    # -- failing --

    def _fails(self, but: str | None = None) -> str | None:
        """In which way to fail now, None: not at all. `refused` is for connections, all others for requests."""
        trouble = self.trouble
        if trouble is None:
            return None
        ways = [way for way in trouble.ways if (way == "refused") == (but is None)]
        share = trouble.rate * len(ways) / len(trouble.ways)
        trouble.well += 1
        if not ways or (self.world.dice.random() >= share and trouble.well * trouble.rate < 2):
            return None
        trouble.well = 0
        way = self.world.dice.choice(ways)
        trouble.happened(f"REST: {way}")
        return way

    def _fail(self, way: str, end: End) -> None:
        if way == "reset":
            end.reset()
        elif way == "429":
            self._send(end, 429, b'{"success":false,"message":"too many"}', extra="Retry-After: 3\r\n")
        elif way in ("401", "403", "500"):
            self._send(end, int(way), b'{"success":false,"message":"trouble"}')
        elif way == "502":
            self._send(end, 502, b"<html><h1>502 Bad Gateway</h1></html>", kind="text/html")
        elif way == "page":
            self._send(end, 200, b"<html>please log in</html>", kind="text/html")
        elif way == "success: false":
            self._send(end, 200, b'{"success":false,"message":"not today"}')
        elif way == "half":
            end.send(b'HTTP/1.1 200 Said\r\nContent-Length: 900\r\n\r\n{"success":true,"da')
            end.close()
        # `timeout`: nothing is ever said

    # -- routes --

    def _collection(self, call: Call, collection: str) -> Json:
        self._known(call)
        return {"id": f"c-{call.owner}", "name": collection, "description": "", "is_public": False}

    def _websocket(self, call: Call, machine: str) -> Json:
        self._known(call)
        return {"websocket_url": self.service.realtime.new_url(machine, call.owner)}

    def _session(self, call: Call, _collection: str, session_id: str) -> Json:
        self._known(call)
        session = self.ledger.sessions.get(session_id)
        if session is None or session.owner != call.owner:
            raise Problem(404, f"no session {session_id}")
        return self._described(session)

    def _described(self, session: Session) -> Json:
        began = session.status not in ("created", "starting")
        return {
            "session_id": session.id,
            "status": "stopped" if session.status == "exported" else session.status,
            "collection_id": f"c-{session.owner}",
            "end_user_id": "user-1",
            "ws_connection_id": session.bound,
            "created_at": self._iso(session.created),
            "channels": [],
            "rtstreams": [self._in_session(stream) for stream in session.streams] if began else [],
            "export_status": session.export_status,
            **({"exported_video_id": session.video} if session.video else {}),
        }

    @staticmethod
    def _in_session(stream: Stream) -> Json:
        return {
            "rtstream_id": stream.id,
            "name": stream.name,
            "channel_id": stream.category,
            "status": stream.status,
            "media_types": [stream.media],
        }

    def _streams(self, call: Call) -> Json:
        self._known(call)
        shown = [
            stream
            for stream in sorted(self.ledger.streams.values(), key=lambda stream: stream.created)
            if (stream.owner == call.owner or self.ledger.manners.lists_others)
            and call.query.get("status", stream.status) == stream.status
            and call.query.get("name", "") in stream.name
        ]
        if call.query.get("ordering", "-created_at").startswith("-"):
            shown.reverse()
        offset, limit = int(call.number("offset", 0)), int(call.number("limit", 10))
        page = shown[offset : offset + limit]
        more = offset + limit < len(shown)
        return {"results": [*map(self._shown, page)], "count": len(shown), "next": more or None, "previous": None}

    def _stream(self, call: Call, stream_id: str) -> Json:
        return self._shown(self._visible(call, stream_id))

    def _shown(self, stream: Stream) -> Json:
        return {
            "id": stream.id,
            "name": stream.name,
            "status": stream.status,
            "media_types": [stream.media],
            "created_at": self._iso(stream.created),
        }

    def _transcription_status(self, call: Call, stream_id: str) -> Json:
        self._visible(call, stream_id)
        pipeline = self.ledger.pipeline(stream_id, None)
        if pipeline is None:
            return {"status": "not_configured"}
        return {"status": pipeline.status, "engine": pipeline.engine, "language": "en"}

    def _transcription(self, call: Call, stream_id: str) -> Json:
        self._visible(call, stream_id)
        pipeline = self.ledger.pipeline(stream_id, None)
        records, more, total, page = self._page(call, pipeline, 1000)
        described = [{"start": one.start, "end": one.end, "text": one.stored_text} for one in records]
        return {"transcription_records": described, "next_page": more, "total_count": total, "page": page}

    def _transcription_action(self, call: Call, stream_id: str) -> Json:
        self._visible(call, stream_id)
        pipeline = self.ledger.pipeline(stream_id, None)
        if pipeline is None or call.body.get("action") != "start":
            raise Problem(400, "the simulation has no such action")
        engine, target = call.body.get("engine"), call.body.get("ws_connection_id")
        rebind = self.ledger.manners.rebind
        accepted = rebind != "reject" or pipeline.status != "running"
        call.changes = Start(pipeline, engine, target, pipeline.status, tuple(pipeline.bound), accepted)
        if not accepted:
            raise Problem(400, "the transcription is running already")
        self.service.rebind(pipeline, target)
        return {"status": "running", "engine": pipeline.engine}

    def _indexes(self, call: Call, stream_id: str) -> Json:
        indexes = [one for one in self._visible(call, stream_id).pipelines if one.index is not None]
        return {"scene_indexes": [*map(self._index, indexes)]}

    @staticmethod
    def _index(pipeline: Pipeline) -> Json:
        return {
            "rtstream_index_id": pipeline.index,
            "extraction_type": "transcript" if pipeline.kind == "audio_index" else "time",
            "status": pipeline.status,
            "prompt": "describe",
            "name": pipeline.name,
        }

    def _index_records(self, call: Call, stream_id: str, index_id: str) -> Json:
        self._visible(call, stream_id)
        pipeline = self.ledger.pipeline(stream_id, index_id)
        if pipeline is None:
            raise Problem(404, f"no index {index_id}")
        records, more, _, _ = self._page(call, pipeline, 100)
        described = [{"start": one.start, "end": one.end, "description": one.stored_text} for one in records]
        return {"scene_index_records": described, "next_page": more}

    def _video(self, call: Call, video_id: str) -> Json:
        self._known(call)
        urls = dict.fromkeys(("stream_url", "player_url", "thumbnail_url"), f"https://stream.invalid/{video_id}")
        return {"id": video_id, "collection_id": f"c-{call.owner}", "name": "recording", "length": 60.0, **urls}

    # -- helpers of routes --

    def _known(self, call: Call) -> None:
        if not call.owner:
            raise Problem(401, "the key is not known")

    def _visible(self, call: Call, stream_id: str) -> Stream:
        self._known(call)
        stream = self.ledger.streams.get(stream_id)
        if stream is None or (stream.owner != call.owner and not self.ledger.manners.lists_others):
            raise Problem(404, f"no stream {stream_id}")
        return stream

    def _page(self, call: Call, pipeline: Pipeline | None, most: int) -> tuple[list[Result], bool, int, int]:
        """The records of the page that is asked for, whether there is another, how many there are, and its number."""
        manners = self.ledger.manners
        stored = [one for one in (pipeline.results if pipeline else ()) if one.stored_at <= self.world.now]
        start, end = call.number("start", 0), call.number("end", 0)
        if start and end:
            stored = [one for one in stored if _within(one, start, end, manners.range_means)]
        stored.sort(key=lambda one: one.start, reverse=manners.newest_first)
        size = max(1, min(int(call.number("page_size", 100)), most, manners.page_cap))
        page = max(1, int(call.number("page", 1)))
        shown = stored[(page - 1) * size : page * size]
        return shown, page * size < len(stored), len(stored), page

    @staticmethod
    def _iso(at: float) -> str:
        return datetime.fromtimestamp(EPOCH + at, UTC).replace(tzinfo=None).isoformat()


def _within(one: Result, start: float, end: float, means: str) -> bool:
    if means == "overlap":
        return one.start <= end and one.end >= start
    return start <= (one.start if means == "start" else one.end) <= end


def _parsed(head: bytes) -> _Head:
    request, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = request.split(" ")
    pairs = (line.partition(":") for line in lines)
    return _Head(method, path, {name.lower(): value.strip() for name, _, value in pairs})


def _json(body: bytes) -> Json:
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
