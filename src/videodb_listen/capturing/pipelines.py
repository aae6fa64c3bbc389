"""What is made of a session's streams while it is recorded, and what of that follows the listener's connection."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from videodb_listen.api.blocking import aio
from videodb_listen.api.stream import RTStream
from videodb_listen.capturing.connection import Connection
from videodb_listen.errors import ListenError


@dataclass(frozen=True)
class Wanted:
    """What to have made of the streams. `describe` None: nothing, unless an alert needs it."""

    transcribe: bool
    describe: str | None
    alerts: tuple[tuple[str, str], ...]

    @property
    def prompt(self) -> str | None:
        """What the screen is described by, None when it is not."""
        return self.describe or "\n".join(prompt for _, prompt in self.alerts) or None


class Pipelines:
    """What is `wanted`, on the streams of one session. A failure of one is told to `say`, and the recording goes on."""

    def __init__(self, wanted: Wanted, connection: Connection, say: Callable[[str], None]) -> None:
        self._wanted = wanted
        self._connection = connection
        self._say = say
        self._transcribed: list[RTStream] = []
        self._described: list[RTStream] = []
        self._ws_id: str | None = None

    async def start(self, streams: Iterable[RTStream], ws_id: str | None) -> None:
        """Start all, so that they report to the connection `ws_id`; None: to none."""
        self._ws_id = ws_id
        for stream in streams:
            (self._described if stream.type == "display" else self._transcribed).append(stream)
        if self._wanted.transcribe:
            await self._transcribe()
        if self._wanted.prompt:
            for stream in self._described:
                await self._describe(stream)
        for wish, given, found in (
            ("transcribe", self._wanted.transcribe, self._transcribed),
            ("describe", self._wanted.prompt, self._described),
        ):
            if given and not found:
                self._say(f"there is nothing to {wish} in this session")

    async def follow(self, ws_id: str | None) -> None:
        """Report to the listener's connection of now, None while it has none: an id does not outlive a connection."""
        if ws_id == self._ws_id:
            return
        self._ws_id = ws_id
        if ws_id is None:
            self._say("the listener is not connected: events that come now are not in its file")
            return
        self._say(f"the listener is connected as {ws_id} now")
        if self._wanted.transcribe:
            await self._transcribe()
        if self._wanted.prompt and self._described:
            self._say("descriptions and alerts cannot be moved to it: their events are not in its file any more")

    async def _transcribe(self) -> None:
        for stream in self._transcribed:
            await self._try(f"transcribing {stream.name}", stream.start_transcript, ws_connection_id=self._ws_id)

    async def _describe(self, stream: RTStream) -> None:
        what = f"describing {stream.name}"
        index = await self._try(what, stream.index_visuals, prompt=self._wanted.prompt, ws_connection_id=self._ws_id)
        for label, prompt in self._wanted.alerts if index is not None else ():
            event_id = await self._try(f"the alert {label}", self._connection.create_event, prompt, label)
            if event_id is not None:
                await self._try(f"the alert {label}", index.create_alert, event_id, ws_connection_id=self._ws_id)

    async def _try(self, what: str, call: Callable[..., Any], *args: Any, **fields: Any) -> Any:
        """What `call` gives; None when it fails, which is said."""
        try:
            return await aio(call, *args, **fields)
        except ListenError as exc:
            self._say(f"{what} failed: {exc}")
            return None
