"""The capture client: what a program asks of the recorder on this machine."""

from __future__ import annotations

import asyncio
import importlib
import logging
import shlex
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

from videodb_listen.channels import PAUSE, RESUME, Channel, Channels
from videodb_listen.environment import variables
from videodb_listen.errors import ConfigurationError, RecorderFailed, TimedOut
from videodb_listen.recorder.process import TIMEOUTS_S, Recorder
from videodb_listen.recorder.protocol import PERMISSIONS, Event, is_verdict_on, verdict_in
from videodb_listen.settings import BASE_URL_NAME, checked_base_url, checked_credential
from videodb_listen.text import Secrets
from videodb_listen.units import format_duration

RECORDER_NAME = "VIDEODB_RECORDER"
PACKAGE = "videodb_capture_bin"

log = logging.getLogger(__name__)


class CaptureClient:
    """Permissions, channels and one recording, by the recorder of this machine.

    `client_token` is what `Connection.generate_client_token` gave. `base_url` None: $VIDEO_DB_API, else the service's
    own. `recorder` is a path, or a command as a list of words; see `find_recorder` for None.
    Its process starts with the first call and ends with `shutdown`, with `async with`, or with the event loop.

    Raises ConfigurationError when there is no token or no recorder.
    Calls raise RecorderFailed when the recorder refuses, ends or cannot be started, TimedOut when it does not answer.
    """

    def __init__(
        self,
        client_token: str,
        base_url: str | None = None,
        recorder: str | Sequence[str] | None = None,
        *,
        timeouts_s: Mapping[str, float] = TIMEOUTS_S,
    ) -> None:
        if not client_token:
            raise ConfigurationError("no client token", fix="take one from Connection.generate_client_token()")
        self.base_url = checked_base_url(base_url or variables().get(BASE_URL_NAME))
        self._token = checked_credential("client token", client_token)
        command, secrets = find_recorder(recorder, variables()), Secrets(self._token)
        self.recorder = Recorder(command, self.base_url, timeouts_s=timeouts_s, secrets=secrets)
        self._session: str | None = None  # the one that is recorded; None: none is
        self._recorded_as = ""  # what the recorder calls it
        self._recorded: list[Channel] = []
        self._process_number = 0  # the recorder's process that records it

    def __repr__(self) -> str:
        return f"<CaptureClient {self.base_url}, session {self._session}, {self.recorder!r}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.shutdown()

    async def request_permission(self, kind: str) -> bool:
        """Ask the system for `microphone`, `screen_capture`, `camera` or `accessibility`.

        Returns whether it is granted, once the person has said. Raises ValueError for another kind, TimedOut when
        nobody says.
        """
        if kind not in PERMISSIONS:
            raise ValueError(f"{kind!r} is none of {', '.join(PERMISSIONS)}")
        permission = PERMISSIONS[kind]
        with self.recorder.expecting(partial(is_verdict_on, permission)) as told:
            result = await self.recorder.call("requestPermission", {"permission": permission})
            verdict = verdict_in(result) or await self._verdict(kind, told)
        if verdict != "granted":
            log.warning("the permission for %s was not granted: it is %s", kind, verdict)
        return verdict == "granted"

    async def _verdict(self, kind: str, told: asyncio.Future[Event]) -> str | None:
        limit_s = self.recorder.limit_s("requestPermission")
        try:
            async with asyncio.timeout(limit_s):
                return verdict_in((await told)["payload"])
        except TimeoutError:
            said = f"nobody said within {format_duration(limit_s)} whether {kind} is permitted"
            raise TimedOut(said, fix="answer the system's question, or allow it in the system's settings") from None

    async def list_channels(self) -> Channels:
        """What can be recorded here; descriptions without an id or a kind are left out."""
        result = await self.recorder.call("getChannels")
        sent = result.get("channels") if isinstance(result, dict) else None
        found = [Channel.of(one, self._control) for one in sent or [] if isinstance(one, dict)]
        return Channels.of(channel for channel in found if channel is not None)

    async def start_capture_session(
        self, capture_session_id: str, channels: Sequence[Channel], primary_video_channel_id: str | None = None
    ) -> None:
        """Record `channels` into the session; returns when it is active, which can take minutes.

        `primary_video_channel_id` makes that channel the primary one, and no other; None leaves each `is_primary` as
        it is. Raises ValueError when there are no channels, or the primary one is not among them. A recorder whose
        start failed or was given up is ended, since it would be busy for ever; the next call starts another.
        """
        if not channels:
            raise ValueError("there is no channel to record")
        if primary_video_channel_id is not None:
            _make_primary(primary_video_channel_id, channels)
        described = [channel.to_dict() for channel in channels]
        params = {"sessionId": capture_session_id, "uploadToken": self._token, "channels": described}
        try:
            result = await self.recorder.call("startRecording", params)
        except BaseException:
            if not self._records():
                await self.recorder.close()
            raise
        named = result.get("sessionId") if isinstance(result, dict) else None
        self._recorded_as = named if isinstance(named, str) else capture_session_id
        self._session, self._recorded = capture_session_id, list(channels)
        self._process_number = self.recorder.starts

    async def stop_capture(self) -> None:
        """End the recording. Raises RecorderFailed when there is none, or when its process has ended meanwhile."""
        self._recording()
        await self.recorder.call("stopRecording", {"sessionId": self._recorded_as})
        self._session = None

    async def pause(self, *channels: Channel) -> None:
        """Record nothing of `channels` until `resume`; without any, of all that are recorded."""
        await self._control(PAUSE, list(channels))

    async def resume(self, *channels: Channel) -> None:
        """Go on with `channels`; without any, with all that are recorded."""
        await self._control(RESUME, list(channels))

    def events(self) -> AsyncIterator[Event]:
        """What the recorder tells by itself. Ends with `shutdown`; raises RecorderFailed when it ended by itself."""
        return self.recorder.events()

    async def shutdown(self) -> None:
        """End the recorder, and the recording with it. It never fails, and may be called again."""
        self._session = None
        await self.recorder.close()

    start_session = start_capture_session  # the names of the official SDK
    stop_session = stop_capture

    async def _control(self, command: str, channels: list[Channel]) -> None:
        self._recording()
        tracks = [channel.track() for channel in channels or self._recorded]
        await self.recorder.call(command, {"tracks": list(dict.fromkeys(tracks))})

    def _recording(self) -> None:
        """Raise RecorderFailed unless something is recorded."""
        if self._session is None:
            raise RecorderFailed("no capture session is being recorded", fix="start one with start_capture_session")
        if not self._records():
            raise RecorderFailed(
                f"the recorder ended while it recorded {self._session}", fix="start another capture session"
            )

    def _records(self) -> bool:
        """Whether the process records the session: a new one knows nothing of the one before."""
        same = self.recorder.running and self._process_number == self.recorder.starts
        return self._session is not None and same


def _make_primary(channel_id: str, channels: Sequence[Channel]) -> None:
    if channel_id not in [channel.id for channel in channels]:
        raise ValueError(f"the primary channel {channel_id!r} is not among those to record")
    for channel in channels:
        channel.is_primary = channel.id == channel_id


def find_recorder(given: str | Sequence[str] | None, environ: Mapping[str, str]) -> list[str]:
    """The command that starts a recorder: `given`, else the words of $VIDEODB_RECORDER, else the package's own.

    Raises ConfigurationError when there is none, or when the variable is not understood.
    """
    if given:
        return [given] if isinstance(given, str) else list(given)
    try:
        words = shlex.split(environ.get(RECORDER_NAME, ""))
    except ValueError as exc:
        raise ConfigurationError(f"${RECORDER_NAME} is not understood: {exc}", fix="quote it as a shell does") from None
    if words:
        return words
    try:
        package: Any = importlib.import_module(PACKAGE)
        return [str(package.get_binary_path())]
    except ImportError:
        said = "no recorder is installed"
    except Exception as exc:  # noqa: BLE001  # the package finds nothing for this machine, in its own words
        said = f"the package {PACKAGE} has no recorder for this machine: {exc}"
    raise ConfigurationError(
        said,
        fix=f"install {PACKAGE}, which has one for macOS (Intel and Apple silicon) and Windows (x64), "
        f"or name another with ${RECORDER_NAME}",
    )
