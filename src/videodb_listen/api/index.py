"""An index of a stream: what is described of it as it comes, and the alerts on that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from videodb_listen.api.blocking import blocking
from videodb_listen.api.pages import Fetch, as_one, pages
from videodb_listen.api.resource import Sent, Switched, given, list_in, text_in

RECORDS = "scene_index_records"


class SceneIndex(Switched):
    """One index over what is seen or heard. All methods raise what `Api` raises."""

    ID_KEYS = ("rtstream_index_id", "id")

    rtstream_id = Sent[str]()
    extraction_type = Sent[str]()
    """`time` describes pictures, `transcript` what is said."""
    extraction_config = Sent[dict[str, Any]]()
    prompt = Sent[str]()
    name = Sent[str]()
    status = Sent[str]()
    sandbox_id = Sent[str]()

    @property
    def rtstream_index_id(self) -> str:
        """The id, by the name that the API gives it."""
        return self.id

    @blocking
    async def get_scenes(
        self, start: float | None = None, end: float | None = None, page: int | None = None, page_size: int = 100
    ) -> dict[str, Any]:
        """`{"scenes": [...], "next_page": bool}`, newest first; each scene has `start`, `end` and `description`.

        `start` and `end` are unix seconds, None for no bound. `page` counts from 1, None reads them all.
        """
        fetch = self._fetch(page_size, start, end)
        found = await as_one(fetch, RECORDS) if page is None else await fetch(page)
        return {"scenes": list_in(found, RECORDS), "next_page": bool(found.get("next_page"))}

    def scene_pages(
        self, start: float | None = None, end: float | None = None, page_size: int = 100
    ) -> AsyncIterator[dict[str, Any]]:
        """Every page as it is sent, for `async for`; the scenes that are new on it are its `scene_index_records`."""
        return pages(self._fetch(page_size, start, end), RECORDS)

    @blocking
    async def create_alert(self, event_id: str, callback_url: str = "", ws_connection_id: str | None = None) -> str:
        """The id of a new alert: what `create_event` described is told when it is found.

        `callback_url` "" calls nobody; `ws_connection_id` None sends to no WebSocket.
        """
        body = {"event_id": event_id, "callback_url": callback_url, **given(ws_connection_id=ws_connection_id)}
        return text_in(await self.api.post(*self._alerts, body=body), "alert_id")

    @blocking
    async def list_alerts(self) -> list[dict[str, Any]]:
        """The alerts that are set; what they found is told by WebSocket or callback only."""
        return list_in(await self.api.get(*self._alerts), "alerts")

    @blocking
    async def enable_alert(self, alert_id: str) -> None:
        """Tell of it again."""
        await self.api.patch(*self._alerts, alert_id, "status", body={"action": "enable"})

    @blocking
    async def disable_alert(self, alert_id: str) -> None:
        """Tell of it no more."""
        await self.api.patch(*self._alerts, alert_id, "status", body={"action": "disable"})

    def _fetch(self, page_size: int, start: float | None, end: float | None) -> Fetch:
        path = "rtstream", self._stream, "index", "scene", self.id
        query = {"page_size": page_size, "start": start, "end": end}
        return lambda number: self.api.get(*path, query={"page": number, **query})

    @property
    def _switch(self) -> tuple[str, ...]:
        return "rtstream", self._stream, "index", "scene", self.id, "status"

    @property
    def _stream(self) -> str:
        return text_in(self.data, "rtstream_id")

    @property
    def _alerts(self) -> tuple[str, ...]:
        return "rtstream", self._stream, "index", self.id, "alert"  # without `scene`: so it is
