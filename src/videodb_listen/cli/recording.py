"""One capture session from its creation to its export, as `session record` drives it.

Two wings meet here: the client side starts and stops it, the listener's file says what became of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videodb_listen.capture import CaptureClient, CaptureSession, Channel, Connection, RTStream
from videodb_listen.cli.progress import Progress
from videodb_listen.cli.session_watch import SessionWatch
from videodb_listen.errors import RecorderFailed, RequestRefused
from videodb_listen.events import follow
from videodb_listen.settings import Settings
from videodb_listen.units import format_duration

ABORTED = 130  # as click ends for Ctrl-C

PERMISSIONS = {"mic": "microphone", "display": "screen_capture"}


@dataclass(frozen=True)
class Plan:
    """What to record, and what to have made of it. `for_s` None: until it is told to stop; `describe` None: nothing."""

    kinds: tuple[str, ...]
    store: bool
    for_s: float | None
    transcribe: bool
    describe: str | None
    alerts: tuple[tuple[str, str], ...]
    user: str


class Recording:
    """One session that reports to `ws_id`, whose events come into the file in `directory`."""

    def __init__(self, settings: Settings, directory: Path, ws_id: str, plan: Plan, progress: Progress) -> None:
        self.stop = asyncio.Event()
        self._connection = Connection(settings)
        self._client = CaptureClient(self._connection.generate_client_token(), base_url=settings.base_url)
        self._directory = directory
        self._ws_id = ws_id
        self._plan = plan
        self._progress = progress
        self._session: CaptureSession
        self._watch: SessionWatch

    async def run(self) -> str:
        """Record until the plan or `stop` ends it; the URL of the player, or what else names the result.

        Raises SessionFailed, RecorderFailed, TimedOut, and what the API's answers mean.
        """
        since_s = time.time()
        self._progress.say(f"events go to {self._directory}")
        async with self._client:
            await self._start()
            with follow(self._directory, since=since_s) as events:
                hearing = asyncio.create_task(self._watch.hear(events))
                try:
                    await self._watch.reach("active", self._check_recorder)
                    await self._start_pipelines()
                    await self._until_told()
                    return await self._finish()
                finally:
                    hearing.cancel()

    def kill(self) -> None:
        """End the recorder now, whatever it is at."""
        if self._client.recorder.running and self._client.recorder.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._client.recorder.pid, signal.SIGKILL)

    async def _start(self) -> None:
        channels = await self._channels()
        self._session = await asyncio.to_thread(
            self._connection.create_capture_session,
            end_user_id=self._plan.user,
            collection_id=self._connection.settings.collection,
            ws_connection_id=self._ws_id,
        )
        self._watch = SessionWatch(self._session, self._progress)
        names = ", ".join(channel.name or channel.id for channel in channels)
        self._progress.say(f"session {self._session.id}: {names}")
        await self._client.start_capture_session(self._session.id, channels)

    async def _channels(self) -> list[Channel]:
        """The default channel of each kind that was asked for; of every kind that is there, if none was."""
        for kind in self._plan.kinds or PERMISSIONS:
            if kind in PERMISSIONS and not await self._client.request_permission(PERMISSIONS[kind]):
                raise RecorderFailed(
                    f"the permission for {PERMISSIONS[kind]} was not granted", fix="allow it in the system's settings"
                )
        found = await self._client.list_channels()
        groups = {"mic": found.mics, "display": found.displays, "system_audio": found.system_audio}
        chosen = {kind: group.default for kind, group in groups.items() if group.default is not None}
        missing = [kind for kind in self._plan.kinds if kind not in chosen]
        if missing or not chosen:
            there = ", ".join(channel.id for channel in found.all()) or "nothing"
            raise RecorderFailed(f"there is no {missing[0] if missing else 'channel'} to record", fix=f"found: {there}")
        channels = [chosen[kind] for kind in self._plan.kinds or chosen]
        for channel in channels:
            channel.store = self._plan.store
        return channels

    async def _start_pipelines(self) -> None:
        await asyncio.to_thread(self._session.refresh)
        streams = self._session.rtstreams
        self._watch.streams |= {stream.id for stream in streams}
        await asyncio.to_thread(self._tell_pipelines, streams)
        self._progress.say(f"recording; Ctrl-C stops {'and exports' if self._plan.store else 'it'}")

    def _tell_pipelines(self, streams: Iterable[RTStream]) -> None:
        described = self._plan.describe or "\n".join(prompt for _, prompt in self._plan.alerts) or None
        for stream in streams:
            if stream.type != "display" and self._plan.transcribe:
                stream.start_transcript(ws_connection_id=self._ws_id)
            elif stream.type == "display" and described:
                index = stream.index_visuals(prompt=described, ws_connection_id=self._ws_id)
                for label, prompt in self._plan.alerts:
                    event_id = self._connection.create_event(prompt, label)
                    index.create_alert(event_id, ws_connection_id=self._ws_id)

    async def _until_told(self) -> None:
        began_s = time.monotonic()
        while not self.stop.is_set():
            passed_s = time.monotonic() - began_s
            left_s = None if self._plan.for_s is None else self._plan.for_s - passed_s
            if left_s is not None and left_s <= 0:
                return
            self._watch.check()
            self._check_recorder()
            self._progress.move(f"recording {format_duration(int(passed_s))}")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0 if left_s is None else min(1.0, left_s)):
                    await self.stop.wait()

    async def _finish(self) -> str:
        await self._client.stop_capture()
        await self._watch.reach("stopped")
        if not self._plan.store:
            self._progress.say(f"stopped after {sum(self._progress.counts.values())} events; nothing was stored")
            return str(self._session.id)
        self._progress.say("exporting")
        with contextlib.suppress(RequestRefused):  # it may have begun, or be done: the state tells
            await asyncio.to_thread(self._session.export, ws_connection_id=self._ws_id)
        await self._watch.reach("exported")
        await asyncio.to_thread(self._session.refresh)
        told = {**self._session.data, **self._watch.details}
        return str(told.get("player_url") or told.get("exported_video_id") or self._session.id)

    def _check_recorder(self) -> None:
        if not self._client.recorder.running:
            raise RecorderFailed("the recorder has ended", fix="start another recording")


def run(recording: Recording, progress: Progress) -> str:
    """Record to the end. The first SIGINT or SIGTERM stops it, a second one ends everything at once (status 130)."""
    return asyncio.run(_until_signal(recording, progress))


async def _until_signal(recording: Recording, progress: Progress) -> str:
    main = asyncio.create_task(recording.run())

    def heard() -> None:
        if recording.stop.is_set():
            recording.kill()
            main.cancel()
        else:
            progress.say("stopping; Ctrl-C once more ends at once")
            recording.stop.set()

    with _signals(heard):
        try:
            return await main
        except asyncio.CancelledError:
            progress.say("ended at once; the session may still be recorded as running")
            os._exit(ABORTED)  # an orderly end would wait for the threads, and they for an API that does not answer


@contextlib.contextmanager
def _signals(heard: Any) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, heard)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
