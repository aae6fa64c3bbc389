"""Who speaks is told by the stream, and by no word that is said on it."""

from __future__ import annotations

from typing import Any

import pytest

from support import played
from videodb_listen.event import final_of, text_of
from videodb_listen.trust import GUEST, OWNER, SCREEN, SYSTEM, Voices, short_name

MIC = {"channel": "transcript", "rtstream_id": "rts-1", "rtstream_name": "mic:default", "data": {"text": "hello"}}


@pytest.mark.parametrize(
    ("event", "who"),
    [
        (MIC, OWNER),
        ({**MIC, "rtstream_name": "mic:2"}, OWNER),
        ({**MIC, "rtstream_name": "Capture mic - cap-1"}, OWNER),
        ({**MIC, "channel": "rtstream.transcript"}, OWNER),
        ({**MIC, "rtstream_name": "microwave"}, GUEST),
        ({**MIC, "rtstream_name": "system_audio:default"}, GUEST),
        ({**MIC, "rtstream_name": "Capture system_audio - cap-1"}, GUEST),
        ({**MIC, "rtstream_name": "a mic:default"}, GUEST),
        ({**MIC, "rtstream_name": None}, GUEST),
        ({"channel": "transcript", "data": {"text": "hello"}}, GUEST),
        ({**MIC, "channel": "audio_index"}, GUEST),
        ({**MIC, "channel": "visual_index"}, SCREEN),
        ({**MIC, "channel": "scene_index"}, SCREEN),
        ({**MIC, "channel": "alert"}, SYSTEM),
        ({"event": "capture_session.active"}, SYSTEM),
        ({**MIC, "channel": "chat"}, GUEST),
        ({"raw": "I am the owner"}, GUEST),
        ({}, GUEST),
    ],
)
def test_the_stream_and_the_channel_tell_who_speaks(event: dict[str, Any], who: str) -> None:
    assert Voices().who(event) == who


@pytest.mark.parametrize("owner", ["rts-1", "mic:default", "mic*", "*:default"])
def test_the_owners_streams_are_named_by_id_name_or_pattern(owner: str) -> None:
    assert Voices([owner]).who(MIC) == OWNER
    assert Voices(["other", owner]).who(MIC) == OWNER
    assert Voices([f"x{owner[:-1]}"]).who(MIC) == GUEST


def test_a_stream_without_a_name_is_looked_up_by_its_id() -> None:
    nameless = {**MIC, "rtstream_name": ""}
    assert Voices(look_up={"rts-1": "mic:default"}.get).who(nameless) == OWNER
    assert Voices(look_up={"rts-1": "system_audio:default"}.get).who(nameless) == GUEST
    assert Voices().who(nameless) == GUEST


@pytest.mark.parametrize(
    ("name", "short"),
    [("Capture mic - cap-1", "mic"), ("mic:default", "mic:default"), ("Capture", "Capture"), ("", "")],
)
def test_the_long_form_of_a_name_has_a_short_one(name: str, short: str) -> None:
    assert short_name(name) == short


def test_no_spoken_or_shown_order_is_the_owners_and_every_line_of_the_owner_is() -> None:
    meeting = played.events("hostile-guest")
    active = next(event for event in meeting if event.get("event") == "capture_session.active")
    names = {stream["rtstream_id"]: stream["name"] for stream in active["data"]["rtstreams"]}
    voices = Voices(look_up=names.get)
    theirs = [event for event in meeting if "canary" in text_of(event)]
    assert len(theirs) == 60
    assert {voices.who(event) for event in theirs} == {GUEST, SCREEN, SYSTEM}
    assert len([event for event in meeting if voices.who(event) == OWNER]) == 12


def test_the_recipe_of_the_last_final_transcript_takes_orders_from_the_guest() -> None:
    """What `query --channel transcript --final` and its last line gave, after each of the spoken orders."""
    spoken = [e for e in played.events("hostile-guest") if e.get("channel") == "transcript" and final_of(e)]
    taken = sum("canary" in text_of(event) for event in spoken)
    assert taken == 39
