"""A lock has one owner, and looking at it costs nobody anything."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from videodb_listen.system import locks


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "lock").touch()
    return tmp_path / "lock"


@pytest.fixture
def one(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def two(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR)
    yield descriptor
    os.close(descriptor)


def test_a_lock_is_taken_by_one_until_its_file_is_closed(path: Path, two: int) -> None:
    one = os.open(path, os.O_RDWR)
    assert locks.take(one)
    assert locks.is_taken(path)
    assert not locks.take(two)
    os.close(one)
    assert not locks.is_taken(path)
    assert locks.take(two)


def test_who_only_looks_keeps_nobody_from_taking_it(one: int, two: int, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl.flock(two, fcntl.LOCK_SH)
    waited = []

    def the_look_ends(seconds: float) -> None:
        waited.append(seconds)
        fcntl.flock(two, fcntl.LOCK_UN)

    monkeypatch.setattr("time.sleep", the_look_ends)
    assert locks.take(one)
    assert len(waited) == 1


def test_a_lock_that_is_held_is_given_up_on_soon(one: int, two: int, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    assert locks.take(one)
    assert not locks.take(two)
    assert len(waited) >= 2
    assert sum(waited) < 1.0


def test_two_may_look_at_once(path: Path, one: int) -> None:
    fcntl.flock(one, fcntl.LOCK_SH)
    assert not locks.is_taken(path)


def test_nobody_holds_a_file_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert not locks.is_taken(tmp_path / "nowhere" / "lock")
    assert not locks.is_taken(tmp_path / "file" / "below")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file"]


def test_a_fifo_in_its_place_does_not_hang_who_looks(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lock")
    assert not locks.is_taken(tmp_path / "lock")


def test_a_lock_that_cannot_be_looked_at_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to("lock")
    with pytest.raises(OSError, match="Too many levels"):
        locks.is_taken(tmp_path / "lock")
