"""Every shape in which the service, its documentation and its clients spell an event goes through every command."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.daemon import Site

STREAM = {"rtstream_id": "rts-1", "rtstream_name": "mic:default"}
MS, S = {"start": 1710000001234, "end": 1710000002345}, {"start": 1710000001.234, "end": 1710000002.345}

VARIANTS: list[Any] = [
    # transcripts: finality, place of the text, units
    {"channel": "transcript", **STREAM, "data": {"text": "plain", "is_final": True, **MS}},
    {"channel": "transcript", **STREAM, "data": {"text": "interim", "is_final": False, **MS}},
    {"channel": "transcript", **STREAM, "data": {"text": "text of finality", "is_final": "true", **S}},
    {"channel": "transcript", **STREAM, "data": {"text": "no finality", **S}},
    {"channel": "transcript", **STREAM, "isFinal": True, "text": "all on top", "start": "1710000001234", "end": "x"},
    {
        "channel": "transcript",
        "rtstream_name": "Capture mic - cap-1",
        "data": {"text": "relative", "start": 1.5, "end": 2},
    },
    {"channel": "transcript", "data": {"text": '{"summary": "JSON in text"}', "start": None, "end": []}},
    {"channel": "transcript", "data": {"text": ""}},
    {"channel": "transcript", "data": {"text": 7}},
    {"channel": "transcript"},
    {"type": "transcript", "text": "summary form", "is_final": True},
    {"type": "transcript.partial", "text": "legacy"},
    {"type": "transcript.final", "text": "legacy"},
    {"event_type": "rtstream.transcript", "data": {"text": "legacy"}},
    # indexes: both names each, the summary form, the key that older ones have
    {"channel": "visual_index", **STREAM, "data": {"text": "a chart", **MS}},
    {"channel": "scene_index", **STREAM, "data": {"text": "a chart", **S}},
    {"channel": "audio_index", **STREAM, "data": {"text": "a talk", **MS}},
    {"channel": "spoken_index", **STREAM, "data": {"summary": "a talk"}},
    {"type": "index", "index_type": "visual", "text": "a chart"},
    {"type": "index", "index_type": "audio", "text": "a talk"},
    {"type": "index", "index_type": 5},
    # alerts: five variants
    {"channel": "alert", "rtstream_id": "rts-1", "data": {"label": "l", "triggered": True, "confidence": 0.9, **MS}},
    {"channel": "alert", "rtstream_id": "rts-1", "data": {"event_label": "l", "timestamp": 1710000001234, "text": "t"}},
    {"channel": "alert", "data": {"label": "l", "confidence": 0.9, "text": "t"}},
    {
        "channel": "alert",
        "data": {"label": "l", "text": "t", "context": "c", "rtstream_id": "r", "scene_index_id": "s"},
    },
    {"channel": "alert", "label": "l", "text": "t", "context": "c", "rtstream_id": "r"},
    {
        "channel": "alert",
        "event_name": "l",
        "data": {"explanation": "e", "timestamp": "2026-03-02T10:15:30.123456+05:30"},
    },
    {"type": "alert", "label": "l", "triggered": True, "confidence": 0.9},
    # sessions: names, ids, states, lists of streams, errors
    {
        "channel": "capture_session",
        "event": "capture_session.created",
        "capture_session_id": "cap-1",
        "status": "created",
    },
    {"event": "capture_session.starting", "capture_session_id": "cap-1", "status": "starting"},
    {"type": "capture_session.active", "session_id": "cap-1", "data": {"rtstreams": [{**STREAM, "name": "mic"}]}},
    {
        "channel": "capture_session",
        "data": {"status": "active", "streams": [{"id": "rts-1"}]},
        "capture_session_id": "cap-1",
    },
    {"channel": "capture_session", "data": {"event": "capture_session.active", "channels": [{"channel_id": "mic"}]}},
    {
        "channel": "capture_session",
        "event": "capture_session.stopped",
        "capture_session_id": "cap-1",
        "data": {"video_id": "m-1"},
    },
    {
        "channel": "capture_session",
        "event": "capture_session.exported",
        "capture_session_id": "cap-1",
        "data": {"player_url": "u"},
    },
    {
        "channel": "capture_session",
        "event": "capture_session.failed",
        "session_id": "cap-2",
        "data": {"error": {"message": "m"}},
    },
    {"channel": "capture_session", "event": "capture_session.failed", "session_id": "cap-2", "data": {"code": "C"}},
    {"channel": "capture_session", "event": "capture_session.paused", "capture_session_id": "cap-1"},
    # what nobody has documented
    {"channel": "event_detection", "data": {"text": "new"}},
    {"channel": "upload", "progress": 0.5},
    {"data": None},
    {"data": ["a", "list"]},
    {"data": "text"},
    {},
    {"raw": "hello world"},
    {"raw_base64": "//4A"},
    {"message": "Internal server error", "connectionId": "x", "requestId": "y"},
]


@pytest.fixture
def variants(lone_site: Site) -> Site:
    """A directory whose file has every variant, stamped as a listener does."""
    lone_site.directory.mkdir(mode=0o700)
    lines = (
        json.dumps({"ts": "2026-03-02T10:15:30.123Z", "unix_ts": 1772446530.123 + number, **event})
        for number, event in enumerate(VARIANTS)
    )
    lone_site.files.events.write_text("".join(f"{line}\n" for line in lines))
    return lone_site


COMMANDS = [
    *(["query", "--format", form] for form in ("text", "json", "csv")),
    *(["tail", "-n", "1000", "--format", form] for form in ("text", "json", "csv")),
    ["read", "--cursor", "all"],
    ["stats"],
    ["stats", "--json"],
    ["verify"],
    ["verify", "--json"],
    *(["export", form] for form in ("srt", "vtt", "txt", "csv")),
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
async def test_no_variant_is_too_odd_for_a_command(variants: Site, words: list[str]) -> None:
    done = await variants.run(*words)
    assert (done.status, done.stderr) == (0, "")
    if words[0] in ("query", "tail", "read"):
        assert done.stdout.count("\n") == len(VARIANTS) + ("csv" in words)


@pytest.mark.parametrize(
    ("channel", "count"),
    [
        ("transcript", 14),
        ("visual_index", 3),
        ("scene_index", 3),
        ("audio_index", 3),
        ("alert", 7),
        ("capture_session", 10),
    ],
)
async def test_a_channel_is_found_under_each_of_its_names(variants: Site, channel: str, count: int) -> None:
    done = await variants.run("query", "--channel", channel, "--format", "json")
    assert done.stdout.count("\n") == count


async def test_what_was_said_is_exported_once_each(variants: Site) -> None:
    done = await variants.run("export", "txt")
    for words in ("plain", "text of finality", "no finality", "all on top", "relative", "summary form"):
        assert done.stdout.count(words) == 1
    assert "interim" not in done.stdout


@pytest.mark.parametrize(
    "name", ["capture_session.active", "capture_session.exported", "alert", "transcript", "upload"]
)
async def test_each_is_found_by_its_name(variants: Site, name: str) -> None:
    done = (
        await variants.run("wait", name, "--session", "cap-1")
        if name.startswith("capture")
        else await variants.run("wait", name)
    )
    assert (done.status, done.stdout.count("\n")) == (0, 1)
