"""The disk: what the functions of `os`, `io` and `pathlib` do to it, and the ways in which it fails."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import gzip
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from faults.simulation.machine import Machine
from faults.simulation.world import World

HOME = Path("/simulated/box/home")


@pytest.fixture
def home(machine: Machine) -> Path:
    HOME.mkdir(mode=0o700)
    return HOME


def test_nothing_of_it_reaches_the_real_disk(home: Path) -> None:
    (home / "a").write_bytes(b"x")
    assert list(home.iterdir()) == [home / "a"]
    assert os.system(f"test -e {home}") != 0


def test_real_paths_are_left_alone(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("real")
    descriptor = os.open(tmp_path / "a", os.O_RDONLY)
    assert os.read(descriptor, 10) == b"real"
    os.close(descriptor)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_file_is_created_appended_to_read_and_cut(home: Path) -> None:
    descriptor = os.open(home / "a", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
    os.write(descriptor, b"hello ")
    os.write(descriptor, b"world")
    assert os.pread(descriptor, 5, 6) == b"world"
    os.ftruncate(descriptor, 5)
    os.write(descriptor, b"!")
    os.close(descriptor)
    assert (home / "a").read_bytes() == b"hello!"
    assert stat.S_IMODE((home / "a").stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        os.open(home / "a", os.O_RDWR | os.O_CREAT | os.O_EXCL)
    with pytest.raises(OSError, match="Bad file"):
        os.write(descriptor, b"")


def test_a_name_can_be_taken_over_while_the_file_that_had_it_stays_open(home: Path) -> None:
    (home / "a").write_text("old")
    descriptor = os.open(home / "a", os.O_RDONLY)
    (home / "b").write_text("new")
    (home / "b").replace(home / "a")
    assert (home / "a").read_text() == "new"
    assert os.pread(descriptor, 9, 0) == b"old"
    assert os.fstat(descriptor).st_nlink == 0
    assert not os.path.samestat(os.fstat(descriptor), (home / "a").stat())
    os.close(descriptor)


def test_objects_for_files_work_also_through_gzip(home: Path) -> None:
    with (home / "a.gz").open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb") as packed:
        packed.write(b"text\n" * 100)
    with gzip.open(home / "a.gz") as packed_again:
        assert packed_again.read() == b"text\n" * 100
    with os.fdopen(os.open(home / "b", os.O_WRONLY | os.O_CREAT), "wb") as file:
        file.write(b"b")
    assert sorted(path.name for path in home.glob("*")) == ["a.gz", "b"]


def test_a_lock_keeps_others_out_until_its_holder_dies(world: World, machine: Machine, home: Path) -> None:
    def lock() -> None:
        fcntl.flock(os.open(home / "lock", os.O_RDWR | os.O_CREAT), fcntl.LOCK_EX | fcntl.LOCK_NB)

    async def hold() -> None:
        lock()
        await asyncio.sleep(1e6)

    process = machine.start(hold)
    world.run(1)
    with pytest.raises(BlockingIOError):
        lock()
    process.kill()
    lock()


def test_a_full_disk_takes_what_there_is_room_for_then_nothing(machine: Machine, home: Path) -> None:
    full: list[str] = []
    machine.disk.free_bytes, machine.disk.on_full = 4, full.append
    descriptor = os.open(home / "a", os.O_WRONLY | os.O_CREAT)
    assert os.write(descriptor, b"123456") == 4
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        os.write(descriptor, b"56")
    assert full == [str(home / "a")] * 2
    os.close(descriptor)
    (home / "a").unlink()
    assert machine.disk.free_bytes == 4


def test_a_rule_sees_each_change_before_it_is_made_and_may_refuse_it(machine: Machine, home: Path) -> None:
    seen: list[str] = []

    def rule(call: str, path: str) -> None:
        seen.append(call)
        if call == "rename":
            raise OSError(errno.EIO, "broken", path)

    machine.disk.rules.append(rule)
    (home / "a").write_text("1")
    with pytest.raises(OSError, match="broken"):
        (home / "a").rename(home / "b")
    (home / "a").unlink()
    assert seen == ["open", "write", "rename", "unlink"]


def test_a_process_can_be_killed_before_any_change_it_makes(world: World, machine: Machine, home: Path) -> None:
    async def main() -> None:
        try:
            for number in range(10):
                (home / str(number)).write_text("x")
        finally:
            (home / "finally").write_text("x")

    process = machine.start(main)
    machine.disk.rules.append(_kill_at(7, process.kill))
    world.run(1)
    assert not process.alive
    assert [path.name for path in sorted(home.iterdir())] == ["0", "1", "2"]


def _kill_at(number: int, kill: Callable[[], None]) -> Callable[[str, str], None]:
    left = [number]

    def rule(_call: str, _path: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            kill()

    return rule


def test_a_loss_of_power_leaves_what_was_synced(machine: Machine, home: Path) -> None:
    descriptor = os.open(home / "a", os.O_WRONLY | os.O_CREAT)
    os.write(descriptor, b"synced")
    os.fdatasync(descriptor)
    os.write(descriptor, b" and not")
    machine.disk.lose_power()
    assert (home / "a").read_text() == "synced"


def test_it_is_known_when_each_byte_was_written(world: World, machine: Machine, home: Path) -> None:
    descriptor = os.open(home / "a", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for at in (10, 20):
        world.run(at)
        os.write(descriptor, b"12345")
    written = machine.disk.written(str(home / "a"))
    assert [written(offset) for offset in (1, 5, 6, 10)] == [10, 10, 20, 20]
