"""Forcing bytes onto the disk, also when what that takes is short."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path
from typing import Any

import pytest

from videodb_listen.listener.sync import Syncer
from videodb_listen.settings import Disk


def no_descriptor(*_: object) -> int:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def unexpected(failure: OSError) -> None:
    raise AssertionError(failure)


def no_thread(*_: object) -> Any:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("short_of", ["descriptors", "threads"])
async def test_the_last_sync_is_done_also_without_a_free_descriptor_or_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short_of: str
) -> None:
    with (tmp_path / "events").open("wb", buffering=0) as file:
        syncer = Syncer(file.fileno(), tmp_path, Disk(), unexpected)
        file.write(b"12345")
        syncer.wrote()
        if short_of == "descriptors":
            monkeypatch.setattr(os, "dup", no_descriptor)
        else:
            monkeypatch.setattr(asyncio.get_running_loop(), "run_in_executor", no_thread)
        await syncer.finish()
    assert syncer.synced_to == 5


async def test_a_sync_that_finds_no_thread_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("videodb_listen.listener.sync.AGAIN_S", 0.0)
    loop = asyncio.get_running_loop()
    synced = asyncio.Event()
    tries = 0

    def second_time(executor: Any, work: Any, descriptor: int) -> Any:
        nonlocal tries
        tries += 1
        if tries == 1:
            os.close(descriptor)
            raise RuntimeError("can't start new thread")
        done = loop.create_future()
        done.set_result(work(descriptor))
        done.add_done_callback(lambda _: synced.set())
        return done

    monkeypatch.setattr(loop, "run_in_executor", second_time)
    with (tmp_path / "events").open("wb", buffering=0) as file:
        syncer = Syncer(file.fileno(), tmp_path, Disk(fsync="always"), unexpected)
        file.write(b"12345")
        syncer.wrote()
        await synced.wait()
        await syncer.finish()
    assert (tries, syncer.synced_to) == (2, 5)
