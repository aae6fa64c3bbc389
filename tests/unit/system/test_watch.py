"""A change is told of, from the moment the watch is made, and never costs more than a look now and then."""

from __future__ import annotations

import select
import sys
import time
from pathlib import Path

import pytest

from videodb_listen.system import watch as watch_module
from videodb_listen.system.watch import Watch

LIMIT_S = 10.0

told = pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells of changes on Linux only")


@told
def test_a_change_between_making_a_watch_and_waiting_is_not_missed(tmp_path: Path) -> None:
    with Watch(tmp_path) as watch:
        (tmp_path / "it").touch()
        began_s = time.monotonic()
        watch.wait(LIMIT_S)
    assert time.monotonic() - began_s < watch_module.LOOK_ANYWAY_S


@told
def test_only_changes_of_the_named_files_are_told(tmp_path: Path) -> None:
    with Watch(tmp_path, ["it"]) as watch:
        (tmp_path / "other").touch()
        assert not watch.changed()
        (tmp_path / "other").rename(tmp_path / "it")
        assert watch.changed()
        assert not watch.changed()


@told
def test_a_descriptor_is_readable_after_a_change(tmp_path: Path) -> None:
    with Watch(tmp_path) as watch:
        descriptor = watch.fileno()
        assert descriptor is not None
        assert select.select([descriptor], [], [], 0)[0] == []
        (tmp_path / "it").touch()
        assert select.select([descriptor], [], [], 0)[0] == [descriptor]


@told
def test_a_directory_that_was_made_anew_is_watched_again(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    directory.mkdir()
    with Watch(directory) as watch:
        directory.rename(tmp_path / "old")
        assert watch.changed()
        assert watch.fileno() is None
        directory.mkdir()
        watch.wait(0.0)
        assert watch.fileno() is not None
        (directory / "it").touch()
        assert watch.changed()


def test_where_nothing_is_told_a_change_is_always_possible_and_looks_are_not_far_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    with Watch(tmp_path / "not there yet") as watch:
        assert watch.fileno() is None
        assert watch.changed()
        watch.wait()
        watch.wait(0.01)
    assert slept == [watch_module.POLL_S, 0.01]


@told
def test_a_change_that_nobody_told_of_stays_unseen_no_longer_than_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "LOOK_ANYWAY_S", 0.05)
    with Watch(tmp_path) as watch:
        began_s = time.monotonic()
        watch.wait()
    assert 0.05 <= time.monotonic() - began_s < LIMIT_S
