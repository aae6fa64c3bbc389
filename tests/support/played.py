"""A scenario of the emulator, played into an events file at once: no process, no socket, no waiting."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

from videodb_emulator.pure.templates import Cast, fill
from videodb_emulator.scenarios.files import load
from videodb_listen.line import encode_line

BEGAN_S = 1_772_446_530.0


def lines(name: str) -> list[bytes]:
    """The lines that a listener writes while this scenario is played."""
    return [encode_line(json.dumps(frame).encode(), at_s) for at_s, frame in _frames(name)]


def events(name: str) -> list[dict[str, Any]]:
    """The same as events."""
    return [json.loads(line) for line in lines(name)]


def _frames(name: str) -> Iterator[tuple[float, Any]]:
    counter = itertools.count()
    cast = Cast(lambda size: next(counter).to_bytes(size))
    at_s = BEGAN_S
    for step in load(name).steps:
        at_s += step.after_s
        yield at_s, fill(step.message, cast, at_s)
