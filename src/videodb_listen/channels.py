"""What can be recorded on this machine: channels, grouped by kind.

The kind of a channel is the first word of its id, as in `mic:default` or `display:1`; the same words name the streams
of a session. Documents, SDKs and servers use several words for one kind, `kind_of` knows them all.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from videodb_listen.errors import RequestRefused

MIC, DISPLAY, SYSTEM_AUDIO, CAMERA = "mic", "display", "system_audio", "camera"

_WORDS = {
    "mic": MIC,
    "microphone": MIC,
    "display": DISPLAY,
    "screen": DISPLAY,
    "system_audio": SYSTEM_AUDIO,
    "system": SYSTEM_AUDIO,
    "camera": CAMERA,
}
_OF_MEDIA = {"audio": MIC, "video": DISPLAY}  # what an id says nothing of, as in the official SDK
_MEDIA = {MIC: "audio", SYSTEM_AUDIO: "audio", DISPLAY: "video", CAMERA: "video"}
_TRACKS = {MIC: "mic", SYSTEM_AUDIO: "system_audio", DISPLAY: "screen", CAMERA: "camera"}

PAUSE, RESUME = "pauseTracks", "resumeTracks"

Control = Callable[[str, list["Channel"]], Awaitable[None]]
"""Sends PAUSE or RESUME for channels to whoever records them."""


def kind_of(text: str) -> str | None:
    """The kind that `text` names with its first word that names one, None when none does.

    `mic:default`, `screen`, and the name of a stream as the service makes it, `Capture mic - cap-1`.
    """
    words = re.findall(r"[a-z_]+", text.lower())
    return next((_WORDS[word] for word in words if word in _WORDS), None)


@dataclass
class Channel:
    """A microphone, a screen or the like: something that can be recorded.

    `store` keeps the recording, otherwise it is only processed; `is_primary` marks the video that is exported.
    """

    id: str
    name: str = ""
    media_type: str = ""
    """`audio` or `video`, "" when neither the recorder nor the id says."""
    store: bool = False
    is_primary: bool = False
    is_default: bool = False
    _control: Control | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, sent: Mapping[str, Any], control: Control | None = None) -> Channel | None:
        """The channel that a recorder or a session describes, None when the description has no id."""
        channel_id = sent.get("channel_id") or sent.get("id")
        if not isinstance(channel_id, str):
            return None
        return cls(
            id=channel_id,
            name=str(sent.get("name") or sent.get("channel_name") or ""),
            media_type=str(sent.get("type") or _MEDIA.get(kind_of(channel_id) or "", "")),
            store=sent.get("store") is True,
            is_primary=sent.get("is_primary") is True,
            is_default=sent.get("is_default") is True,
            _control=control,
        )

    @property
    def type(self) -> str | None:
        """`mic`, `display`, `system_audio` or `camera`; None when neither the id nor the media type says."""
        prefix, colon, _ = self.id.partition(":")
        return (kind_of(prefix) if colon else kind_of(self.id)) or _OF_MEDIA.get(self.media_type)

    def track(self) -> str:
        """What the recorder calls it when it is paused. Raises RequestRefused when it has no word for it."""
        if (track := _TRACKS.get(self.type or "")) is None:
            raise RequestRefused(f"the channel {self.id} cannot be paused", fix="pause what is recorded beside it")
        return track

    def to_dict(self) -> dict[str, Any]:
        """The description that the recorder takes (`startRecording`)."""
        return {
            "channel_id": self.id,
            "type": self.media_type,
            "name": self.name,
            "store": self.store,
            "is_primary": self.is_primary,
        }

    async def pause(self) -> None:
        """Record silence or nothing until `resume`. Raises RequestRefused when nobody records it."""
        await self._tell(PAUSE)

    async def resume(self) -> None:
        """Go on after `pause`. Raises RequestRefused when nobody records it."""
        await self._tell(RESUME)

    async def _tell(self, command: str) -> None:
        if self._control is None:
            raise RequestRefused(f"nobody here records {self.id}", fix="take the channel from client.list_channels()")
        await self._control(command, [self])


class ChannelGroup(list[Channel]):
    """The channels of one kind, in the recorder's order."""

    @property
    def default(self) -> Channel | None:
        """The one that the system uses, else the first; None when there is none."""
        return next((channel for channel in self if channel.is_default), self[0] if self else None)

    primary = default  # the name in some pages of the documentation

    def all(self) -> list[Channel]:
        """Every channel of the group."""
        return list(self)


@dataclass(frozen=True)
class Channels:
    """Everything that this machine can record."""

    mics: ChannelGroup = field(default_factory=ChannelGroup)
    displays: ChannelGroup = field(default_factory=ChannelGroup)
    system_audio: ChannelGroup = field(default_factory=ChannelGroup)
    cameras: ChannelGroup = field(default_factory=ChannelGroup)

    @classmethod
    def of(cls, found: Iterable[Channel]) -> Channels:
        """`found`, grouped; what has no kind is left out."""
        channels = cls()
        groups = {
            MIC: channels.mics,
            DISPLAY: channels.displays,
            SYSTEM_AUDIO: channels.system_audio,
            CAMERA: channels.cameras,
        }
        for channel in found:
            if (group := groups.get(channel.type or "")) is not None:
                group.append(channel)
        return channels

    def all(self) -> list[Channel]:
        """What the capture reference lists: microphones, displays, system audio; `cameras` are asked for by name."""
        return [*self.mics, *self.displays, *self.system_audio]
