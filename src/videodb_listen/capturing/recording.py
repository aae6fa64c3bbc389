"""One capture session from its creation to its export.

Two wings meet here: the client side starts and stops it, the listener's file says what became of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Protocol

from videodb_listen import presence
from videodb_listen.api.blocking import aio
from videodb_listen.api.http import Api
from videodb_listen.api.session import CaptureSession
from videodb_listen.capturing.connection import Connection
from videodb_listen.capturing.pipelines import Pipelines, Wanted
from videodb_listen.capturing.session_watch import PATIENCE_S, SessionWatch
from videodb_listen.channels import Channel, Channels
from videodb_listen.errors import ListenError, RecorderFailed, RequestRefused
from videodb_listen.paths import Layout
from videodb_listen.reader import follow
from videodb_listen.recorder.client import CaptureClient
from videodb_listen.recorder.protocol import SETTINGS_FIX
from videodb_listen.system.processes import kill_group
from videodb_listen.units import format_duration

Phase = Literal["preparing", "recording", "exporting"]

PERMISSIONS = {"mic": "microphone", "display": "screen_capture"}


@dataclass(frozen=True)
class Plan:
    """What to record. No `kinds`: all that there are. `for_s` None: until it is told to stop."""

    collection: str
    kinds: tuple[str, ...]
    store: bool
    for_s: float | None
    user: str
    wanted: Wanted


class Progress(Protocol):
    """Who is told how a recording goes."""

    def say(self, text: str) -> None:
        """A step that was taken."""

    def move(self, text: str, counts: Mapping[str, int]) -> None:
        """How far it is by now, and how many events came of each channel."""


class Recording:
    """One session that reports to the listener in `layout`, which is connected as `ws_id`.

    To set `stop` ends it in good order: with its export, where that is planned. `phase` is how far it is.
    """

    def __init__(self, api: Api, layout: Layout, ws_id: str, plan: Plan, progress: Progress) -> None:
        self.stop = asyncio.Event()
        self.phase: Phase = "preparing"
        self._connection = Connection(api)
        self._client: CaptureClient | None = None  # until it has a token
        self._pipelines = Pipelines(plan.wanted, self._connection, self._say)
        self._layout = layout
        self._ws_id = ws_id
        self._plan = plan
        self._progress = progress

    async def run(self) -> str:
        """Record until the plan or `stop` ends it; the URL of the player, or what else names the result.

        Raises CancelledError when it is stopped before anything was recorded; SessionFailed, RecorderFailed, TimedOut,
        and what the API's answers mean.
        """
        since_s = time.time()
        async with self._connection.api as api:
            asking = asyncio.create_task(aio(self._connection.generate_client_token))
            if not await unless(self.stop, asking):
                raise asyncio.CancelledError
            self._say(f"events go to {self._layout.directory}")
            async with CaptureClient(asking.result(), base_url=api.base_url) as self._client:
                preparing = asyncio.create_task(self._prepare(self._client))
                if not await unless(self.stop, preparing):
                    raise asyncio.CancelledError
                return await self._record_into(*preparing.result(), self._client, since_s)

    def kill(self) -> None:
        """End the recorder now, whatever it is at."""
        recorder = self._client and self._client.recorder
        if recorder and recorder.running and recorder.pid is not None:
            kill_group(recorder.pid)

    def _say(self, text: str) -> None:
        """Tell it, without the key that the server may have put into a name or a state."""
        self._progress.say(self._connection.api.secrets().redact(text))

    async def _prepare(self, client: CaptureClient) -> tuple[CaptureSession, list[Channel]]:
        channels = await self._channels(client)
        session = await aio(
            self._connection.create_capture_session,
            end_user_id=self._plan.user,
            collection_id=self._plan.collection,
            ws_connection_id=self._ws_id,
        )
        self._say(f"session {session.id}: {', '.join(channel.name or channel.id for channel in channels)}")
        return session, channels

    async def _record_into(
        self, session: CaptureSession, channels: list[Channel], client: CaptureClient, since_s: float
    ) -> str:
        watch = SessionWatch(session, self._say)
        with follow(self._layout.directory, since=since_s) as events:
            hearing = asyncio.create_task(watch.hear(events))
            try:
                starting = asyncio.create_task(self._start(session, channels, watch, client))
                if not await unless(self.stop, starting):
                    raise asyncio.CancelledError
                self.phase = "recording"
                return await self._record(session, watch, client)
            except ListenError as exc:
                if self._plan.store and self.phase != "preparing":
                    raise _with_what_is_stored(exc, session.id) from exc
                raise
            finally:
                hearing.cancel()

    async def _start(
        self, session: CaptureSession, channels: list[Channel], watch: SessionWatch, client: CaptureClient
    ) -> None:
        """Start the recorder. It waits until the session is active, also for one that has failed: so do we."""
        limit_s = PATIENCE_S["active"]
        self._say(f"waiting until the session is active, at most {format_duration(limit_s)}")
        began_s = time.monotonic()
        starting = asyncio.create_task(client.start_capture_session(session.id, channels))

        def still() -> None:
            self._progress.move(f"waiting {format_duration(int(time.monotonic() - began_s))}", watch.counts)
            if starting.done():
                _check_recorder(client)

        await together(starting, asyncio.create_task(watch.reach("active", still)))

    async def _channels(self, client: CaptureClient) -> list[Channel]:
        """Those that are to be recorded, once the system has allowed it."""
        for kind in self._plan.kinds or PERMISSIONS:
            if kind in PERMISSIONS and not await client.request_permission(PERMISSIONS[kind]):
                raise RecorderFailed(f"the permission for {PERMISSIONS[kind]} was not granted", fix=SETTINGS_FIX)
        channels = chosen(await client.list_channels(), self._plan.kinds)
        for channel in channels:
            channel.store = self._plan.store
        return channels

    async def _record(self, session: CaptureSession, watch: SessionWatch, client: CaptureClient) -> str:
        await aio(session.refresh)
        watch.streams |= {stream.id for stream in session.rtstreams}
        await self._pipelines.start(session.rtstreams, self._live_id())
        self._say(f"recording; Ctrl-C stops {'and exports' if self._plan.store else 'it'}")
        await self._until_told(watch, partial(_check_recorder, client))
        await client.stop_capture()
        await watch.reach("stopped")
        if self._plan.store:
            return await self._export(session, watch)
        self._say(f"stopped after {watch.counts.total()} events; nothing was stored")
        return session.id

    async def _until_told(self, watch: SessionWatch, check_recorder: Callable[[], None]) -> None:
        began_s = time.monotonic()
        while not self.stop.is_set():
            passed_s = time.monotonic() - began_s
            left_s = None if self._plan.for_s is None else self._plan.for_s - passed_s
            if left_s is not None and left_s <= 0:
                return
            watch.check()
            check_recorder()
            await self._pipelines.follow(self._live_id())
            self._progress.move(f"recording {format_duration(int(passed_s))}", watch.counts)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0 if left_s is None else min(1.0, left_s)):
                    await self.stop.wait()

    async def _export(self, session: CaptureSession, watch: SessionWatch) -> str:
        self.phase = "exporting"
        self._say("exporting")
        try:
            await aio(session.export, ws_connection_id=self._live_id())
        except RequestRefused:
            await aio(session.refresh)
            if session.export_status not in {"exporting", "exported"}:  # otherwise it began by itself
                raise
        await watch.reach("exported")
        await aio(session.refresh)
        return await self._shown_at({**session.data, **watch.details})

    async def _shown_at(self, told: dict[str, Any]) -> str:
        """The URL of the player: its event has it, the session only names the video."""
        video_id = str(told["exported_video_id"])
        if told.get("player_url"):
            return str(told["player_url"])
        with contextlib.suppress(ListenError):  # the video is there, wherever it can be seen
            query = {"collection_id": told.get("collection_id")}
            video = await self._connection.api.get("video", video_id, query=query)
            return str(video.get("player_url") or video_id)
        return video_id

    def _live_id(self) -> str | None:
        with contextlib.suppress(ListenError):  # who may not ask sees none
            return presence.live_id(self._layout)
        return None


def _check_recorder(client: CaptureClient) -> None:
    if not client.recorder.running:
        raise client.recorder.failure or RecorderFailed("the recorder has ended", fix="start it again")


async def unless(stop: asyncio.Event, doing: asyncio.Task[Any]) -> bool:
    """Whether `doing` came to its end, and raise what it raised; False when `stop` came first.

    Then it is given up, and has undone what it was at: a recorder that was about to start is gone.
    """
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            doing.result()
        return doing.done()
    finally:
        doing.cancel()
        stopping.cancel()
        await asyncio.gather(doing, stopping, return_exceptions=True)


async def together(*doing: asyncio.Task[Any]) -> None:
    """Wait for all of them; when one fails, end the others and raise its failure."""
    try:
        await asyncio.wait(doing, return_when=asyncio.FIRST_EXCEPTION)
        for one in doing:
            if one.done():
                one.result()
    finally:
        for one in doing:
            one.cancel()
        await asyncio.gather(*doing, return_exceptions=True)


def chosen(found: Channels, kinds: Sequence[str]) -> list[Channel]:
    """The default channel of each of these kinds; of every kind that is there, if there are none.

    Raises RecorderFailed when one is missing.
    """
    groups = {"mic": found.mics, "display": found.displays, "system_audio": found.system_audio}
    defaults = {kind: group.default for kind, group in groups.items() if group.default is not None}
    missing = [kind for kind in kinds if kind not in defaults]
    if missing or not defaults:
        there = ", ".join(channel.id for channel in found.all()) or "nothing"
        raise RecorderFailed(f"there is no {missing[0] if missing else 'channel'} to record", fix=f"found: {there}")
    return [defaults[kind] for kind in kinds or defaults]


def _with_what_is_stored(error: ListenError, session_id: str) -> ListenError:
    fix = f"{error.fix}; for what was stored: videodb-listen session export {session_id}"
    return ListenError.from_dict({**error.as_dict(), "fix": fix})
