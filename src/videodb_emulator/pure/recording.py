"""An events file turned back into the frames that the server sent.

A line of `videodb_events.jsonl` is the frame with two stamps spliced in front:

    {"ts":"2026-03-02T10:15:30.123Z","unix_ts":1772446530.123,"channel":"transcript",...}

Cutting them out again is done on the bytes. Decoding and encoding would re-spell numbers, fold duplicate keys and
lose the spacing, and then a replay would prove nothing about what the real server sends. Only files of older
scripts, which put the stamps anywhere, are re-encoded.
"""

import base64
import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from videodb_emulator.pure.scenario import Scenario, Step

_STAMPED = re.compile(
    rb'\{"ts":"[^"\\]*","unix_ts":-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?:,|(?=\s*\}))(?P<rest>.*)', re.DOTALL
)
_STAMPS = frozenset({"ts", "unix_ts"})


@dataclass(frozen=True, slots=True)
class Recorded:
    """One line: what the server sent, and when it arrived (unix seconds; None if the line does not say)."""

    unix_ts_s: float | None
    message: str | bytes


@dataclass(frozen=True, slots=True)
class Skipped:
    """A line that holds no event, and why."""

    line_number: int
    reason: str


def unstamp(line: bytes) -> Recorded:
    """Return the frame of one line without its newline; raise `ValueError` if there is none in it.

    An object with no key but `raw` (or `raw_base64`) stands for a frame that was no JSON object. The server's own
    `{"raw": "..."}` looks the same in a file and comes back as its text.
    """
    event = _decode(line)
    unix_ts_s = _seconds(event.get("unix_ts"))
    odd = _odd_frame(event)
    if odd is not None:
        return Recorded(unix_ts_s, odd)
    stamped = _STAMPED.fullmatch(line)
    return Recorded(unix_ts_s, (b"{" + stamped["rest"]).decode() if stamped else _without_stamps(line))


def _decode(line: bytes) -> dict[str, Any]:
    try:
        # As a float: a 5,000-digit integer is a fine event, and Python refuses to convert it to an int.
        event = json.loads(line.decode(), parse_int=float)
    except UnicodeDecodeError as error:
        raise ValueError("not UTF-8") from error
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError("not JSON, perhaps torn") from error
    if not isinstance(event, dict):
        raise ValueError("not a JSON object")
    return event


def _odd_frame(event: dict[str, Any]) -> str | bytes | None:
    """Return a frame that was recorded as text or base64; None means the line is an object like any other."""
    match {key: value for key, value in event.items() if key not in _STAMPS}:
        case {"raw": str(text), **rest} if not rest:
            text.encode()  # a lone surrogate cannot be sent: ValueError
            return text
        case {"raw_base64": str(text), **rest} if not rest:
            return base64.b64decode(text, validate=True)
    return None


def _without_stamps(line: bytes) -> str:
    event = json.loads(line)
    return json.dumps({key: value for key, value in event.items() if key not in _STAMPS})


def _seconds(value: object) -> float | None:
    return value if isinstance(value, float) and math.isfinite(value) else None


def parse(content: bytes, *, source: str) -> tuple[Scenario, list[Skipped]]:
    """Read an events file as a scenario at its own pace, and list the lines that could not be used.

    The first event comes at once; a line without a time comes right after the one before, and a clock that went
    back adds no pause. `source` names the scenario.
    """
    recorded: list[Recorded] = []
    skipped: list[Skipped] = []
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            # Only a carriage return goes: blanks behind the brace belong to the frame.
            recorded.append(unstamp(line.removesuffix(b"\r")))
        except ValueError as error:
            skipped.append(Skipped(number, str(error)))
    pauses_s = _pauses_s(event.unix_ts_s for event in recorded)
    steps = tuple(Step(pause_s, event.message) for pause_s, event in zip(pauses_s, recorded, strict=True))
    return Scenario(name=source, steps=steps), skipped


def _pauses_s(times_s: Iterable[float | None]) -> Iterator[float]:
    last_s: float | None = None
    for time_s in times_s:
        yield max(0.0, time_s - last_s) if time_s is not None and last_s is not None else 0.0
        last_s = last_s if time_s is None else time_s
