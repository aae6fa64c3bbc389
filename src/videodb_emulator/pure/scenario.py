"""A session as a list of steps.

A scenario file is one JSON object:

    {"name": "standup",
     "description": "what happens, for people",
     "steps": [
       {"after_s": 0.5, "frame": {"channel": "transcript", "data": {"text": "Hi", "start": "{now_ms-900}"}}},
       {"after_s": 2, "frame": {...}, "note": "why this step is here; never sent"}]}

`after_s` is the time since the step before, or since the client connected, in seconds at speed 1 (0 if left out).
`frame` is an object; `templates` lists the placeholders that its strings may hold.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from videodb_emulator.pure.agenda import Message
from videodb_emulator.pure.templates import TemplateError, check

_STEP_KEYS = frozenset({"after_s", "frame", "note"})


class ScenarioError(ValueError):
    """A scenario cannot be found or read; the message names the file and the line or the step."""


@dataclass(frozen=True, slots=True)
class Step:
    """One message and how many seconds after the step before it is sent, at speed 1; an event is a template to fill."""

    after_s: float
    message: Message


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scripted session."""

    name: str
    steps: tuple[Step, ...]


def parse(content: bytes, *, source: str) -> Scenario:
    """Read a scenario file's content; `source` names the file in messages.

    Raises `ScenarioError`.
    """
    try:
        document = json.loads(content)
    except json.JSONDecodeError as error:
        raise ScenarioError(f"{source}, line {error.lineno}: not JSON ({error.msg})") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise ScenarioError(f"{source}: not JSON ({error})") from error
    if not isinstance(document, dict) or not isinstance(document.get("steps"), list):
        raise ScenarioError(f"{source}: a scenario is an object with a list of steps")
    return Scenario(str(document.get("name") or source), tuple(_steps(document["steps"], source)))


def _steps(entries: list[Any], source: str) -> Iterator[Step]:
    for number, entry in enumerate(entries, 1):
        problem = _problem(entry)
        if problem is not None:
            raise ScenarioError(f"{source}, step {number}: {problem}")
        yield Step(after_s=float(entry.get("after_s", 0)), message=entry["frame"])


def _problem(entry: Any) -> str | None:
    """Say what is wrong with a step of a file; None means nothing."""
    if not isinstance(entry, dict):
        return "not an object"
    unknown = sorted(set(entry) - _STEP_KEYS)
    if unknown:
        return f"unknown key {unknown[0]!r}; a step has after_s, frame and note"
    if not _is_delay(entry.get("after_s", 0)):
        return f"after_s is {entry['after_s']!r}, not a number of seconds"
    if not isinstance(entry.get("frame"), dict):
        return "frame is not an object"
    try:
        check(entry["frame"])
    except TemplateError as error:
        return str(error)
    return None


def _is_delay(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf
