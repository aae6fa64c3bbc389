"""Id, pid, state and journal: one owner, whose transitions are published whole, in order, and survive any trouble."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.clock import Clock
from videodb_listen.errors import DirectoryUnusable, Unavailable
from videodb_listen.listener.announce import Connected, Repaired, Retrying, Stopping
from videodb_listen.listener.publish import Publisher
from videodb_listen.listener.sink import Progress
from videodb_listen.paths import Layout
from videodb_listen.presence import State, read_pid, read_state, read_ws_id
from videodb_listen.realtime import Ended
from videodb_listen.settings import Link

NOW_S = 1772446530.123
NOTHING = Progress(0, 0, None, 0)
RESET = Ended("reset by the server", 4001)
HELLO = b'{"connection_id":"abc"}'
ALL = ("ws_id", "pid", "state", "journal")


def closed(layout: Layout, monotonic: Clock | None = None, wall: Callable[[], float] = lambda: NOW_S) -> Publisher:
    return Publisher(Link(), layout, shared=False, started_s=NOW_S, wall=wall, monotonic=monotonic or Clock())


@pytest.fixture
def publisher(layout: Layout, clock: Clock) -> Publisher:
    publisher = closed(layout, clock)
    publisher.open()
    return publisher


def journal(layout: Layout) -> list[dict[str, Any]]:
    return [json.loads(line) for line in layout.journal.read_bytes().splitlines()]


def kinds(layout: Layout) -> list[str]:
    return [record["event"] for record in journal(layout)]


def published(layout: Layout) -> State:
    state = read_state(layout)
    assert state is not None
    return state


def obstruct(path: Path) -> Path:
    """Make it impossible, for root as well, to replace `path`."""
    obstacle = path.with_name(path.name + ".tmp")
    obstacle.mkdir()
    return obstacle


# -- the life of a run -----------------------------------------------------------------------------------------------


def test_opening_publishes_the_pid_and_removes_the_id_that_a_crash_left(layout: Layout) -> None:
    layout.ws_id.write_text("stale")
    layout.pid.write_text("1")
    closed(layout).open()
    assert not layout.ws_id.exists()
    assert layout.pid.read_bytes() == str(os.getpid()).encode()
    state = published(layout)
    assert (state.phase, state.pid, state.started_unix_ts, state.ws_id) == ("starting", os.getpid(), NOW_S, None)
    assert layout.journal.read_bytes() == b""


def test_a_first_connection_is_published_and_announced_as_the_first(layout: Layout, publisher: Publisher) -> None:
    assert publisher.connected("abc", HELLO, NOW_S) == Connected("abc", None, first=True)
    assert layout.ws_id.read_bytes() == b"abc"
    state = published(layout)
    assert (state.phase, state.ws_id, state.connected_unix_ts, state.connects) == ("connected", "abc", NOW_S, 1)
    assert [(record["event"], record["ws_id"], "previous_ws_id" in record) for record in journal(layout)] == [
        ("connected", "abc", False)
    ]


def test_a_lost_connection_has_no_id_any_more_and_its_end_is_journalled(layout: Layout, publisher: Publisher) -> None:
    publisher.connected("abc", HELLO, NOW_S)
    publisher.lost("abc", RESET, NOW_S + 1)
    assert not layout.ws_id.exists()
    state = published(layout)
    assert (state.phase, state.ws_id) == ("reconnecting", None)
    lost = journal(layout)[-1]
    assert (lost["event"], lost["ws_id"], lost["reason"], lost["close_code"]) == ("lost", "abc", RESET.reason, 4001)


def test_a_frame_that_was_refused_is_journalled_before_the_loss(layout: Layout, publisher: Publisher) -> None:
    publisher.connected("abc", HELLO, NOW_S)
    publisher.lost("abc", Ended("too large", 1009, refused="a frame of 99 MiB"), NOW_S + 1)
    assert kinds(layout) == ["connected", "refused", "lost"]
    assert journal(layout)[1]["limit_bytes"] == Link().max_frame_bytes


@pytest.mark.parametrize(
    ("pong_s", "received_s", "from_s"), [(None, 0.0, 0.0), (2.0, 0.0, 2.0), (2.0, 3.0, 3.0), (3.0, 2.0, 3.0)]
)
def test_a_gap_begins_at_the_last_proof_of_life(
    layout: Layout, publisher: Publisher, pong_s: float | None, received_s: float, from_s: float
) -> None:
    publisher.connected("abc", HELLO, NOW_S)
    if pong_s is not None:
        publisher.pong(0.01, NOW_S + pong_s)
    publisher.received_s = NOW_S + received_s if received_s else 0.0
    publisher.lost("abc", RESET, NOW_S + 5)
    assert publisher.connected("def", HELLO, NOW_S + 9) == Connected("def", "abc", first=False)
    connected, gap = journal(layout)[-2:]
    assert (connected["event"], connected["previous_ws_id"], gap["event"]) == ("connected", "abc", "gap")
    assert (gap["from_unix_ts"], gap["to_unix_ts"]) == (round(NOW_S + from_s, 3), round(NOW_S + 9, 3))
    assert (gap["old_ws_id"], gap["new_ws_id"], gap["ws_id"]) == ("abc", "def", "def")
    assert "bind it to def" in gap["warning"]
    assert (published(layout).connects, published(layout).gaps) == (2, 1)


def after(layout: Layout, *, crash: bool, anew: bool = False) -> Publisher:
    """A run that comes after one with the connection `abc`."""
    before = closed(layout)
    before.open()
    before.connected("abc", HELLO, NOW_S)
    before.tick(NOTHING, 0)
    if not crash:
        before.stopping()
        before.stopped(None, NOTHING, 0, NOW_S + 1)
    again = Publisher(
        Link(), layout, shared=False, started_s=NOW_S + 60, wall=lambda: NOW_S + 60, anew=anew, monotonic=Clock()
    )
    again.open()
    return again


def test_a_crash_is_journalled_at_the_next_start_and_its_gap_when_that_is_connected(layout: Layout) -> None:
    publisher = after(layout, crash=True)
    crashed = journal(layout)[-1]
    assert (crashed["event"], crashed["ws_id"], crashed["unix_ts"]) == ("crashed", "abc", round(NOW_S + 60, 3))
    assert (crashed["previous_pid"], crashed["last_proof_unix_ts"]) == (os.getpid(), NOW_S)
    assert publisher.connected("def", HELLO, NOW_S + 62) == Connected("def", "abc", first=True)
    connected, gap = journal(layout)[-2:]
    assert connected["previous_ws_id"] == "abc"
    assert (gap["event"], gap["reason"], gap["old_ws_id"], gap["new_ws_id"]) == ("gap", "crashed", "abc", "def")
    assert (gap["from_unix_ts"], gap["to_unix_ts"]) == (NOW_S, round(NOW_S + 62, 3))
    assert published(layout).gaps == 1


def test_a_crash_while_starting_again_does_not_hide_the_first(layout: Layout) -> None:
    after(layout, crash=True)
    publisher = Publisher(Link(), layout, shared=False, started_s=NOW_S + 90, wall=lambda: NOW_S + 90)
    publisher.open()
    publisher.connected("def", HELLO, NOW_S + 92)
    assert kinds(layout) == ["connected", "crashed", "crashed", "connected", "gap"]
    assert journal(layout)[-1]["from_unix_ts"] == NOW_S


@pytest.mark.parametrize("anew", [False, True])
def test_the_time_after_a_planned_stop_is_a_gap_unless_the_recording_begins_anew(layout: Layout, anew: bool) -> None:
    publisher = after(layout, crash=False, anew=anew)
    assert publisher.connected("def", HELLO, NOW_S + 62) == Connected("def", None, first=True)
    assert ("crashed" in kinds(layout), "gap" in kinds(layout)) == (False, not anew)
    if not anew:
        gap = journal(layout)[-1]
        assert (gap["reason"], gap["from_unix_ts"]) == ("stopped", round(NOW_S + 1, 3))


def test_the_hello_is_journalled_whole_and_fit_to_be_read(layout: Layout, publisher: Publisher) -> None:
    publisher.connected("abc", b'{"connection_id":"abc",\n"n":123456789012345678901234567890}', NOW_S)
    publisher.connected("def", b"[" * 2000, NOW_S)
    first, second = journal(layout)
    assert (first["hello"]["connection_id"], first["hello"]["n"]) == ("abc", 123456789012345678901234567890)
    assert second["hello"]["raw"] == "[" * 2000


def test_why_there_is_no_connection_is_known_until_there_is_one(layout: Layout, publisher: Publisher) -> None:
    failure = Unavailable("no route to the server")
    assert publisher.retrying(failure, 2.0) == Retrying("no route to the server", 2.0)
    reasons = [publisher.failure]
    publisher.tick(NOTHING, 0)
    assert published(layout).error == "no route to the server"
    publisher.connected("abc", HELLO, NOW_S)
    assert [*reasons, publisher.failure] == ["no route to the server", None]
    assert published(layout).error is None


def test_lines_that_wait_for_the_disk_are_an_error_of_a_live_connection(layout: Layout, publisher: Publisher) -> None:
    publisher.connected("abc", HELLO, NOW_S)
    publisher.disk_trouble("/d/f: No space left")
    publisher.tick(NOTHING, 0)
    assert (published(layout).phase, published(layout).error) == ("connected", "/d/f: No space left")
    publisher.disk_trouble(None)
    publisher.tick(NOTHING, 0)
    assert published(layout).error is None


def test_a_repair_and_a_step_of_the_clock_are_journalled(layout: Layout, publisher: Publisher) -> None:
    assert publisher.repaired("how", NOW_S) == Repaired("how")
    publisher.connected("abc", HELLO, NOW_S)
    publisher.clock_stepped(3599.0004, NOW_S)
    repaired, _, clock = journal(layout)
    assert (repaired["event"], repaired["ws_id"], repaired["detail"]) == ("repaired", None, "how")
    assert (clock["event"], clock["ws_id"], clock["step_s"]) == ("clock", "abc", 3599.0)


def test_a_tick_publishes_the_counters_and_the_last_signs_of_life(layout: Layout, publisher: Publisher) -> None:
    publisher.connected("abc", HELLO, NOW_S)
    publisher.pong(0.0123456, NOW_S + 1)
    publisher.received_s = NOW_S + 2
    publisher.tick(Progress(7, 700, "20260302T101530.123Z", 12), 3)
    state = published(layout)
    assert (state.events, state.bytes, state.run_after, state.run_from) == (7, 700, "20260302T101530.123Z", 12)
    assert (state.dropped_previews, state.latency_ms) == (3, 12.346)
    assert (state.last_pong_unix_ts, state.last_event_unix_ts) == (round(NOW_S + 1, 3), round(NOW_S + 2, 3))


def test_a_proof_of_life_is_told_by_the_clock_that_others_have_not_by_stamps_that_stand_still(layout: Layout) -> None:
    wall_s = NOW_S
    publisher = closed(layout, wall=lambda: wall_s)
    publisher.open()
    proofs = []
    publisher.connected("abc", HELLO, NOW_S + 3600)
    proofs.append(published(layout).proven_unix_ts)
    wall_s += 1.0006
    publisher.pong(0.01, NOW_S + 3600)
    publisher.tick(NOTHING, 0)
    proofs.append(published(layout).proven_unix_ts)
    wall_s += 1.0
    publisher.tick(Progress(1, 10, None, 0), 0)
    proofs.append(published(layout).proven_unix_ts)
    wall_s += 1.0
    publisher.tick(Progress(1, 10, None, 0), 0)  # nothing came
    proofs.append(published(layout).proven_unix_ts)
    assert proofs == pytest.approx([NOW_S, NOW_S + 1.0, NOW_S + 2.0, NOW_S + 2.0], abs=0.001)
    assert all(proof is not None and proof <= NOW_S + 2.0006 for proof in proofs)


@pytest.mark.parametrize("step_s", [-3600.0, 3600.0])
def test_a_clock_that_is_set_makes_a_proof_of_life_neither_older_nor_younger(layout: Layout, step_s: float) -> None:
    publisher = closed(layout)
    publisher.open()
    publisher.clock_stepped(step_s, NOW_S)
    publisher.connected("abc", HELLO, NOW_S)
    publisher.clock_stepped(step_s, NOW_S)
    assert published(layout).proven_unix_ts == pytest.approx(NOW_S + step_s, abs=0.001)


def test_the_end_begins_once(layout: Layout, publisher: Publisher) -> None:
    publisher.connected("abc", HELLO, NOW_S)
    assert publisher.stopping() == Stopping(Link().drain_s)
    assert not layout.ws_id.exists()
    assert published(layout).phase == "stopping"
    assert publisher.stopping() is None


@pytest.mark.parametrize("failure", [None, Unavailable("gave up")])
def test_the_last_word_takes_the_pid_file_away_and_says_why(
    layout: Layout, publisher: Publisher, failure: Unavailable | None
) -> None:
    assert read_pid(layout) == os.getpid()
    publisher.disk_trouble("full")
    publisher.stopping()
    publisher.stopped(failure, Progress(5, 50, None, 0), 0, NOW_S)
    assert not layout.pid.exists()
    state = published(layout)
    reason = failure.message if failure else None
    assert (state.phase, state.events, state.error) == ("stopped", 5, reason)
    assert (journal(layout)[-1].get("reason"), journal(layout)[-1]["events"]) == (reason, 5)


# -- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0, 0o777])
def test_every_published_file_is_private_whatever_the_umask(layout: Layout, umask: int) -> None:
    before = os.umask(umask)
    try:
        publisher = closed(layout)
        publisher.open()
        publisher.connected("abc", HELLO, NOW_S)
    finally:
        os.umask(before)
    for name in ALL:
        assert getattr(layout, name).stat().st_mode & 0o777 == 0o600, name


@pytest.mark.parametrize("name", ["ws_id", "state"])
def test_a_reader_that_has_a_file_open_never_sees_half_of_the_next(
    layout: Layout, publisher: Publisher, name: str
) -> None:
    path: Path = getattr(layout, name)
    publisher.connected("the-first-and-longer-one", HELLO, NOW_S)
    with path.open("rb") as reading:
        whole, inode = path.read_bytes(), path.stat().st_ino
        publisher.connected("second", HELLO, NOW_S)
        assert path.stat().st_ino != inode
        assert reading.read() == whole
    assert b"second" in path.read_bytes()
    assert not list(layout.directory.glob("*.tmp"))


def test_the_journal_knows_of_a_connection_before_its_id_is_there(
    layout: Layout, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: list[list[str]] = []
    real = Path.replace

    def watched(self: Path, target: Path) -> Path:
        if target == layout.ws_id:
            known.append(kinds(layout))
        return real(self, target)

    monkeypatch.setattr(Path, "replace", watched)
    publisher.connected("abc", HELLO, NOW_S)
    assert known == [["connected"]]


def test_the_id_of_a_lost_connection_is_gone_before_the_journal_knows(
    layout: Layout, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher.connected("abc", HELLO, NOW_S)
    known: list[list[str]] = []
    real = Path.unlink

    def watched(self: Path, missing_ok: bool = False) -> None:
        if self == layout.ws_id:
            known.append(kinds(layout))
        real(self, missing_ok)

    monkeypatch.setattr(Path, "unlink", watched)
    publisher.lost("abc", RESET, NOW_S)
    assert known == [["connected"]]


def test_a_state_that_has_not_changed_is_not_written_again(layout: Layout, publisher: Publisher) -> None:
    publisher.tick(NOTHING, 0)
    inode = layout.state.stat().st_ino
    publisher.tick(NOTHING, 0)
    assert layout.state.stat().st_ino == inode
    publisher.tick(Progress(1, 10, None, 0), 0)
    assert layout.state.stat().st_ino != inode


def test_a_directory_that_was_made_anew_gets_every_file_again(layout: Layout, publisher: Publisher) -> None:
    publisher.connected("abc", HELLO, NOW_S)
    for name in ALL:
        getattr(layout, name).unlink()
    publisher.restore()
    assert (read_ws_id(layout), read_pid(layout), published(layout).ws_id) == ("abc", os.getpid(), "abc")
    publisher.lost("abc", RESET, NOW_S)
    assert kinds(layout) == ["lost"]


def test_a_directory_that_is_somebody_else_s_is_left_alone(layout: Layout, publisher: Publisher) -> None:
    publisher.connected("abc", HELLO, NOW_S)
    before = {name: getattr(layout, name).read_bytes() for name in ALL}
    publisher.release()
    publisher.stopping()
    publisher.stopped(None, NOTHING, 0, NOW_S)
    assert {name: getattr(layout, name).read_bytes() for name in ALL} == before


# -- trouble ---------------------------------------------------------------------------------------------------------


def test_what_could_not_be_written_is_tried_again(layout: Layout, publisher: Publisher, said: list[str]) -> None:
    obstacle = obstruct(layout.ws_id)
    publisher.connected("abc", HELLO, NOW_S)
    assert not layout.ws_id.exists()
    assert "cannot write" in said[0]
    assert "videodb_ws_id" in said[0]
    obstacle.rmdir()
    publisher.flush()
    assert layout.ws_id.read_bytes() == b"abc"
    assert published(layout).ws_id == "abc"


def test_only_the_last_wish_counts(layout: Layout, publisher: Publisher) -> None:
    obstacle = obstruct(layout.ws_id)
    publisher.connected("abc", HELLO, NOW_S)
    publisher.lost("abc", RESET, NOW_S)
    obstacle.rmdir()
    publisher.flush()
    assert not layout.ws_id.exists()


def test_trouble_is_said_once_a_minute(layout: Layout, publisher: Publisher, clock: Clock, said: list[str]) -> None:
    obstruct(layout.state)
    for second in range(120):
        publisher.tick(Progress(second + 1, 0, None, 0), 0)
        clock.sleep(1.0)
    assert len(said) == 2
    publisher.tick(NOTHING, 1)
    assert len(said) == 3


def refuse_writes_to(path: Path, patch: pytest.MonkeyPatch, *, but: bool = False) -> None:
    """Have no room for the file that is at `path` now; `but`: for all others."""
    real, refused = os.write, path.stat()

    def full(descriptor: int, data: bytes) -> int:
        if os.path.samestat(os.fstat(descriptor), refused) is not but:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data)

    patch.setattr(os, "write", full)


def test_a_full_journal_keeps_neither_an_id_nor_a_stop_back(
    layout: Layout, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_writes_to(layout.journal, monkeypatch)
    publisher.connected("abc", HELLO, NOW_S)
    assert read_ws_id(layout) == "abc"
    publisher.lost("abc", RESET, NOW_S)
    assert not layout.ws_id.exists()
    publisher.stopping()
    publisher.stopped(None, NOTHING, 0, NOW_S)
    assert published(layout).phase == "stopped"
    assert journal(layout) == []


def test_a_state_that_cannot_be_replaced_does_not_stop_the_journal(layout: Layout, publisher: Publisher) -> None:
    obstruct(layout.state)
    publisher.connected("abc", HELLO, NOW_S)
    assert kinds(layout) == ["connected"]


def test_trouble_with_the_id_file_is_not_blamed_on_the_journal(
    layout: Layout, publisher: Publisher, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_writes_to(layout.journal, monkeypatch, but=True)
    publisher.connected("abc", HELLO, NOW_S)
    assert "videodb_ws_id" in said[0]


def test_a_directory_that_takes_no_pid_ends_the_start(layout: Layout) -> None:
    obstruct(layout.pid)
    with pytest.raises(DirectoryUnusable, match="videodb_ws_pid:"):
        closed(layout).open()


def test_a_full_disk_at_the_start_is_said_with_a_name(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(DirectoryUnusable, match=f"^{layout.pid}.*No space left"):
        closed(layout).open()
