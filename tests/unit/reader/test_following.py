"""What comes is given once and in order, to loops that wait and to loops that must not."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from support.history import NOW_S, HandMade, line
from videodb_listen.reader import follow, query
from videodb_listen.system.watch import Watch


@pytest.fixture
def polled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel tells nothing."""
    monkeypatch.setattr(Watch, "_watch", lambda self: None)


@pytest.fixture(params=["told by the kernel", "polled"])
def _either_way(request: pytest.FixtureRequest) -> None:
    if request.param == "polled":
        request.getfixturevalue("polled")


def in_thread(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.mark.usefixtures("_either_way")
def test_following_gives_what_comes_and_nothing_from_before(site: HandMade) -> None:
    site.append(2)
    with follow(site.directory) as events:
        thread = in_thread(lambda: site.append(3))
        assert [next(events)["n"] for _ in range(3)] == [2, 3, 4]
        thread.join()
        site.rotate()
        thread = in_thread(lambda: site.append(1))
        assert next(events)["n"] == 5
        thread.join()
        site.clear()
        thread = in_thread(lambda: site.append(1))
        assert next(events)["n"] == 6
        thread.join()


def test_following_since_a_time_begins_there(site: HandMade) -> None:
    site.append(5)
    with follow(site.directory, query.channel("transcript"), since=NOW_S + 3) as events:
        assert [next(events)["n"] for _ in range(2)] == [3, 4]
        site.append(1)
        assert next(events)["n"] == 5


@pytest.mark.usefixtures("_either_way")
async def test_following_works_in_a_loop_that_must_not_block(site: HandMade) -> None:
    site.append(1)
    with follow(site.directory) as events:
        other = asyncio.create_task(asyncio.sleep(0))
        coming = asyncio.ensure_future(anext(events))
        await other
        assert not coming.done()
        site.append(2)
        assert (await coming)["n"] == 1
        async for event in events:
            assert event["n"] == 2
            break


def test_a_directory_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    site = HandMade(tmp_path / "later")

    def make() -> None:
        site.directory.mkdir()
        site.append(1)

    with follow(site.directory) as events:
        thread = in_thread(make)
        assert next(events)["n"] == 0
        thread.join()


def test_a_directory_that_goes_and_comes_back_is_followed(tmp_path: Path) -> None:
    site = HandMade(tmp_path / "it")
    site.directory.mkdir()
    site.append(1)
    with follow(site.directory, since=0) as events:
        assert next(events)["n"] == 0
        site.directory.rename(tmp_path / "gone")
        site.directory.mkdir()
        site.append(1)
        assert next(events)["n"] == 1


def test_lines_can_be_had_with_their_events_and_are_not_given_twice(site: HandMade) -> None:
    site.append(2)
    with follow(site.directory, since=0) as events:
        assert list(itertools.chain(*events.blocks())) == [(line(n), json.loads(line(n))) for n in range(2)]
        assert list(events.blocks()) == []
        site.append(1)
        assert next(events)["n"] == 2
