"""The whole server: what owners can have it do, and what it then sends and stores by itself."""

from __future__ import annotations

import json
from typing import Any

from faults.simulation.api import Api
from faults.simulation.ledger import Json, Ledger, Manners, Pipeline, Result, Session, Stream
from faults.simulation.network import NAME, Network
from faults.simulation.realtime import PORT as REALTIME_PORT
from faults.simulation.realtime import Realtime
from faults.simulation.world import EPOCH

API_PORT = 8080
BASE_URL = f"http://{NAME}:{API_PORT}"

STRAGGLES_S = 54.0
"""The latest that a record was ever seen to come after its event."""


class Service:
    """The far side: REST and WebSocket over one ledger."""

    def __init__(self, network: Network, manners: Manners) -> None:
        self.world = network.world
        self.ledger = Ledger(manners)
        self.realtime = Realtime(self)
        self.api = Api(self)
        network.servers |= {API_PORT: self.api, REALTIME_PORT: self.realtime}

    # -- what owners do, in scripts of their own --

    def create_session(self, owner: str, bound: str) -> Session:
        """Create a session whose events go to the connection `bound`."""
        session = Session(self._id("cap"), owner, bound, self.world.now)
        self.ledger.sessions[session.id] = session
        self.enter(session, "created")
        return session

    def enter(self, session: Session, status: str, **data: Any) -> None:
        """Let a session enter a state, and send the event that says so."""
        session.status = status
        session.history.append((self.world.now, status))
        event: Json = {
            "channel": "capture_session",
            "event": f"capture_session.{status}",
            "capture_session_id": session.id,
            "status": status,
            "data": {"status": status, **data},
        }
        sent = self.realtime.send(session.bound, json.dumps(event).encode())
        self.world.note("server", f"session {session.id} {status}{'' if sent else ' (told nobody)'}")

    def activate(self, session: Session) -> None:
        """Let a session become active: its streams are there."""
        streams = [{"rtstream_id": one.id, "name": one.name, "media_types": [one.media]} for one in session.streams]
        self.enter(session, "active", rtstreams=streams)

    def export(self, session: Session) -> None:
        """Let the recording of a session be ready."""
        session.video, session.export_status = self._id("m"), "exported"
        self.enter(session, "exported", exported_video_id=session.video)

    def add_stream(self, owner: str, name: str, category: str, session: Session | None = None) -> Stream:
        """Add a stream, to a session unless that is None."""
        media = "video" if category == "screen" else "audio"
        stream = Stream(self._id("rts"), name, category, media, owner, self.world.now, session)
        self.ledger.streams[stream.id] = stream
        if session is not None:
            session.streams.append(stream)
        return stream

    def start_pipeline(self, stream: Stream, kind: str, name: str, bound: str | None) -> Pipeline:
        """Start a transcription, or an index, whose events go to the connection `bound`; None: to nobody."""
        index = None if kind == "transcript" else f"{self.world.dice.getrandbits(64):016x}"
        pipeline = Pipeline(stream, kind, index, name, [bound] if bound else [])
        stream.pipelines.append(pipeline)
        return pipeline

    def stop_pipeline(self, pipeline: Pipeline) -> None:
        """Stop a pipeline, as its owner may."""
        pipeline.status = "stopped"
        self.world.note("owner", f"{pipeline} was stopped")

    def rebind(self, pipeline: Pipeline, target: str | None) -> None:
        """Start a transcription anew, for the connection `target`: what that does is a matter of manners."""
        pipeline.status = "running"
        if target and self.ledger.manners.rebind == "allow":
            pipeline.bound = [target]
        elif target and self.ledger.manners.rebind == "duplicate":
            pipeline.bound.append(target)

    # -- what the server does by itself --

    def result(self, pipeline: Pipeline, start: float, end: float, text: str) -> Result:
        """Have a result that covers these times of the world: sent after a while, and stored after a while."""
        manners, dice, now = self.ledger.manners, self.world.dice, self.world.now
        lag_s = manners.live_lag_s if pipeline.index is None else manners.index_lag_s
        live_at = max(now, end + dice.uniform(*lag_s))
        stored_at = live_at + dice.uniform(*manners.record_lag_s)
        if dice.random() < manners.straggling:
            stored_at = live_at + dice.uniform(0, STRAGGLES_S)
        edited = pipeline.index is None and dice.random() < manners.edited
        stored = f"{text.capitalize()}." if edited else text
        result = Result(pipeline, self._said_at(start), self._said_at(end), text, stored, live_at, max(now, stored_at))
        pipeline.results.append(result)
        self.world.at(live_at, self._send, result)
        return result

    def interim(self, pipeline: Pipeline, start: float, end: float, text: str) -> None:
        """Send an interim transcript: it is never stored."""
        times = (self._said_at(start), self._said_at(end))
        self._deliver(pipeline, self._event(pipeline, *times, text, is_final=False), None)

    def _send(self, result: Result) -> None:
        pipeline = result.pipeline
        final = {"is_final": True} if pipeline.index is None else {}
        self._deliver(pipeline, self._event(pipeline, result.start, result.end, result.text, **final), result)

    def _deliver(self, pipeline: Pipeline, payload: bytes, result: Result | None) -> None:
        for connection in pipeline.bound:
            self.realtime.send(connection, payload, result)

    def _event(self, pipeline: Pipeline, start: float, end: float, text: str, **more: Any) -> bytes:
        unit = self.ledger.manners.unit
        seconds = unit == "s" or (unit == "mixed" and pipeline.index is None)
        times = {"start": start, "end": end} if seconds else {"start": round(start * 1000), "end": round(end * 1000)}
        event: Json = {
            "channel": pipeline.kind,
            "rtstream_id": pipeline.stream.id,
            "rtstream_name": pipeline.stream.name,
            "data": {"text": text, **more, **times},
        }
        return json.dumps(event).encode()

    def _id(self, prefix: str) -> str:
        return f"{prefix}-{self.world.dice.getrandbits(48):012x}"

    def _said_at(self, at: float) -> float:
        """A time of the world as the server says it: unix seconds, to the millisecond."""
        return round(EPOCH + at + self.ledger.manners.stream_skew_s, 3)
