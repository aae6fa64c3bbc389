"""Id, pid, state and journal: replaced whole, tried again, never a reason to stop."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from videodb_listen.errors import DirectoryUnusable
from videodb_listen.listener import publish as state_module
from videodb_listen.listener.publish import Publisher
from videodb_listen.paths import Layout
from videodb_listen.presence import State, read_pid, read_state, read_ws_id

NOW_S = 1772446530.123


class Times:
    """A monotonic clock that the test moves."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
def publisher(layout: Layout, times: Times) -> Publisher:
    publisher = Publisher(layout, State(pid=4711), shared=False, monotonic=times)
    publisher.open()
    return publisher


def journal(layout: Layout) -> list[dict[str, Any]]:
    return [json.loads(line) for line in layout.journal.read_bytes().splitlines()]


def obstruct(path: Path) -> Path:
    """Make it impossible, for root as well, to replace `path`."""
    obstacle = path.with_name(path.name + ".tmp")
    obstacle.mkdir()
    return obstacle


def test_opening_publishes_the_pid_and_removes_the_id_that_a_crash_left(layout: Layout) -> None:
    layout.ws_id.write_text("stale")
    layout.pid.write_text("1")
    Publisher(layout, State(pid=4711), shared=False).open()
    assert not layout.ws_id.exists()
    assert layout.pid.read_bytes() == b"4711"
    assert read_state(layout) == State(pid=4711)
    assert layout.journal.read_bytes() == b""


def test_every_published_file_is_private(layout: Layout, publisher: Publisher) -> None:
    before = os.umask(0)
    try:
        publisher.set_id("abc")
    finally:
        os.umask(before)
    for path in (layout.ws_id, layout.pid, layout.state, layout.journal):
        assert path.stat().st_mode & 0o777 == 0o600, path


@pytest.mark.parametrize("umask", [0, 0o777])
def test_the_umask_changes_nothing(layout: Layout, umask: int) -> None:
    before = os.umask(umask)
    try:
        publisher = Publisher(layout, State(pid=1), shared=False)
        publisher.open()
        publisher.set_id("abc")
    finally:
        os.umask(before)
    for path in (layout.ws_id, layout.pid, layout.state, layout.journal):
        assert path.stat().st_mode & 0o777 == 0o600, path


def test_an_id_is_published_without_a_newline_and_taken_away(layout: Layout, publisher: Publisher) -> None:
    publisher.set_id("abc")
    assert layout.ws_id.read_bytes() == b"abc"
    assert read_state(layout) == State(pid=4711, ws_id="abc")
    publisher.set_id("def")
    assert read_ws_id(layout) == "def"
    publisher.set_id(None)
    assert not layout.ws_id.exists()
    assert read_state(layout) == State(pid=4711)


@pytest.mark.parametrize("name", ["ws_id", "state"])
def test_a_reader_that_has_a_file_open_never_sees_half_of_the_next(
    layout: Layout, publisher: Publisher, name: str
) -> None:
    path: Path = getattr(layout, name)
    publisher.set_id("the-first-and-longer-one")
    with path.open("rb") as reading:
        whole, inode = path.read_bytes(), path.stat().st_ino
        publisher.set_id("second")
        assert path.stat().st_ino != inode
        assert reading.read() == whole
    assert b"second" in path.read_bytes()
    assert not list(layout.directory.glob("*.tmp"))


def test_a_write_that_was_short_is_not_published(
    layout: Layout, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher.set_id("first")
    real = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:2]))
        publisher.set_id("second")
        assert layout.ws_id.read_bytes() == b"first"
        json.loads(layout.state.read_bytes())
    publisher.flush()
    assert layout.ws_id.read_bytes() == b"second"


def test_a_state_that_has_not_changed_is_not_written_again(layout: Layout, publisher: Publisher) -> None:
    publisher.flush()
    inode = layout.state.stat().st_ino
    publisher.flush()
    assert layout.state.stat().st_ino == inode
    publisher.state.events = 1
    publisher.flush()
    assert layout.state.stat().st_ino != inode


def test_a_trap_in_place_of_the_temporary_file_is_removed_not_followed(layout: Layout, publisher: Publisher) -> None:
    victim = layout.directory / "victim"
    victim.write_bytes(b"mine")
    layout.ws_id.with_name("videodb_ws_id.tmp").symlink_to(victim)
    publisher.set_id("abc")
    assert victim.read_bytes() == b"mine"
    assert layout.ws_id.read_bytes() == b"abc"
    assert not layout.ws_id.is_symlink()


# -- trouble ---------------------------------------------------------------------------------------------------------


def test_what_could_not_be_written_is_tried_again(layout: Layout, publisher: Publisher, said: list[str]) -> None:
    obstacle = obstruct(layout.ws_id)
    publisher.set_id("abc")
    assert not layout.ws_id.exists()
    assert "cannot write" in said[0]
    assert "videodb_ws_id" in said[0]
    obstacle.rmdir()
    publisher.flush()
    assert layout.ws_id.read_bytes() == b"abc"
    assert read_state(layout) == State(pid=4711, ws_id="abc")


def test_only_the_last_wish_counts(layout: Layout, publisher: Publisher) -> None:
    obstacle = obstruct(layout.ws_id)
    publisher.set_id("abc")
    publisher.set_id(None)
    obstacle.rmdir()
    publisher.flush()
    assert not layout.ws_id.exists()


def test_trouble_is_said_once_a_minute(layout: Layout, publisher: Publisher, times: Times, said: list[str]) -> None:
    obstruct(layout.state)
    for second in range(120):
        times.now_s = 100.0 + second
        publisher.state.events = second
        publisher.flush()
    assert len(said) == 2
    times.now_s = 100.0 + 120
    publisher.flush()
    assert len(said) == 3


def refuse_writes_to(path: Path, patch: pytest.MonkeyPatch) -> None:
    real = os.write

    def full(descriptor: int, data: bytes) -> int:
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data)

    patch.setattr(os, "write", full)


def test_the_id_of_a_lost_connection_goes_though_the_journal_is_full(
    layout: Layout, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher.set_id("abc")
    refuse_writes_to(layout.journal, monkeypatch)
    publisher.record("lost", NOW_S, "abc", reason="disk full")
    publisher.set_id(None)
    assert not layout.ws_id.exists()
    publisher.close()


def test_a_stop_leaves_no_id_and_a_stopped_state_though_the_journal_is_full(
    layout: Layout, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher.set_id("abc")
    refuse_writes_to(layout.journal, monkeypatch)
    publisher.record("stopped", NOW_S, None)
    publisher.state.phase = "stopped"
    publisher.set_id(None)
    publisher.close()
    assert not layout.ws_id.exists()
    published = read_state(layout)
    assert published is not None
    assert published.phase == "stopped"


def test_a_file_that_cannot_be_replaced_does_not_stop_the_journal(layout: Layout, publisher: Publisher) -> None:
    obstruct(layout.state)
    publisher.state.events = 1
    publisher.record("connected", NOW_S, "abc")
    publisher.flush()
    assert journal(layout)[0]["event"] == "connected"


def test_trouble_with_the_id_file_is_not_blamed_on_the_journal(
    layout: Layout, publisher: Publisher, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, journal_file = os.write, layout.journal.stat()

    def full(descriptor: int, data: bytes) -> int:
        if os.path.samestat(os.fstat(descriptor), journal_file):
            return real(descriptor, data)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    publisher.set_id("abc")
    assert "videodb_ws_id" in said[0]


def test_a_directory_that_takes_no_pid_ends_the_start(layout: Layout) -> None:
    obstruct(layout.pid)
    with pytest.raises(DirectoryUnusable, match="videodb_ws_pid"):
        Publisher(layout, State(pid=1), shared=False).open()


def test_a_full_disk_at_the_start_is_said_with_a_name(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(DirectoryUnusable, match=f"^{layout.directory}.*No space left"):
        Publisher(layout, State(pid=1), shared=False).open()


# -- the journal -----------------------------------------------------------------------------------------------------


def test_a_record_is_one_stamped_line_without_what_is_not_known(layout: Layout, publisher: Publisher) -> None:
    publisher.record("connected", NOW_S, "abc", previous_ws_id=None)
    publisher.record("lost", NOW_S + 1, "abc", reason="a\nb", close_code=1006)
    publisher.record("repaired", NOW_S + 2, None, detail="x")
    publisher.flush()
    assert layout.journal.read_bytes().splitlines() == [
        b'{"ts":"2026-03-02T10:15:30.123Z","unix_ts":1772446530.123,"event":"connected","ws_id":"abc"}',
        b'{"ts":"2026-03-02T10:15:31.123Z","unix_ts":1772446531.123,"event":"lost","ws_id":"abc","reason":"a\\nb",'
        b'"close_code":1006}',
        b'{"ts":"2026-03-02T10:15:32.123Z","unix_ts":1772446532.123,"event":"repaired","ws_id":null,"detail":"x"}',
    ]


def test_the_journal_goes_on_behind_what_it_holds(layout: Layout) -> None:
    layout.journal.write_bytes(b'{"event":"old"}\n')
    publisher = Publisher(layout, State(pid=1), shared=False)
    publisher.open()
    publisher.record("connected", NOW_S, "abc")
    publisher.flush()
    assert [record["event"] for record in journal(layout)] == ["old", "connected"]


def test_a_record_that_a_crash_cut_short_gets_a_line_of_its_own(layout: Layout) -> None:
    layout.journal.write_bytes(b'{"event":"old"}\n{"even')
    publisher = Publisher(layout, State(pid=1), shared=False)
    publisher.open()
    publisher.record("connected", NOW_S, "abc")
    publisher.flush()
    first, torn, last = layout.journal.read_bytes().splitlines()
    assert (json.loads(first)["event"], torn, json.loads(last)["event"]) == ("old", b'{"even', "connected")


def test_records_wait_in_order_while_the_journal_cannot_be_written(
    layout: Layout, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    results: list[int | None] = [5, None]  # half a record, then no more

    def failing(descriptor: int, data: bytes) -> int:
        if not os.path.samestat(os.fstat(descriptor), layout.journal.stat()):
            return real(descriptor, data)
        size = results.pop(0) if results else None
        if size is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data[:size])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", failing)
        for n in range(5):
            publisher.record("lost", NOW_S, "abc", reason=str(n))
    publisher.flush()
    assert [record["reason"] for record in journal(layout)] == list("01234")


def test_records_that_wait_are_bounded(layout: Layout, publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_module, "_MAX_WAITING_RECORDS", 3)
    with monkeypatch.context() as patch:
        refuse_writes_to(layout.journal, patch)
        for n in range(9):
            publisher.record("lost", NOW_S, "abc", reason=str(n))
    publisher.flush()
    assert [record["reason"] for record in journal(layout)] == list("012")


def test_the_last_word_takes_the_pid_file_away(layout: Layout, publisher: Publisher) -> None:
    assert read_pid(layout) == 4711
    publisher.state.phase = "stopped"
    publisher.close()
    assert read_pid(layout) is None
    assert not layout.pid.exists()
    published = read_state(layout)
    assert published is not None
    assert published.phase == "stopped"
