"""Whose words an event holds. Pure.

An agent takes orders from one person. What that person says, what a guest says and what is on a screen come through one
socket, so that telling them apart must not be left to who reads the text.

| who | what |
|---|---|
| `owner` | transcripts of the owner's streams, by default of the microphone |
| `guest` | all other words: other transcripts, what a model wrote about sound, and whatever is of no known channel |
| `screen` | what was seen |
| `system` | alerts and states of a session. What set an alert off was seen or heard: its text is a stranger's |

Only a stream's name decides, and no words do: whoever is heard or seen can say anything, but not on another stream.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from videodb_listen.event import Event, channel_of, stream_name_of, stream_of

OWNER, GUEST, SCREEN, SYSTEM = WHO = ("owner", "guest", "screen", "system")

DEFAULT_OWNERS = ("mic:*",)

_BY_CHANNEL: Mapping[str, str] = {"visual_index": SCREEN, "alert": SYSTEM, "capture_session": SYSTEM}
_LONG_NAME = re.compile(r"Capture (\S+) - \S+")
"""`Capture mic - cap-1`: how some streams are called that were `mic:default` when they were asked for."""

LookUp = Callable[[str], str | None]
"""From the id of a stream to its name, None when nothing that is known tells it."""


@dataclass(frozen=True, slots=True)
class Voices:
    """Who speaks on which stream. `owners` are ids or names of the owner's streams, or patterns of them (`mic:*`)."""

    owners: Sequence[str] = DEFAULT_OWNERS
    look_up: LookUp = field(default=lambda _: None, repr=False)

    def who(self, event: Event) -> str:
        """One of WHO: whose words `event` holds."""
        channel = channel_of(event)
        return self.role(event) if channel == "transcript" else _BY_CHANNEL.get(channel, GUEST)

    def role(self, event: Event) -> str:
        """One of WHO: who is on the stream that `event` comes from, whatever is told of it."""
        if channel_of(event) in _BY_CHANNEL:
            return _BY_CHANNEL[channel_of(event)]
        name = self.stream_name(event)
        short = short_name(name)
        spelled = {stream_of(event) or "", name, short, f"{short}:"} - {"", ":"}
        owned = any(fnmatchcase(spelling, pattern) for pattern in self.owners for spelling in spelled)
        return OWNER if owned else GUEST

    def stream_name(self, event: Event) -> str:
        """The name of the stream that `event` comes from; its id where nothing names it, "" where it has none."""
        stream = stream_of(event)
        return stream_name_of(event) or (self.look_up(stream) if stream else None) or stream or ""


def short_name(name: str) -> str:
    """`mic` for `Capture mic - cap-1`; any other name as it is."""
    found = _LONG_NAME.fullmatch(name)
    return found[1] if found else name
