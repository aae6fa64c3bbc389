"""What programs import: events as dictionaries, now, as they come, and awaited."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import videodb_listen
from support.history import NOW_S, HandMade
from videodb_listen import follow, query, read_events, wait_for
from videodb_listen.errors import TimedOut
from videodb_listen.system.watch import Watch


def test_what_is_there_is_read_as_dictionaries(site: HandMade) -> None:
    site.append(3)
    site.rotate()
    site.append(2, channel="alert")
    assert [event["n"] for event in read_events(site.directory)] == [0, 1, 2, 3, 4]
    assert [event["n"] for event in read_events(str(site.directory), query.channel("alert"))] == [3, 4]
    assert [event["n"] for event in read_events(site.directory, since=NOW_S + 3)] == [3, 4]
    assert [event["n"] for event in read_events(site.events)] == [3, 4]


def test_without_a_source_it_is_the_directory_of_the_commands(site: HandMade, monkeypatch: pytest.MonkeyPatch) -> None:
    site.append(1)
    monkeypatch.setenv("VIDEODB_EVENTS_DIR", str(site.directory))
    assert len(list(read_events())) == 1
    monkeypatch.delenv("VIDEODB_EVENTS_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", str(site.directory / "nowhere"))
    assert list(read_events()) == []


def test_damaged_lines_are_left_out(site: HandMade) -> None:
    site.append(1)
    with site.events.open("ab") as file:
        file.write(b"{half\n")
    site.append(1)
    assert [event["n"] for event in read_events(site.directory)] == [0, 1]


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


def test_waiting_gives_the_event_or_says_that_the_time_has_passed(site: HandMade) -> None:
    site.append(2)
    assert wait_for(query.channel("transcript"), site.directory, since=NOW_S + 1)["n"] == 1
    with pytest.raises(TimedOut, match="no such event within"):
        wait_for(query.channel("transcript"), site.directory, timeout_s=0.01)
    thread = in_thread(lambda: site.append(1))
    assert wait_for(query.ANY, site.directory, since=NOW_S + 2)["n"] == 2
    thread.join()


def test_a_watch_hears_only_of_the_names_it_was_given(tmp_path: Path) -> None:
    with Watch(tmp_path, ["it"]) as watch:
        (tmp_path / "other").touch()
        assert not watch.changed()
        (tmp_path / "it").touch()
        assert watch.changed()


def test_the_package_offers_its_names_and_no_others() -> None:
    assert {name: getattr(videodb_listen, name) for name in videodb_listen.__all__}
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        videodb_listen.nothing  # noqa: B018


@pytest.fixture
def loaded() -> Callable[[str], set[str]]:
    def modules_after(code: str) -> set[str]:
        program = f"import sys\n{code}\nprint(*sys.modules)"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        return set(done.stdout.split())

    return modules_after


def test_importing_the_package_loads_no_reader_and_reading_no_network(loaded: Callable[[str], set[str]]) -> None:
    assert "videodb_listen.reader" not in loaded("import videodb_listen")
    assert not {"asyncio", "ssl", "httpx2", "websockets"} & loaded("from videodb_listen import read_events, follow")
