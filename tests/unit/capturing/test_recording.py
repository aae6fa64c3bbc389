"""Which channels a session records, and what becomes of what a stop interrupts."""

from __future__ import annotations

import asyncio

import pytest

from videodb_listen.capturing.recording import chosen, together, unless
from videodb_listen.channels import Channel, Channels
from videodb_listen.errors import RecorderFailed


def there(*ids: str) -> Channels:
    kinds = {"display": "video"}
    sent = [
        {"channel_id": one, "type": kinds.get(one.split(":")[0], "audio"), "is_default": "default" in one}
        for one in ids
    ]
    found = [Channel.of(one) for one in sent]
    return Channels.of(channel for channel in found if channel is not None)


HERE = there("mic:1", "mic:default", "display:1", "system_audio:default")


@pytest.mark.parametrize(
    ("kinds", "ids"),
    [
        ((), ["mic:default", "display:1", "system_audio:default"]),
        (("display", "mic"), ["display:1", "mic:default"]),
    ],
)
def test_one_channel_of_each_kind_is_recorded(kinds: tuple[str, ...], ids: list[str]) -> None:
    assert [channel.id for channel in chosen(HERE, kinds)] == ids


@pytest.mark.parametrize(
    ("found", "kinds", "said"),
    [
        (there("mic:1"), ("mic", "display"), "there is no display to record; found: mic:1"),
        (there(), (), "there is no channel to record; found: nothing"),
    ],
)
def test_what_is_missing_is_named_beside_what_is_there(found: Channels, kinds: tuple[str, ...], said: str) -> None:
    with pytest.raises(RecorderFailed) as failure:
        chosen(found, kinds)
    assert str(failure.value) == said


async def test_what_a_stop_interrupts_is_undone_before_anything_else_happens() -> None:
    stop, undone = asyncio.Event(), asyncio.Event()

    async def start() -> None:
        stop.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # as a process that is ended takes its time
            undone.set()

    assert not await unless(stop, asyncio.create_task(start()))
    assert undone.is_set()


async def test_what_comes_to_its_end_is_not_stopped_and_its_failure_is_raised() -> None:
    async def fail() -> None:
        raise RecorderFailed("the recorder has ended", fix="start it again")

    assert await unless(asyncio.Event(), asyncio.create_task(asyncio.sleep(0)))
    with pytest.raises(RecorderFailed):
        await unless(asyncio.Event(), asyncio.create_task(fail()))


async def test_of_two_things_that_are_waited_for_the_first_failure_ends_the_other() -> None:
    async def fail() -> None:
        raise RecorderFailed("the recorder has ended", fix="start it again")

    waiting = asyncio.create_task(asyncio.Event().wait())
    with pytest.raises(RecorderFailed):
        await together(waiting, asyncio.create_task(fail()))
    assert waiting.cancelled()
    await together(*(asyncio.create_task(asyncio.sleep(0)) for _ in range(2)))
