"""RTStreams: connected or stopped, listed, exported, each with its transcription and its indexes."""

from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from videodb_emulator.pure.agenda import Agenda
from videodb_emulator.pure.dialect import Dialect
from videodb_emulator.pure.fields import Fields, Refusal
from videodb_emulator.pure.ids import Entropy, iso, new_id
from videodb_emulator.pure.indexes import SceneIndex, index_of
from videodb_emulator.pure.library import Library, urls
from videodb_emulator.pure.pipeline import Source
from videodb_emulator.pure.transcription import Transcription

MEDIA_TYPES = ("audio", "video")
ACTIONS = ("start", "stop")

_SORT_KEYS = {"created_at": attrgetter("created_s"), "name": attrgetter("name")}
_ORDERINGS = (*_SORT_KEYS, *(f"-{name}" for name in _SORT_KEYS))

_MANY = 10**9


@dataclass(slots=True)
class RTStream:
    """One stream. `channel_id` is the category of a session's channel, None for a stream from elsewhere."""

    source: Source
    collection_id: str
    media_types: list[str]
    store: bool
    sample_rate: float
    channel_id: str | None
    created_s: float
    connected_s: float | None = None
    recorded_s: float = 0.0
    export: dict[str, Any] | None = None
    indexes: dict[str, SceneIndex] = field(default_factory=dict)
    transcription: Transcription = field(init=False)

    def __post_init__(self) -> None:
        self.transcription = Transcription(self.source)
        self.connected_s = self.created_s

    @property
    def id(self) -> str:
        """The id of the stream."""
        return self.source.rtstream_id

    @property
    def name(self) -> str:
        """What events call the stream."""
        return self.source.rtstream_name

    @property
    def status(self) -> str:
        """Connected or stopped."""
        return "stopped" if self.connected_s is None else "connected"

    def body(self) -> dict[str, Any]:
        """Return what REST says of it."""
        channel = {} if self.channel_id is None else {"channel_id": self.channel_id}
        return {
            "id": self.id,
            "name": self.name,
            "collection_id": self.collection_id,
            "status": self.status,
            "sample_rate": self.sample_rate,
            "media_types": self.media_types,
            "store": self.store,
            "created_at": iso(self.created_s),
            **channel,
        }

    def start(self, now_s: float) -> None:
        """Connect, unless it is connected; what worked on it is started by itself."""
        self.connected_s = now_s if self.connected_s is None else self.connected_s

    def stop(self, now_s: float) -> None:
        """Disconnect, and stop what works on it."""
        if self.connected_s is None:
            return
        self.recorded_s += now_s - self.connected_s
        self.connected_s = None
        self.transcription.stop(now_s)
        for index in self.indexes.values():
            index.pipeline.stop()

    def index(self, index_id: str) -> SceneIndex:
        """Return an index; raise `Refusal` 404 if there is none of that id."""
        if index_id not in self.indexes:
            raise Refusal(404, f"index {index_id} not found")
        return self.indexes[index_id]

    def playback(self, query: Fields) -> dict[str, str]:
        """Return where a part of it would be played; raise `Refusal` 400 unless the query names one."""
        start_s, end_s = query.number("start"), query.number("end")
        if start_s is None or end_s is None or start_s >= end_s:
            raise Refusal(400, "start and end are required, in this order")
        return urls(f"{self.id}-{start_s:.0f}-{end_s:.0f}")


class Streams:
    """Every stream of the account."""

    def __init__(self, agenda: Agenda, dialect: Dialect, library: Library, entropy: Entropy) -> None:
        self._agenda = agenda
        self._dialect = dialect
        self._library = library
        self._entropy = entropy
        self._streams: dict[str, RTStream] = {}

    def open(
        self,
        name: str,
        media_types: list[str],
        now_s: float,
        *,
        store: bool,
        channel_id: str | None = None,
        sample_rate: float = 30,
        collection_id: str | None = None,
    ) -> RTStream:
        """Connect a new stream; `collection_id` None is the account's own."""
        source = Source(self._agenda, self._dialect, new_id("rtstream", self._entropy), name)
        owner = collection_id or self._library.collection_id
        stream = RTStream(source, owner, media_types, store, sample_rate, channel_id, now_s)
        self._streams[stream.id] = stream
        return stream

    def open_others(self, now_s: float) -> None:
        """Connect the streams of another owner that the dialect lists: they work, and nobody here hears of it."""
        collection_id = new_id("collection", self._entropy)
        for _ in range(self._dialect.other_streams):
            stream = self.open("mic:default", ["audio"], now_s, store=False, collection_id=collection_id)
            stream.transcription.start(Fields({}), now_s)

    def stop_transcriptions(self, now_s: float) -> int:
        """Stop every transcription of this account that runs, as its owner would; return how many."""
        own = [one for one in self._streams.values() if one.collection_id == self._library.collection_id]
        running = [one.transcription for one in own if one.transcription.status == "running"]
        for transcription in running:
            transcription.stop(now_s)
        return len(running)

    def create(self, request: Fields, now_s: float) -> dict[str, Any]:
        """Connect the stream that a request describes; its sound is transcribed unless it says otherwise."""
        self._library.collection(request.text("collection_id"))
        request.text("url")
        stream = self.open(
            request.text("name"),
            request.texts("media_types", MEDIA_TYPES, ["video"]),
            now_s,
            store=request.flag("store", default=False),
            sample_rate=request.number("sample_rate") or 30,
        )
        if "audio" in stream.media_types and request.flag("enable_transcript", default=True):
            stream.transcription.start(request, now_s)
        return stream.body()

    def get(self, stream_id: str) -> RTStream:
        """Return a stream; raise `Refusal` 404 if there is none of that id."""
        if stream_id not in self._streams:
            raise Refusal(404, f"rtstream {stream_id} not found")
        return self._streams[stream_id]

    def page(self, query: Fields) -> dict[str, Any]:
        """Return a page of streams, newest first unless `ordering` says otherwise. Raises `Refusal` 400."""
        limit = query.whole("limit", default=10, low=1, high=_MANY)
        offset = query.whole("offset", default=0, low=0, high=_MANY)
        ordering = query.one_of("ordering", _ORDERINGS, "-created_at")
        status, name = query.optional_text("status"), query.optional_text("name")
        chosen = [one for one in self._streams.values() if status in (None, one.status) and (name or "") in one.name]
        chosen.sort(key=_SORT_KEYS[ordering.removeprefix("-")], reverse=ordering.startswith("-"))
        return {
            "results": [stream.body() for stream in chosen[offset : offset + limit]],
            "count": len(chosen),
            "next": f"?limit={limit}&offset={offset + limit}" if offset + limit < len(chosen) else None,
            "previous": f"?limit={limit}&offset={max(0, offset - limit)}" if offset else None,
        }

    def export(self, stream: RTStream, request: Fields) -> dict[str, Any]:
        """Return the recording of a stopped stream as a video: the same one however often it is asked for.

        Only the first answer has the duration; sound alone has no URLs. Raises `Refusal` 400 without a recording.
        """
        if stream.status != "stopped":
            raise Refusal(400, f"rtstream {stream.id} is connected; stop it before it is exported")
        if not stream.store:
            raise Refusal(400, f"rtstream {stream.id} has no recordings")
        name = request.optional_text("name") or f"{stream.name} - Recording"
        if stream.export is not None:
            return {**stream.export, "duration": None}
        video = self._library.add_video(name, stream.recorded_s)
        where = urls(video["id"]) if "video" in stream.media_types else dict.fromkeys(("stream_url", "player_url"))
        stream.export = {"video_id": video["id"], "name": name, **where}
        return {**stream.export, "duration": video["length"]}

    def create_index(self, stream: RTStream, request: Fields, now_s: float) -> dict[str, Any]:
        """Start an index on a stream."""
        index = index_of(stream.source, new_id("index", self._entropy), request)
        stream.indexes[index.index_id] = index
        index.pipeline.start(now_s)
        return index.body()
