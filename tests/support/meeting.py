"""Meetings of any length, from a seed: who speaks, what is seen, what goes off, as a service sends it."""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Iterator
from typing import Any

from videodb_listen.line import encode_line

BEGAN_S = 1_772_446_530.0

_SUBJECTS = (
    "The release",
    "Our budget",
    "The login test",
    "That invoice",
    "The new board",
    "Zoë's draft",
    "The outage",
)
_VERBS = ("is later than", "depends on", "was blocked by", "goes well with", "has to wait for", "replaces")
_OBJECTS = ("the review", "what we said on Tuesday", "the certificate", "the numbers of last week", "the team in Oslo")
_ENDS = (".", ", I think.", ", as far as I can see.", ", and nobody has told them yet.", ". Can you check that?")
_APPS = ("A browser", "An editor", "A terminal", "A slide", "A spreadsheet", "A calendar", "A video call", "A diagram")
_WORDS = re.findall(
    r"\w+",
    """shows columns of cards with short titles and coloured labels while the pointer rests near the upper left corner
    of a list whose second entry is selected and beside it a panel with several lines of text a small chart and two
    buttons one of them pressed below a narrow bar with icons the time and a notification that has not been read yet
    though somebody seems to be writing an answer in the other window""",
)


def ten_minutes(seed: int = 1) -> list[bytes]:
    """The lines of ten minutes: 420 interim and 86 final transcripts, 97 screens, 19 indexes, 4 alerts, 6 states."""
    rng = random.Random(seed)
    said = [_speech(rng, number, 600 / 86) for number in range(86)]
    events = [*itertools.chain(*said), *_screens(rng, 97, 600 / 97, scenes=14), *_indexes(rng, 19, 600 / 19)]
    events += [(at_s, _alert(rng, number)) for number, at_s in enumerate((95.0, 210.5, 377.0, 580.2))]
    interim = [event for event in events if event[1].get("data", {}).get("is_final") is False]
    for event in rng.sample(interim, len(interim) - 420):
        events.remove(event)
    events += [(at_s, _state(state)) for state, at_s in _STATES.items()]
    return _lines(events)


_STATES = {"created": 0.0, "starting": 0.5, "active": 1.0, "stopping": 598.0, "stopped": 599.0, "exported": 604.0}

Timed = tuple[float, dict[str, Any]]


def _lines(events: list[Timed]) -> list[bytes]:
    ordered = sorted(events, key=lambda event: event[0])
    return [encode_line(json.dumps(event, ensure_ascii=False).encode(), BEGAN_S + at_s) for at_s, event in ordered]


def _speech(rng: random.Random, number: int, every_s: float) -> Iterator[Timed]:
    """One utterance: five or six interim transcripts that grow, then the final one."""
    stream = "mic" if number % 3 != 1 else "system_audio"
    begin_s = 1.5 + number * every_s
    text = f"{rng.choice(_SUBJECTS)} {rng.choice(_VERBS)} {rng.choice(_OBJECTS)}{rng.choice(_ENDS)}"
    if rng.random() < 0.5:
        text += f" {rng.choice(_SUBJECTS)} {rng.choice(_VERBS)} {rng.choice(_OBJECTS)}."
    words = text.split()
    for step in range(1, 6):
        part = " ".join(words[: max(1, len(words) * step // 6)])
        yield begin_s + step * every_s / 8, _audio("transcript", stream, part, begin_s, is_final=False)
    yield begin_s + every_s * 0.8, _audio("transcript", stream, text, begin_s, is_final=True)


def _screens(rng: random.Random, count: int, every_s: float, scenes: int) -> Iterator[Timed]:
    """Descriptions of about 400 characters; within one scene they differ in a word or two."""
    bounds = sorted(rng.sample(range(1, count), scenes - 1))
    text = ""
    for number in range(count):
        if number in (0, *bounds):
            words = rng.sample(_WORDS, len(_WORDS))
            text = f"{rng.choice(_APPS)} {' '.join(words)}"[:400]
        shown = f"{text} {rng.randint(10, 99)}" if rng.random() < 0.4 else text
        data = {"text": shown, "start": _ms(number * every_s), "end": _ms((number + 1) * every_s)}
        stream = {"rtstream_id": "rts-display", "rtstream_name": "display:1"}
        yield 2 + (number + 1) * every_s * 0.99, {"channel": "visual_index", **stream, "data": data}


def _indexes(rng: random.Random, count: int, every_s: float) -> Iterator[Timed]:
    for number in range(count):
        text = f"They talk about it: {rng.choice(_SUBJECTS).lower()} {rng.choice(_VERBS)} {rng.choice(_OBJECTS)}."
        yield 3 + number * every_s, _audio("audio_index", rng.choice(["mic", "system_audio"]), text, number * every_s)


def _alert(rng: random.Random, number: int) -> dict[str, Any]:
    data = {
        "label": f"alert-{number}",
        "triggered": True,
        "confidence": 0.9,
        "text": f"{rng.choice(_APPS)} has a password.",
    }
    return {"channel": "alert", "rtstream_id": "rts-display", "data": data}


def _audio(channel: str, stream: str, text: str, begin_s: float, **more: Any) -> dict[str, Any]:
    data = {"text": text, **more, "start": _ms(begin_s), "end": _ms(begin_s + 4)}
    return {"channel": channel, "rtstream_id": f"rts-{stream}", "rtstream_name": f"{stream}:default", "data": data}


def _state(state: str) -> dict[str, Any]:
    streams = [{"rtstream_id": f"rts-{name}", "name": f"{name}:default"} for name in ("mic", "system_audio", "display")]
    data = {"status": state, **({"rtstreams": streams} if state == "active" else {})}
    name = f"capture_session.{state}"
    return {"channel": "capture_session", "event": name, "capture_session_id": "cap-1", "status": state, "data": data}


def _ms(at_s: float) -> int:
    return round((BEGAN_S + at_s) * 1000)
