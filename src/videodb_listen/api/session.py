"""A capture session, as the API sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from videodb_listen import lifecycle
from videodb_listen.api.blocking import aio, blocking
from videodb_listen.api.envelope import said_in
from videodb_listen.api.http import Api
from videodb_listen.api.resource import Resource, Sent, given, list_in
from videodb_listen.api.stream import RTStream
from videodb_listen.channels import Channel, kind_of
from videodb_listen.errors import SessionFailed, TimedOut, Unavailable
from videodb_listen.units import format_duration

POLL_S = 2.0  # between two looks at a session, as applications do


class CaptureSession(Resource):
    """One recording, from `created` to `exported`. All methods raise what `Api` raises.

    What it says is what was sent last: `refresh` asks again.
    """

    ID_KEYS = ("session_id", "capture_session_id", "id")

    status = Sent[str]()
    """See `lifecycle`; a state that we do not know is possible."""
    end_user_id = Sent[str]()
    client_id = Sent[str]()
    callback_url = Sent[str]()
    ws_connection_id = Sent[str]()
    metadata = Sent[dict[str, Any]]()
    primary_video_channel_id = Sent[str]()
    export_status = Sent[str]()
    """`exporting`, `exported` or `failed`; None or `pending` before."""
    exported_video_id = Sent[str]()
    created_at = Sent[str]()

    def __init__(self, api: Api, data: Mapping[str, Any], collection_id: str) -> None:
        super().__init__(api, data)
        self._asked_collection = collection_id

    @property
    def collection_id(self) -> str:
        """The collection that it belongs to."""
        return str(self.data.get("collection_id") or self._asked_collection)

    @property
    def channels(self) -> list[Channel]:
        """What is recorded; empty before `starting`."""
        found = (Channel.of(one) for one in list_in(self.data, "channels"))
        return [channel for channel in found if channel is not None]

    @property
    def displays(self) -> list[Channel]:
        """The channels with pictures."""
        return [channel for channel in self.channels if channel.media_type == "video"]

    @property
    def rtstreams(self) -> list[RTStream]:
        """Its streams; empty before `active`."""
        found = [{"collection_id": self.collection_id, **one} for one in list_in(self.data, "rtstreams")]
        return [RTStream(self.api, one) for one in found if one.get("id") or one.get("rtstream_id")]

    @blocking
    async def get_rtstream(self, category: str) -> list[RTStream]:
        """The streams of `mic`, `screen` or `system_audio`, by any word for them; empty before `active`.

        A stream is known by its channel, as in `mic` or `mic:default`, else by its name. The session is asked for again
        while it has no streams, so that what created it can be used once it is active.
        """
        if not self.rtstreams:
            await aio(self.refresh)
        wanted = kind_of(category)
        return [stream for stream in self.rtstreams if wanted is not None and stream.type == wanted]

    @blocking
    async def refresh(self) -> CaptureSession:
        """Ask for it again; returns itself."""
        self.data |= await self.api.get(*self._path)
        return self

    @blocking
    async def export(self, video_channel_id: str | None = None, ws_connection_id: str | None = None) -> dict[str, Any]:
        """Make a video of what was stored, once it is `stopped`; returns what the API says of it.

        `video_channel_id` None: the primary one. `ws_connection_id` is told when it is done, None: nobody.
        `wait_for("exported")` waits for it; `exported_video_id` has it then.
        """
        body = given(video_channel_id=video_channel_id, connection_id=ws_connection_id)  # here it is called so
        return await self.api.post(*self._path, "export", body=body)

    @blocking
    async def wait_for(self, state: str, timeout_s: float = 600.0, poll_s: float = POLL_S) -> CaptureSession:
        """Ask again until it is in `state`, or beyond; returns itself.

        Raises SessionFailed when the session or its export failed, TimedOut after `timeout_s`; an API that cannot be
        reached is asked again until then, and its Unavailable comes if it still cannot.
        """
        until = self.api.clock() + timeout_s
        trouble: Unavailable | None = None
        while not self._reached(state):
            self._check(state)
            if (left_s := until - self.api.clock()) <= 0:
                waited = f"the session {self.id} is {self.status} after {format_duration(timeout_s)}, not {state}"
                raise trouble or TimedOut(waited, fix="wait longer, or look at what records it")
            await self.api.sleep(min(poll_s, left_s))
            try:
                await aio(self.refresh)
                trouble = None
            except Unavailable as exc:
                trouble = exc
        return self

    def _reached(self, state: str) -> bool:
        # The service makes the video while the session stays `stopped`: seen by applications, though documented
        # otherwise.
        exported = state == "exported" and self.export_status == "exported"
        return exported or lifecycle.reached(self.status, state)

    def _check(self, state: str) -> None:
        failed = {"session": self.status, "export": self.export_status if state == "exported" else None}
        for what, status in failed.items():
            if status == lifecycle.FAILED:
                why = said_in(self.data.get("error"), self.api.secrets(), "code", "message")
                raise SessionFailed(
                    f"the {what} of {self.id} failed{why}", fix="look at the error, then start another session"
                )

    @property
    def _path(self) -> tuple[str, ...]:
        return "collection", self.collection_id, "capture", "session", self.id
