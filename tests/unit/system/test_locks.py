"""A lock has one owner, and looking at it costs nobody anything."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.someone_else import as_nobody, in_child, needs_root
from videodb_listen.system import locks

linux = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="/proc says who holds what")

WITH_THE_FILE_OPEN = """
import fcntl, sys
file = open(sys.argv[1], "r+")
if sys.argv[2] != "none":
    fcntl.flock(file, getattr(fcntl, sys.argv[2]))
print("ready", flush=True)
sys.stdin.read()
"""


@contextmanager
def somebody(path: Path, lock: str) -> Iterator[int]:
    """Another process that has the file open; `lock` is that of flock(2), or none."""
    command = [sys.executable, "-S", "-c", WITH_THE_FILE_OPEN, str(path), lock]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process.pid
        process.kill()


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


def test_a_fifo_in_its_place_is_an_error_and_does_not_hang_who_looks(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lock")
    with pytest.raises(OSError, match="not a regular file"):
        locks.is_taken(tmp_path / "lock")


def test_a_lock_that_cannot_be_looked_at_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to("lock")
    with pytest.raises(OSError, match="Too many levels"):
        locks.is_taken(tmp_path / "lock")


@linux
def test_a_process_holds_a_lock_until_it_lets_it_go(path: Path, one: int) -> None:
    assert (locks.holds(os.getpid(), path), locks.holder(path)) == (False, None)
    fcntl.flock(one, fcntl.LOCK_EX)
    assert (locks.holds(os.getpid(), path), locks.holder(path)) == (True, os.getpid())
    fcntl.flock(one, fcntl.LOCK_UN)
    assert (locks.holds(os.getpid(), path), locks.holder(path)) == (False, None)


@linux
def test_who_holds_a_lock_is_found_without_being_named_and_whoever_else_is_named(path: Path) -> None:
    with somebody(path, "LOCK_EX") as pid:
        for named in (None, os.getpid(), 1, 2**22 + 1):
            assert locks.holder(path, named) == pid


@linux
@pytest.mark.parametrize("lock", ["none", "LOCK_SH"])
def test_to_have_a_file_open_or_to_look_at_its_lock_is_not_to_hold_it(path: Path, one: int, lock: str) -> None:
    with somebody(path, lock) as pid:
        assert locks.holds(pid, path) is False
        assert locks.holder(path, pid) is None


@linux
def test_a_process_that_waits_for_a_lock_does_not_hold_it(path: Path, one: int) -> None:
    fcntl.flock(one, fcntl.LOCK_EX)
    with subprocess.Popen(["flock", path, "true"]) as waiting:
        while f"FLOCK  ADVISORY  WRITE {waiting.pid} " not in Path("/proc/locks").read_text():
            assert waiting.poll() is None
        assert locks.holds(waiting.pid, path) is False
        assert locks.holder(path, waiting.pid) == os.getpid()
        waiting.kill()


@linux
def test_a_lock_of_another_file_is_none_of_this_one(path: Path, tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    with somebody(tmp_path / "other", "LOCK_EX") as pid:
        assert locks.holds(pid, path) is False
    assert locks.holds(pid, path) is False  # it is gone
    assert locks.holds(os.getpid(), tmp_path / "nowhere") is False


@linux
@needs_root
def test_what_a_process_of_someone_else_holds_cannot_be_told(open_to_all: Path) -> None:
    path = open_to_all / "lock"
    path.touch()
    with path.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)

        def work() -> tuple[bool | None, int | None]:
            as_nobody()
            return locks.holds(os.getppid(), path), locks.holder(path, os.getppid())

        assert in_child(work) == [None, None]


@pytest.mark.skipif(shutil.which("lsof") is None, reason="lsof is not installed")
def test_without_proc_a_process_that_is_named_holds_a_lock_when_it_has_the_file_open(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with somebody(path, "LOCK_EX") as pid:
        monkeypatch.setattr(Path, "exists", lambda _: False)
        assert locks.holder(path, pid) == pid
        assert locks.holder(path, os.getpid()) is None
        assert locks.holder(path) is None
