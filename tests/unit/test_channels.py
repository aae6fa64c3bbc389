"""Channels: their kind by their id, their groups, and what is told to the recorder."""

from __future__ import annotations

from typing import Any

import pytest

from videodb_listen.channels import PAUSE, RESUME, Channel, ChannelGroup, Channels, kind_of
from videodb_listen.errors import RequestRefused


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("mic", "mic"),
        ("mic:default", "mic"),
        ("MIC:Default", "mic"),
        ("screen", "display"),
        ("display:1", "display"),
        ("system_audio", "system_audio"),
        ("system_audio:default", "system_audio"),
        ("camera:0", "camera"),
        ("Capture mic - cap-1234", "mic"),
        ("Capture system_audio - cap-1234", "system_audio"),
        ("rtsp://somewhere/dynamic", None),
        ("", None),
    ],
)
def test_one_kind_has_many_words(text: str, kind: str | None) -> None:
    assert kind_of(text) == kind


@pytest.mark.parametrize(
    ("sent", "kind", "media_type"),
    [
        ({"channel_id": "mic:default", "type": "audio"}, "mic", "audio"),
        ({"channel_id": "display:1", "type": "video"}, "display", "video"),
        ({"channel_id": "screen:1", "type": "video"}, "display", "video"),
        ({"id": "system_audio:default"}, "system_audio", "audio"),
        ({"channel_id": "camera:0", "type": "video"}, "camera", "video"),
        ({"channel_id": "usb:7", "type": "audio"}, "mic", "audio"),
        ({"channel_id": "usb:screen mic", "type": "video"}, "display", "video"),
        ({"channel_id": "usb:7"}, None, ""),
    ],
)
def test_the_kind_is_in_the_prefix_of_the_id(sent: dict[str, Any], kind: str | None, media_type: str) -> None:
    channel = Channel.of(sent)
    assert channel is not None
    assert (channel.type, channel.media_type) == (kind, media_type)


@pytest.mark.parametrize("sent", [{}, {"channel_id": None}, {"channel_id": 7}, {"name": "x"}])
def test_what_has_no_id_is_no_channel(sent: dict[str, Any]) -> None:
    assert Channel.of(sent) is None


def test_the_default_is_the_systems_own_else_the_first() -> None:
    first, second = Channel("mic:1"), Channel("mic:2")
    assert ChannelGroup().default is None
    assert ChannelGroup([first, second]).default is first
    second.is_default = True
    assert ChannelGroup([first, second]).default is second
    assert ChannelGroup([first, second]).primary is second
    assert ChannelGroup([first, second]).all() == [first, second]


def test_channels_are_grouped_by_kind() -> None:
    ids = ["display:1", "mic:1", "camera:0", "mic:2", "system_audio:1", "usb:7"]
    channels = Channels.of(Channel(channel_id) for channel_id in ids)
    assert [channel.id for channel in channels.mics] == ["mic:1", "mic:2"]
    assert [channel.id for channel in channels.cameras] == ["camera:0"]
    assert [channel.id for channel in channels.all()] == ["mic:1", "mic:2", "display:1", "system_audio:1"]


def test_two_sets_of_channels_share_nothing() -> None:
    Channels.of([Channel("mic:1")])
    assert Channels().all() == []


def test_the_recorder_gets_five_fields() -> None:
    channel = Channel("mic:1", "Headset", "audio", store=True)
    described = {"channel_id": "mic:1", "type": "audio", "name": "Headset", "store": True, "is_primary": False}
    assert channel.to_dict() == described
    assert Channel.of(described) == channel


async def test_a_channel_is_paused_by_whoever_records_it() -> None:
    told: list[tuple[str, list[Channel]]] = []

    async def control(command: str, channels: list[Channel]) -> None:
        told.append((command, channels))

    channel = Channel.of({"channel_id": "display:1", "type": "video"}, control)
    assert channel is not None
    await channel.pause()
    await channel.resume()
    assert told == [(PAUSE, [channel]), (RESUME, [channel])]
    assert "control" not in repr(channel)


async def test_a_channel_that_nobody_records_cannot_be_paused() -> None:
    with pytest.raises(RequestRefused, match="nobody here records mic:1"):
        await Channel("mic:1").pause()


def test_each_kind_has_its_track() -> None:
    ids = ("mic:microphone", "display:1", "system_audio:mic", "camera:0")
    assert [Channel(channel_id).track() for channel_id in ids] == ["mic", "screen", "system_audio", "camera"]
    with pytest.raises(RequestRefused, match="usb:7 cannot be paused"):
        Channel("usb:7").track()
