"""A stream of a session while it runs: transcripts, indexes, and the recording of it."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypedDict, Unpack

from videodb_listen.api.blocking import aio, blocking
from videodb_listen.api.index import SceneIndex
from videodb_listen.api.pages import Fetch, as_one, pages
from videodb_listen.api.resource import Sent, Switched, given, list_in
from videodb_listen.channels import kind_of

RECORDS = "transcription_records"
BY_TIME, BY_TRANSCRIPT = "time", "transcript"
EVERY_TWO_SECONDS = MappingProxyType({"time": 2, "frame_count": 5})  # as in the official SDK


class IndexOptions(TypedDict, total=False):
    """What every kind of index can be told besides; None is the same as not told."""

    model_name: str | None  # mini, basic, pro or ultra
    model_config: Mapping[str, Any] | None
    name: str | None
    ws_connection_id: str | None
    sandbox_id: str | None  # where the model runs, when it is one of one's own


@dataclass(frozen=True)
class Export:
    """The video that was made of a stream. All is None while the service still works on it: ask again."""

    video_id: str | None
    name: str | None
    stream_url: str | None  # None also when there is only sound
    player_url: str | None  # the same
    duration: float | None  # seconds; None when it was made before


class RTStream(Switched):
    """One microphone, screen or the like, as the service hears or sees it. All methods raise what `Api` raises.

    `ws_connection_id` names the WebSocket that is told; None tells nobody, the records can be read all the same.
    """

    ID_KEYS = ("id", "rtstream_id")

    name = Sent[str]()
    collection_id = Sent[str]()
    channel_id = Sent[str]()
    status = Sent[str]()
    media_types = Sent[list[str]]()
    sample_rate = Sent[int]()
    store = Sent[bool]()
    created_at = Sent[str]()
    stream_url = Sent[str]()
    player_url = Sent[str]()

    @property
    def type(self) -> str | None:
        """`mic`, `display`, `system_audio` or `camera`, by its channel, else by its name; None when neither says."""
        return kind_of(self.channel_id or "") or kind_of(self.name or "")

    @blocking
    async def refresh(self) -> RTStream:
        """Ask for it again; returns itself."""
        self.data |= await self.api.get("rtstream", self.id)
        return self

    @blocking
    async def start_transcript(self, ws_connection_id: str | None = None, engine: str | None = None) -> dict[str, Any]:
        """Transcribe from now on; returns the status. `engine` None: the server's choice."""
        body = {"action": "start", **given(engine=engine, ws_connection_id=ws_connection_id)}
        return await self.api.post("rtstream", self.id, "transcription", body=body)

    @blocking
    async def stop_transcript(self, engine: str | None = None) -> dict[str, Any]:
        """Transcribe no more; returns the status."""
        body = {"action": "stop", **given(engine=engine)}
        return await self.api.post("rtstream", self.id, "transcription", body=body)

    @blocking
    async def get_transcript(
        self,
        page: int | None = None,
        page_size: int = 100,
        start: float | None = None,
        end: float | None = None,
        since: float | None = None,
        engine: str | None = None,
    ) -> dict[str, Any]:
        """`{"transcription_records": [...], "next_page": bool, ...}`; each record has `start`, `end` and `text`.

        Times are unix seconds, None for no bound; `since` asks for what is newer than it. `page` counts from 1, None
        reads them all.
        """
        fetch = self._fetch(page_size, start=start, end=end, since=since, engine=engine)
        return await as_one(fetch, RECORDS) if page is None else await fetch(page)

    def transcript_pages(
        self, page_size: int = 100, start: float | None = None, end: float | None = None, engine: str | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """Every page as it is sent, for `async for`, with only what is new on it in `transcription_records`."""
        return pages(self._fetch(page_size, start=start, end=end, engine=engine), RECORDS)

    @blocking
    async def index_visuals(
        self, prompt: str | None = None, batch_config: Mapping[str, Any] | None = None, **options: Unpack[IndexOptions]
    ) -> SceneIndex:
        """Describe what is seen. `batch_config` is `{"value": seconds, "frame_count": frames}`, None: the server's."""
        config = _renamed(batch_config, time="value", frame_count="frame_count")
        return await aio(self.index_scenes, BY_TIME, config, prompt, **options)

    @blocking
    async def index_audio(
        self, prompt: str | None = None, batch_config: Mapping[str, Any] | None = None, **options: Unpack[IndexOptions]
    ) -> SceneIndex:
        """Describe what is said, while it is transcribed.

        `batch_config` is `{"type": "word" | "sentence" | "time", "value": how many}`, None: the server's.
        """
        config = _renamed(batch_config, segmenter="type", segmentation_value="value")
        return await aio(self.index_scenes, BY_TRANSCRIPT, config, prompt, **options)

    @blocking
    async def index_scenes(
        self,
        extraction_type: str = BY_TIME,
        extraction_config: Mapping[str, Any] | None = EVERY_TWO_SECONDS,
        prompt: str | None = "Describe the scene",
        **options: Unpack[IndexOptions],
    ) -> SceneIndex:
        """Describe the stream by `prompt` as it comes; what is None is the server's choice."""
        body = {
            "extraction_type": extraction_type,
            "extraction_config": None if extraction_config is None else dict(extraction_config),
            "prompt": prompt,
            "model_name": options.get("model_name"),
            "model_config": options.get("model_config") or {},
            "name": options.get("name"),
            **given(ws_connection_id=options.get("ws_connection_id"), sandbox_id=options.get("sandbox_id")),
        }
        return self._index(await self.api.post("rtstream", self.id, "index", "scene", body=body))

    @blocking
    async def list_scene_indexes(self) -> list[SceneIndex]:
        """Every index of the stream."""
        found = await self.api.get("rtstream", self.id, "index", "scene")
        return [self._index(one) for one in list_in(found, "scene_indexes")]

    @blocking
    async def get_scene_index(self, index_id: str) -> SceneIndex:
        """One index."""
        return self._index(await self.api.get("rtstream", self.id, "index", index_id))

    @blocking
    async def export(self, name: str | None = None) -> Export:
        """Make a video of the stream, which must be stopped; asking again gives the same one."""
        body = {} if name is None else {"name": name}
        made = await self.api.post("rtstream", self.id, "export", body=body)
        return Export(**{entry.name: made.get(entry.name) for entry in dataclasses.fields(Export)})

    def _fetch(self, page_size: int, **query: Any) -> Fetch:
        sized = {"page_size": page_size, **query}
        return lambda number: self.api.get("rtstream", self.id, "transcription", query={"page": number, **sized})

    @property
    def _switch(self) -> tuple[str, ...]:
        return "rtstream", self.id, "status"

    def _index(self, data: Mapping[str, Any]) -> SceneIndex:
        return SceneIndex(self.api, {**data, "rtstream_id": self.id})


def _renamed(config: Mapping[str, Any] | None, **names: str) -> dict[str, Any] | None:
    """The fields of `config` under the API's names for them; None for None."""
    return None if config is None else {theirs: config.get(ours) for theirs, ours in names.items()}
