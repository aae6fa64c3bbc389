"""What was said with the real recorder (`real_recorder.txt`), for whoever takes either part in it.

`python conversation.py` takes the recorder's: it ends when it hears something else than was said then.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

Message = dict[str, Any]

PREFIX = "videodb_recorder|"

_FILE = Path(__file__).parent / "real_recorder.txt"
_EXACT = frozenset({"type", "status", "event", "code", "permission", "channel_id", "channel", "shutdown", "commandId"})
"""Texts that are words of the protocol; others are for people, or different each time."""


class Exchange(NamedTuple):
    """A command, and all that was said before the next one."""

    command: Message
    said: list[Message]

    @property
    def params(self) -> dict[str, Any]:
        return dict(self.command["params"])


def exchanges(**known: str) -> Iterator[Exchange]:
    """The whole conversation; `known` fills in `url`, `session` and `token`."""
    text = _filled(_FILE.read_text(encoding="utf-8"), known)
    lines = [line for line in text.splitlines() if line[:2] in ("> ", "< ")]
    while lines:
        command = json.loads(lines.pop(0)[2:])
        said = []
        while lines and lines[0].startswith("< "):
            said.append(json.loads(lines.pop(0)[2:]))
        yield Exchange(command, said)


def shape(said: Any, name: str = "") -> Any:
    """`said` without what is different each time: numbers, texts for people, the order in a list."""
    if isinstance(said, Mapping):
        return {key: shape(value, key) for key, value in said.items()}
    if isinstance(said, list):
        return sorted((shape(one, name) for one in said), key=repr)
    if isinstance(said, str):
        return said if name in _EXACT else "text"
    return said if isinstance(said, bool) else type(said).__name__


def play() -> None:
    known: dict[str, str] = {}
    for command, said in exchanges():
        heard = json.loads(sys.stdin.readline().removeprefix(PREFIX))
        if not _meets(heard, {**command, "commandId": "{id}"}, known):
            sys.exit(f"heard {heard}, and not {command}")
        for one in said:
            told = {**one, "commandId": known["id"]} if "commandId" in one else one
            sys.stdout.write(PREFIX + _filled(json.dumps(told), known) + "\n")
        sys.stdout.flush()


def _meets(heard: Any, expected: Any, known: dict[str, str]) -> bool:
    """Whether this is what is expected, where a word in braces is any text, and known from then on."""
    if isinstance(heard, dict) and isinstance(expected, dict):
        return heard.keys() == expected.keys() and all(_meets(heard[key], expected[key], known) for key in heard)
    if isinstance(expected, str) and expected.startswith("{"):
        known[expected.strip("{}")] = heard
        return isinstance(heard, str)
    return bool(heard == expected)


def _filled(text: str, known: Mapping[str, str]) -> str:
    for name, value in known.items():
        text = text.replace(f"{{{name}}}", value)
    return text


if __name__ == "__main__":
    play()
