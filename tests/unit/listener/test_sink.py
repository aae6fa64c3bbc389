"""Lines reach the file whole, in order and once, whatever the disk does meanwhile."""

import asyncio
import errno
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videodb_listen import settings
from videodb_listen.errors import DirectoryUnusable, SinkError
from videodb_listen.listener import events_file
from videodb_listen.listener import sink as sink_module
from videodb_listen.listener.repair import repair_tail
from videodb_listen.listener.sink import Sink
from videodb_listen.paths import Layout

NOW_S = 1772446530.0
LIMIT_S = 10.0


def lines(count: int, size: int = 10) -> list[bytes]:
    return [b'{"n":%d,"x":"%s"}\n' % (n, b"x" * size) for n in range(count)]


@dataclass
class Opened:
    """An open sink, and what it has told its owner."""

    layout: Layout
    disk: settings.Disk = field(default_factory=lambda: settings.Disk(fsync="never"))
    held: bool = False
    full: int = 0
    failures: list[SinkError] = field(default_factory=list)
    troubles: list[str | None] = field(default_factory=list)
    repairs: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.full_told = asyncio.Event()
        self.failed = asyncio.Event()
        self.sink = Sink(
            self.layout,
            self.disk,
            settings.Rotation(),
            shared=False,
            now=lambda: NOW_S,
            on_full=self._on_full,
            on_failure=self._on_failure,
            on_trouble=self.troubles.append,
            on_repaired=self.repairs.append,
        )

    async def open(self) -> Self:
        await self.sink.open(held=self.held)
        return self

    def _on_full(self) -> None:
        self.full += 1
        self.full_told.set()

    def _on_failure(self, failure: SinkError) -> None:
        self.failures.append(failure)
        self.failed.set()

    def append(self, *them: bytes) -> None:
        for line in them:
            self.sink.append(line)

    @property
    def content(self) -> bytes:
        return self.layout.events.read_bytes()


class Disk:
    """os.write as the test wants it, for the events file only: a number is a short write, `None` a whole one."""

    def __init__(self, patch: pytest.MonkeyPatch, layout: Layout) -> None:
        self.script: list[int | OSError | None] = []
        self.for_ever: OSError | None = None
        self.writes: list[bytes] = []
        self._path = layout.events
        self._real = os.write
        patch.setattr(os, "write", self._write)

    def _write(self, descriptor: int, data: bytes) -> int:
        if not self._path.exists() or not os.path.samestat(os.fstat(descriptor), self._path.stat()):
            return self._real(descriptor, data)
        then = self.script.pop(0) if self.script else self.for_ever
        if isinstance(then, OSError):
            raise then
        written = self._real(descriptor, data if then is None else data[: max(1, then)])
        self.writes.append(bytes(data[:written]))
        return written


def refusal(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch, layout: Layout) -> Disk:
    return Disk(monkeypatch, layout)


async def turn() -> None:
    """Let the loop run what is due now."""
    await asyncio.sleep(0)


# -- a good disk -----------------------------------------------------------------------------------------------------


async def test_lines_of_one_turn_leave_in_one_write(layout: Layout, disk: Disk) -> None:
    opened = await Opened(layout).open()
    opened.append(*lines(100))
    assert disk.writes == []
    await turn()
    assert disk.writes == [b"".join(lines(100))]
    await opened.sink.close()


async def test_lines_and_bytes_of_this_run_are_counted(layout: Layout) -> None:
    layout.events.write_bytes(b'{"old":1}\n')
    opened = await Opened(layout).open()
    opened.append(*lines(7))
    assert (opened.sink.events, opened.sink.bytes) == (7, len(b"".join(lines(7))))
    await opened.sink.close()
    assert opened.content == b'{"old":1}\n' + b"".join(lines(7))


async def test_closing_writes_what_the_turn_has_not_written_yet(layout: Layout) -> None:
    opened = await Opened(layout).open()
    opened.append(*lines(3))
    await opened.sink.close()
    assert opened.content == b"".join(lines(3))


async def test_a_torn_tail_is_repaired_before_anything_is_appended(layout: Layout) -> None:
    layout.events.write_bytes(b'{"a":1}\n{"torn')
    opened = await Opened(layout).open()
    opened.append(b'{"b":2}\n')
    await opened.sink.close()
    assert len(opened.repairs) == 1
    assert opened.content == b'{"a":1}\n{"b":2}\n'


async def test_a_file_that_cannot_be_repaired_is_said_with_its_name(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout.events.write_bytes(b'{"torn')

    def full(*_: Any) -> None:
        raise refusal(errno.ENOSPC)

    monkeypatch.setattr(os, "fdatasync", full)
    with pytest.raises(DirectoryUnusable, match=r"videodb_events\.jsonl cannot be made ready: No space left"):
        await Opened(layout).open()
    assert layout.events.read_bytes() == b'{"torn'


# -- a disk that refuses ---------------------------------------------------------------------------------------------


async def test_a_short_write_is_completed_at_once(layout: Layout, disk: Disk) -> None:
    disk.script = [5, 3, 40]
    opened = await Opened(layout).open()
    opened.append(*lines(10))
    await turn()
    assert opened.content == b"".join(lines(10))
    await opened.sink.close()


async def test_a_disk_that_refuses_is_trouble_until_it_takes_again(layout: Layout, disk: Disk) -> None:
    opened = await Opened(layout).open()
    disk.for_ever = refusal(errno.ENOSPC)
    opened.append(*lines(1))
    opened.sink.flush()
    opened.sink.flush()
    assert opened.troubles == [f"{layout.events}: No space left on device"]
    disk.for_ever = None
    opened.sink.flush()
    assert opened.troubles[1:] == [None]
    await opened.sink.close()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EAGAIN])
async def test_lines_wait_in_order_while_the_disk_refuses(
    layout: Layout, disk: Disk, said: list[str], number: int
) -> None:
    opened = await Opened(layout).open()
    disk.script = [7, refusal(number)]  # half a line, then no more
    opened.append(*lines(5))
    await turn()
    assert opened.content == b"".join(lines(5))[:7]
    assert os.strerror(number) in said[0]
    opened.append(b'{"later":1}\n')
    opened.sink.flush()
    assert opened.content == b"".join(lines(5)) + b'{"later":1}\n'
    assert opened.failures == []
    await opened.sink.close()


async def test_a_refused_write_is_tried_again_by_itself(
    layout: Layout, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sink_module, "RETRY_S", 0.001)
    opened = await Opened(layout, settings.Disk(fsync="never", memory_limit_bytes=1)).open()
    disk.script = [refusal(errno.ENOSPC)] * 4
    opened.append(*lines(3))
    assert not opened.sink.room.is_set()
    async with asyncio.timeout(LIMIT_S):
        await opened.sink.room.wait()
    assert opened.content == b"".join(lines(3))
    await opened.sink.close()


async def test_not_every_line_tries_a_disk_that_has_just_refused(layout: Layout, disk: Disk) -> None:
    opened = await Opened(layout).open()
    disk.for_ever = refusal(errno.ENOSPC)
    opened.append(*lines(1))
    await turn()
    tries = [refusal(errno.ENOSPC)] * 50
    disk.script = list(tries)
    for line in lines(20):
        opened.append(line)
        await turn()
    assert len(disk.script) == len(tries)
    disk.script, disk.for_ever = [], None
    await opened.sink.close()


async def test_a_full_disk_is_said_once_and_again_when_it_fills_anew(
    layout: Layout, disk: Disk, said: list[str]
) -> None:
    opened = await Opened(layout).open()
    disk.for_ever = refusal(errno.ENOSPC)
    opened.append(*lines(2))
    for _ in range(10):
        opened.sink.flush()
    assert len(said) == 1
    disk.for_ever = None
    opened.sink.flush()
    disk.script = [refusal(errno.ENOSPC)]
    opened.append(*lines(1))
    opened.sink.flush()
    assert len(said) == 2
    await opened.sink.close()


async def test_the_daemon_is_told_once_when_memory_is_full_and_sees_when_there_is_room(
    layout: Layout, disk: Disk
) -> None:
    opened = await Opened(layout, settings.Disk(fsync="never", memory_limit_bytes=100)).open()
    disk.for_ever = refusal(errno.ENOSPC)
    assert opened.sink.room.is_set()
    opened.append(*lines(50))
    assert opened.full == 1
    assert not opened.sink.room.is_set()
    await turn()
    opened.append(*lines(50))
    assert opened.full == 1
    disk.for_ever = None
    opened.sink.flush()
    assert opened.sink.room.is_set()
    assert opened.content == b"".join(lines(50)) * 2  # what came after it is not lost either
    disk.for_ever = refusal(errno.ENOSPC)
    opened.append(*lines(50))
    assert opened.full == 2
    disk.for_ever = None
    await opened.sink.close()


async def test_a_burst_that_the_disk_takes_does_not_fill_the_memory(layout: Layout, disk: Disk) -> None:
    opened = await Opened(layout, settings.Disk(fsync="never", memory_limit_bytes=100)).open()
    opened.append(*lines(1000))
    assert opened.full == 0
    assert opened.sink.room.is_set()
    await opened.sink.close()
    assert opened.content == b"".join(lines(1000))


async def test_an_io_error_ends_the_recording_and_names_the_last_good_sync(layout: Layout, disk: Disk) -> None:
    opened = await Opened(layout, settings.Disk(fsync="interval", fsync_interval_s=0.001)).open()
    synced = await syncs_of(opened, *lines(4))
    disk.script = [refusal(errno.EIO)]
    opened.append(*lines(1))
    await turn()
    (failure,) = opened.failures
    assert failure.status == 74
    assert "Input/output error" in failure.message
    assert f"synced up to byte {synced}" in failure.message
    opened.append(*lines(1))
    await turn()
    with pytest.raises(SinkError) as last:
        await opened.sink.close()
    assert last.value is failure  # told once, and not covered up by the lines that are left over
    assert opened.failures == [failure]


async def syncs_of(opened: Opened, *them: bytes) -> int:
    """Append lines and return the size of the file once the automatic sync has covered it."""
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    real = os.fdatasync

    def watched(descriptor: int) -> None:
        real(descriptor)
        loop.call_soon_threadsafe(done.set)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fdatasync", watched)
        opened.append(*them)
        async with asyncio.timeout(LIMIT_S):
            await done.wait()
            while not opened.sink._file._syncer.synced_to:
                await turn()
    return opened.sink._file._syncer.synced_to


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
async def test_closing_with_lines_left_over_says_how_many(layout: Layout, disk: Disk, number: int) -> None:
    opened = await Opened(layout).open()
    disk.script = [len(lines(1)[0]) + 4]  # one line and a bit of the second
    disk.for_ever = refusal(number)
    opened.append(*lines(5))
    with pytest.raises(SinkError, match="stopped with 4 lines"):
        await opened.sink.close()


async def test_closing_after_an_io_error_still_names_it(layout: Layout, disk: Disk) -> None:
    opened = await Opened(layout).open()
    disk.for_ever = refusal(errno.EIO)
    opened.append(*lines(2))
    with pytest.raises(SinkError, match=r"Input/output error.*last synced up to byte"):
        await opened.sink.close()


async def test_nothing_is_written_after_the_file_is_closed(
    layout: Layout, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sink_module, "RETRY_S", 0.0)
    opened = await Opened(layout).open()
    disk.for_ever = refusal(errno.ENOSPC)
    opened.append(*lines(1))
    with pytest.raises(SinkError, match="stopped with 1 lines"):
        await opened.sink.close()
    with (layout.directory / "another").open("wb") as other:  # most likely it has the number that ours had
        disk.for_ever = None
        for _ in range(5):
            await turn()
        assert opened.failures == []
        assert os.fstat(other.fileno()).st_size == 0


# -- held, cleared ---------------------------------------------------------------------------------------------------


async def test_a_file_that_was_moved_before_the_hello_is_not_the_one_that_is_emptied(layout: Layout) -> None:
    layout.events.write_bytes(b'{"old":1}\n')
    opened = await Opened(layout, held=True).open()
    opened.append(*lines(1))
    moved = layout.events.rename(layout.directory / "moved")
    opened.sink.clear()
    await opened.sink.close()
    assert moved.read_bytes() == b'{"old":1}\n'
    assert opened.content == lines(1)[0]


async def test_held_lines_wait_for_the_clearing_and_the_file_keeps_its_inode(layout: Layout) -> None:
    layout.events.write_bytes(b'{"old":1}\n')
    inode = layout.events.stat().st_ino
    opened = await Opened(layout, held=True).open()
    opened.append(*lines(2))
    await turn()
    assert opened.content == b'{"old":1}\n'
    opened.sink.clear()
    assert opened.content == b"".join(lines(2))
    assert layout.events.stat().st_ino == inode
    opened.append(b'{"later":1}\n')
    await opened.sink.close()
    assert opened.content == b"".join(lines(2)) + b'{"later":1}\n'


async def test_a_start_that_fails_destroys_nothing(layout: Layout) -> None:
    layout.events.write_bytes(b'{"old":1}\n')
    opened = await Opened(layout, held=True).open()
    opened.append(*lines(2))
    await opened.sink.close()
    assert opened.content == b'{"old":1}\n' + b"".join(lines(2))


@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS])
async def test_a_file_that_cannot_be_emptied_is_a_failure_of_the_sink(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    opened = await Opened(layout, held=True).open()

    def refuse(*_: int) -> None:
        raise refusal(number)

    monkeypatch.setattr(os, "ftruncate", refuse)
    opened.append(*lines(1))
    with pytest.raises(SinkError, match=os.strerror(number)):
        opened.sink.clear()
    assert os.strerror(number) in opened.failures[0].message
    with pytest.raises(SinkError, match=os.strerror(number)):
        await opened.sink.close()


async def test_a_file_that_was_renamed_is_not_emptied(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    layout.events.write_bytes(b'{"old":1}\n')
    opened = await Opened(layout, held=True).open()
    moved = layout.events.rename(layout.directory / "moved")

    def full(*_: object, **__: object) -> int:
        raise DirectoryUnusable("no room", fix="make room")

    monkeypatch.setattr("videodb_listen.listener.events_file.open_private", full)
    with pytest.raises(SinkError, match="belongs to another file, or to none"):
        opened.sink.clear()
    assert moved.read_bytes() == b'{"old":1}\n'
    with pytest.raises(SinkError):
        await opened.sink.close()


async def test_held_lines_never_leave_the_daemon_without_room_to_connect(layout: Layout) -> None:
    opened = await Opened(layout, settings.Disk(fsync="never", memory_limit_bytes=100), held=True).open()
    opened.append(*lines(50))
    try:
        assert opened.sink.room.is_set()  # without a connection there is no clear(), without room no connection
    finally:
        await opened.sink.close()


# -- somebody else's hand in the file --------------------------------------------------------------------------------


async def written(opened: Opened, *them: bytes) -> None:
    """Append them, and wait until nothing is being mended."""
    opened.append(*them)
    await turn()
    while opened.sink._mending:
        await asyncio.wait([opened.sink._mending])


@pytest.mark.parametrize("cut", range(1, 30))
async def test_wherever_somebody_cuts_the_file_the_next_line_begins_a_line(layout: Layout, cut: int) -> None:
    opened = await Opened(layout).open()
    first, second, third = lines(3)
    await written(opened, first)
    os.truncate(layout.events, len(first) - min(cut, len(first)))
    await written(opened, second, third)
    await opened.sink.close()
    kept = first[:-1] + b"\n" if cut == 1 else b""  # it lacked nothing but its newline
    assert opened.content == kept + second + third
    assert len(opened.repairs) == (cut < len(first))


async def test_a_line_that_is_half_written_waits_again_when_somebody_appends_behind_it(
    layout: Layout, disk: Disk
) -> None:
    opened = await Opened(layout).open()
    disk.script, disk.for_ever = [7], refusal(errno.ENOSPC)
    opened.append(*lines(2))
    await turn()
    with layout.events.open("ab") as others:
        others.write(b"mine\n")
    disk.for_ever = None
    await opened.sink.close()
    assert opened.content == lines(1)[0][:7] + b"mine\n" + b"".join(lines(2))


async def test_lines_wait_in_order_while_a_fragment_is_moved(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, going_on = threading.Event(), threading.Event()
    real = repair_tail

    def slow(*args: Any, **how: Any) -> str | None:
        begun.set()
        assert going_on.wait(LIMIT_S)
        return real(*args, **how)

    opened = await Opened(layout).open()
    layout.events.write_bytes(b'{"hal')
    monkeypatch.setattr(events_file, "repair_tail", slow)
    first, *others = lines(5)
    opened.append(first)
    await turn()
    assert await asyncio.to_thread(begun.wait, LIMIT_S)
    for line in others:
        opened.append(line)
        opened.sink.reopen()  # as a SIGHUP does
        await turn()
    assert opened.content == b'{"hal'
    going_on.set()
    await opened.sink.close()
    assert opened.content == b"".join(lines(5))


async def test_a_fragment_that_cannot_be_moved_is_tried_again_and_nothing_is_glued_onto_it(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sink_module, "RETRY_S", 0.0)
    opened = await Opened(layout).open()
    layout.events.write_bytes(b'{"hal')
    refusals = [refusal(errno.ENOSPC), refusal(errno.EDQUOT)]
    real = repair_tail

    def refusing(*args: Any, **how: Any) -> str | None:
        if refusals:
            raise refusals.pop()
        return real(*args, **how)

    monkeypatch.setattr(events_file, "repair_tail", refusing)
    opened.append(*lines(2))
    while not opened.repairs:
        await turn()
    await opened.sink.close()
    assert opened.content == b"".join(lines(2))
    assert opened.troubles[0] is not None
    assert opened.troubles[-1] is None


async def test_a_trap_where_the_fragment_would_go_ends_the_recording(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trap(*_: Any, **__: Any) -> None:
        raise DirectoryUnusable("a trap", fix="remove it")

    opened = await Opened(layout).open()
    layout.events.write_bytes(b'{"hal')
    monkeypatch.setattr(events_file, "repair_tail", trap)
    await written(opened, *lines(1))
    assert [failure.fix for failure in opened.failures] == ["remove it"]
    with pytest.raises(SinkError, match="a trap"):
        await opened.sink.close()


async def test_a_fragment_is_moved_also_where_no_thread_can_be_started(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = await Opened(layout).open()
    layout.events.write_bytes(b'{"hal')

    def no_thread(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(asyncio.get_running_loop(), "run_in_executor", no_thread)
    await written(opened, *lines(1))
    assert opened.content == lines(1)[0]
    await opened.sink.close()


async def test_want_of_memory_is_waited_for_like_want_of_room(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink_module, "RETRY_S", 0.0)
    opened = await Opened(layout).open()
    real, short = opened.sink._file.write, [MemoryError()]

    def write(data: bytes) -> int:
        if short:
            raise short.pop()
        return real(data)

    monkeypatch.setattr(opened.sink._file, "write", write)
    opened.append(*lines(2))
    while opened.content != b"".join(lines(2)):
        await turn()
    assert opened.troubles[0] is not None
    assert "memory" in opened.troubles[0]
    await opened.sink.close()


async def test_what_cannot_be_read_back_of_an_unlinked_file_ends_the_recording(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = await Opened(layout).open()
    await written(opened, *lines(1))
    layout.events.unlink()

    def stale(*_: Any) -> bytes:
        raise refusal(errno.ESTALE)

    monkeypatch.setattr(os, "pread", stale)
    opened.sink.follow_name()
    assert "reading back" in opened.failures[0].message


# -- reopened --------------------------------------------------------------------------------------------------------


async def test_after_a_rename_lines_go_on_in_a_new_file_and_none_is_lost(layout: Layout) -> None:
    opened = await Opened(layout).open()
    opened.append(*lines(2))
    await turn()
    moved = layout.events.rename(layout.directory / "moved")
    opened.append(b'{"between":1}\n')
    opened.sink.reopen()
    opened.append(b'{"new":1}\n')
    await opened.sink.close()
    assert moved.read_bytes() == b"".join(lines(2)) + b'{"between":1}\n'
    assert opened.content == b'{"new":1}\n'
    assert layout.events.stat().st_mode & 0o777 == 0o600


async def test_reopening_without_a_rename_goes_on_in_the_same_file(layout: Layout) -> None:
    opened = await Opened(layout).open()
    for line in lines(3):
        opened.append(line)
        opened.sink.reopen()
    await opened.sink.close()
    assert opened.content == b"".join(lines(3))


def open_files() -> int:
    """Return how many descriptors are open; always the same where the system does not say."""
    listing = Path("/proc/self/fd")
    return len(list(listing.iterdir())) if listing.exists() else 0


async def test_the_old_file_is_synced_and_closed_when_a_new_one_is_opened(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = await Opened(layout, settings.Disk(fsync="interval", fsync_interval_s=3600)).open()
    opened.append(*lines(1))
    await turn()
    synced: list[os.stat_result] = []
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: synced.append(os.fstat(descriptor)))
    before = open_files()
    moved = layout.events.rename(layout.directory / "moved")
    opened.sink.reopen()
    await until(lambda: open_files() == before)
    assert len(synced) == 1
    assert os.path.samestat(synced[0], moved.stat())
    await opened.sink.close()


async def test_a_file_that_cannot_be_opened_anew_is_said_and_the_old_one_is_kept(
    layout: Layout, said: list[str]
) -> None:
    opened = await Opened(layout).open()
    moved = layout.events.rename(layout.directory / "moved")
    layout.events.mkdir()
    opened.sink.reopen()
    opened.append(*lines(1))
    await opened.sink.close()
    assert moved.read_bytes() == b"".join(lines(1))
    assert "recording goes on in the file that was open" in said[0]


async def test_reopening_before_the_file_is_open_does_nothing(layout: Layout) -> None:
    sink = Sink(
        layout,
        settings.Disk(),
        settings.Rotation(),
        shared=False,
        now=lambda: NOW_S,
        on_full=lambda: None,
        on_failure=lambda _: None,
    )
    sink.reopen()
    assert not layout.events.exists()


async def test_no_line_is_split_over_two_files(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = await Opened(layout).open()
    old = layout.events.stat()
    real, taken = os.write, [5]

    def full(descriptor: int, data: bytes) -> int:
        if not os.path.samestat(os.fstat(descriptor), old):
            return real(descriptor, data)
        if not taken:
            raise refusal(errno.ENOSPC)
        return real(descriptor, data[: taken.pop()])

    monkeypatch.setattr(os, "write", full)
    opened.append(*lines(2))
    await turn()
    moved = layout.events.rename(layout.directory / "moved")
    opened.sink.reopen()
    assert moved.read_bytes() == lines(1)[0][:5]
    monkeypatch.setattr(os, "write", real)
    opened.sink.flush()
    await until(layout.events.exists)
    opened.append(b'{"new":1}\n')
    await opened.sink.close()
    assert moved.read_bytes() == b"".join(lines(2))
    assert opened.content == b'{"new":1}\n'


# -- synced ----------------------------------------------------------------------------------------------------------


@dataclass
class Syncs:
    """fdatasync(2), counted, and held up for as long as the test wants."""

    count: int = 0
    failure: OSError | None = None

    def __post_init__(self) -> None:
        self.began = asyncio.Event()
        self.gate = threading.Event()
        self.gate.set()
        self._loop = asyncio.get_running_loop()

    def __call__(self, _descriptor: int) -> None:
        self.count += 1
        self._loop.call_soon_threadsafe(self.began.set)
        assert self.gate.wait(LIMIT_S)
        if self.failure is not None:
            raise self.failure

    async def one(self) -> None:
        async with asyncio.timeout(LIMIT_S):
            await self.began.wait()
        self.began.clear()


@pytest.fixture
async def syncs(monkeypatch: pytest.MonkeyPatch) -> Syncs:
    counted = Syncs()
    monkeypatch.setattr(os, "fdatasync", counted)
    return counted


async def test_always_syncs_once_for_each_batch(layout: Layout, syncs: Syncs) -> None:
    opened = await Opened(layout, settings.Disk(fsync="always")).open()
    for batch in (1, 2, 3):
        opened.append(*lines(10))
        await syncs.one()
        await until(lambda: opened.sink._file._syncer._running is None)
        assert syncs.count == batch
    await opened.sink.close()
    assert syncs.count == 3


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until `condition` holds; a thread is about to tell it."""
    async with asyncio.timeout(LIMIT_S):
        while not condition():
            await turn()


async def test_interval_syncs_later_and_what_is_left_at_the_end(layout: Layout, syncs: Syncs) -> None:
    opened = await Opened(layout, settings.Disk(fsync="interval", fsync_interval_s=3600)).open()
    for line in lines(5):
        opened.append(line)
        await turn()
    assert syncs.count == 0
    await opened.sink.close()
    assert syncs.count == 1


async def test_interval_syncs_by_itself(layout: Layout, syncs: Syncs) -> None:
    opened = await Opened(layout, settings.Disk(fsync="interval", fsync_interval_s=0.001)).open()
    opened.append(*lines(5))
    await syncs.one()
    await opened.sink.close()
    assert syncs.count == 1


async def test_never_syncs_never(layout: Layout, syncs: Syncs) -> None:
    opened = await Opened(layout, settings.Disk(fsync="never")).open()
    opened.append(*lines(5))
    await turn()
    await opened.sink.close()
    assert syncs.count == 0


@pytest.mark.parametrize("fsync", ["always", "interval"])
async def test_what_was_not_written_to_is_not_synced(layout: Layout, syncs: Syncs, fsync: str) -> None:
    opened = await Opened(layout, settings.Disk(fsync=fsync)).open()
    await opened.sink.close()
    assert syncs.count == 0


async def test_one_sync_runs_at_a_time_and_the_next_covers_what_came_meanwhile(layout: Layout, syncs: Syncs) -> None:
    opened = await Opened(layout, settings.Disk(fsync="always")).open()
    syncs.gate.clear()
    opened.append(*lines(1))
    await syncs.one()
    for line in lines(20):
        opened.append(line)
        await turn()
    assert syncs.count == 1  # and the loop was not held up
    syncs.gate.set()
    await syncs.one()  # by itself
    await opened.sink.close()
    assert syncs.count == 2
    assert opened.sink._file._syncer.synced_to == len(opened.content)


async def test_a_sync_that_fails_ends_the_recording(layout: Layout, syncs: Syncs) -> None:
    opened = await Opened(layout, settings.Disk(fsync="always")).open()
    syncs.failure = refusal(errno.EIO)
    opened.append(*lines(1))
    async with asyncio.timeout(LIMIT_S):
        await opened.failed.wait()
    assert "sync of" in opened.failures[0].message
    assert "synced up to byte 0" in opened.failures[0].message
    syncs.failure = None
    with pytest.raises(SinkError) as last:
        await opened.sink.close()
    assert [last.value] == opened.failures


async def test_a_last_sync_that_fails_is_raised(layout: Layout, syncs: Syncs) -> None:
    opened = await Opened(layout, settings.Disk(fsync="interval", fsync_interval_s=3600)).open()
    syncs.failure = refusal(errno.EIO)
    opened.append(*lines(1))
    with pytest.raises(SinkError, match=r"sync of .* failed: Input/output error"):
        await opened.sink.close()


# -- whatever happens ------------------------------------------------------------------------------------------------

happenings = st.one_of(
    st.none(),
    st.integers(1, 30),
    st.sampled_from((errno.ENOSPC, errno.EDQUOT, errno.EAGAIN)).map(refusal),
)
moves: st.SearchStrategy[list[str]] = st.lists(st.sampled_from(("append", "turn", "flush", "reopen")), max_size=30)


@given(st.lists(happenings, max_size=40), moves, st.integers(1, 500))
def test_no_order_of_short_and_refused_writes_loses_doubles_or_mixes_a_line(
    script: list[int | OSError | None], todo: list[str], limit: int
) -> None:
    async def scenario(layout: Layout, patch: pytest.MonkeyPatch) -> None:
        disk = Disk(patch, layout)
        opened = await Opened(layout, settings.Disk(fsync="never", memory_limit_bytes=limit)).open()
        disk.script = list(script)
        numbered: Iterator[bytes] = iter(lines(100))
        appended = b""
        for move in todo:
            match move:
                case "append":
                    appended += (line := next(numbered))
                    opened.append(line)
                case "flush":
                    opened.sink.flush()
                case "reopen":
                    opened.sink.reopen()  # the same file: nothing was renamed
                case _:
                    await turn()
            assert appended.startswith(opened.content)
        disk.script = []
        await opened.sink.close()
        assert opened.content == appended
        assert opened.failures == []
        assert opened.sink.room.is_set()

    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        asyncio.run(scenario(Layout(Path(directory)), patch))
