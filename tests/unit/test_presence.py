"""Who holds a directory: the lock is the truth, the state file says the rest."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import orjson
import pytest

from videodb_listen.errors import DirectoryUnusable
from videodb_listen.paths import Layout
from videodb_listen.presence import (
    PUBLISHED_WITHIN_S,
    Presence,
    State,
    is_held,
    look,
    read_pid,
    read_state,
    read_ws_id,
)

NOW_S = 1000.0
FRESH_S, STALE_S = 10.0, 50.0
ANYWHERE = Path("/d")


def state(phase: str, *, proven_s: float | None = None, ahead_s: float = 0.0) -> State:
    """A state whose last proof of life is so many seconds old; its other times are those of a clock that was ahead."""
    return State(
        phase=phase,
        connected_unix_ts=NOW_S + ahead_s,
        last_pong_unix_ts=NOW_S + ahead_s,
        last_event_unix_ts=NOW_S + ahead_s,
        proven_unix_ts=None if proven_s is None else NOW_S - proven_s,
        stale_after_s=40.0,
    )


@pytest.mark.parametrize(
    ("held", "published", "phase", "connected"),
    [
        (False, None, "stopped", False),
        (True, None, "starting", False),
        (False, state("stopped"), "stopped", False),
        (True, state("stopped"), "starting", False),
        (False, state("starting"), "crashed", False),
        (True, state("starting"), "starting", False),
        (False, state("reconnecting"), "crashed", False),
        (True, state("reconnecting", proven_s=FRESH_S), "reconnecting", False),
        (False, state("stopping"), "crashed", False),
        (True, state("stopping", proven_s=FRESH_S), "stopping", False),
        (False, state("connected", proven_s=FRESH_S), "crashed", False),
        (True, state("connected", proven_s=FRESH_S), "connected", True),
        (True, state("connected", proven_s=0.0), "connected", True),
        (True, state("connected", proven_s=STALE_S), "reconnecting", False),
        (True, state("connected"), "reconnecting", False),
        (True, state("connected", proven_s=-1.0), "reconnecting", False),
        (True, state("connected", proven_s=-3600.0, ahead_s=3600.0), "reconnecting", False),
        (True, state("connected", proven_s=STALE_S, ahead_s=3600.0), "reconnecting", False),
        (True, state("connected", proven_s=FRESH_S, ahead_s=3600.0), "connected", True),
    ],
)
def test_a_phase_is_what_the_files_say_corrected_by_the_lock(
    held: bool, published: State | None, phase: str, connected: bool
) -> None:
    seen = Presence(ANYWHERE, held, published, NOW_S)
    assert (seen.phase, seen.connected) == (phase, connected)


@pytest.mark.parametrize(
    ("age_s", "connected"), [(40.0 + PUBLISHED_WITHIN_S, True), (40.01 + PUBLISHED_WITHIN_S, False)]
)
def test_a_proof_of_life_is_good_for_the_interval_and_the_timeout_of_pings(age_s: float, connected: bool) -> None:
    assert Presence(ANYWHERE, True, state("connected", proven_s=age_s), NOW_S).connected is connected


@pytest.mark.parametrize(
    ("held", "published", "said"),
    [
        (False, None, {"phase": "stopped", "running": False, "connected": False, "ws_id": None, "events": 0}),
        (True, "connected", {"phase": "connected", "running": True, "connected": True, "ws_id": "abc", "events": 3}),
        (True, "stopping", {"phase": "stopping", "running": True, "connected": False, "ws_id": None, "events": 3}),
        (False, "connected", {"phase": "crashed", "running": False, "connected": False, "ws_id": None, "events": 3}),
    ],
)
def test_a_presence_as_an_object_is_the_state_corrected(
    held: bool, published: str | None, said: dict[str, object]
) -> None:
    there = None if published is None else replace(state(published, proven_s=FRESH_S), ws_id="abc", events=3)
    shape = Presence(ANYWHERE, held, there, NOW_S).as_dict()
    assert {name: shape[name] for name in said} == said
    assert list(shape) == [*asdict(State()), "running", "connected", "directory"]
    assert shape["directory"] == "/d"


@contextmanager
def locked(path: Path, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def test_a_directory_is_held_exactly_while_its_lock_is(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert not is_held(layout)
    with locked(layout.lock):
        assert is_held(layout)
        assert look(layout, lambda: NOW_S) == Presence(tmp_path, True, None, NOW_S)
    assert not is_held(layout)
    assert not look(layout).held


def test_looking_creates_nothing_and_two_may_look_at_once(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert not is_held(layout)
    assert list(tmp_path.iterdir()) == []
    with locked(layout.lock, fcntl.LOCK_SH):
        assert not is_held(layout)


@contextmanager
def as_someone_without_rights() -> Iterator[None]:
    """Be somebody who may read only what everyone may: root may read everything."""
    mine = os.geteuid()
    if mine == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(mine)


def test_a_lock_that_we_may_not_read_is_an_error_that_says_who_may(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    with locked(layout.lock):
        layout.lock.chmod(0)
        with as_someone_without_rights(), pytest.raises(DirectoryUnusable, match="Permission denied") as failure:
            is_held(layout)
    assert str(layout.lock) in failure.value.message
    assert "as the user who started" in failure.value.fix


def test_a_lock_that_cannot_be_looked_at_is_no_free_one(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.lock.symlink_to(layout.lock)
    with pytest.raises(DirectoryUnusable, match="Too many levels"):
        look(layout)


def test_where_there_can_be_no_directory_no_listener_runs(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert not is_held(Layout(tmp_path / "file" / "below"))
    assert not is_held(Layout(tmp_path / "nowhere"))


def test_a_state_that_a_crash_left_is_not_that_of_the_next_listener(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    left = state("connected", proven_s=FRESH_S)
    with locked(layout.lock):
        for pid, believed in ((os.getpid(), True), (os.getppid(), False), (None, False)):
            left.pid = pid
            layout.state.write_bytes(orjson.dumps(asdict(left)))
            seen = look(layout, lambda: NOW_S)
            assert (seen.connected, seen.phase) == ((True, "connected") if believed else (False, "starting"))


@pytest.mark.parametrize("phase", ["starting", "connected", "reconnecting", "stopping", "stopped"])
def test_a_listener_is_ending_when_it_stops_and_still_holds_the_lock(phase: str) -> None:
    assert Presence(ANYWHERE, True, state(phase), NOW_S).ending is (phase in {"stopping", "stopped"})
    assert not Presence(ANYWHERE, False, state(phase), NOW_S).ending


def test_a_lock_that_is_a_fifo_does_not_hang_who_looks_and_says_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "videodb_ws.lock")
    with pytest.raises(DirectoryUnusable, match="not a regular file"):
        is_held(Layout(tmp_path))


@pytest.mark.parametrize("name", ["state", "pid", "ws_id"])
def test_a_published_file_that_is_a_fifo_hangs_nobody_and_says_nothing(tmp_path: Path, name: str) -> None:
    layout = Layout(tmp_path)
    os.mkfifo(getattr(layout, name))
    assert (read_state(layout), read_pid(layout), read_ws_id(layout)) == (None, None, None)


def test_a_published_state_is_read_back(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    written = State(phase="connected", pid=7, ws_id="abc", events=3, stale_after_s=5.0)
    layout.state.write_bytes(orjson.dumps(asdict(written)))
    assert read_state(layout) == written


def test_a_state_of_another_version_is_read_as_far_as_it_is_known(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.state.write_bytes(b'{"version":9,"phase":"connected","novelty":{"a":1}}')
    assert read_state(layout) == State(version=9, phase="connected")


WRONG: dict[str, list[object]] = {
    "phase": [5, None, ["connected"]],
    "pid": ["1", 1.5, True, -1],
    "started_unix_ts": ["x", 1e300, -1.0, {}, True],
    "proven_unix_ts": ["now", []],
    "last_event_unix_ts": [{}],
    "latency_ms": [[]],
    "events": ["many", None, -1, 1.5],
    "bytes": [None, 1 << 63],
    "error": [["x"], 5],
    "ws_id": [5],
    "run_after": [5],
    "run_from": ["x", -5, 0.5],
    "pid_namespace": [4026531836],
    "stale_after_s": ["x", None],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_field_that_holds_what_it_cannot_is_passed_over(tmp_path: Path, name: str, value: object) -> None:
    layout = Layout(tmp_path)
    right = State(phase="connected", pid=7, ws_id="abc", events=3, stale_after_s=5.0, run_from=1)
    layout.state.write_bytes(orjson.dumps(asdict(right) | {name: value}))
    assert read_state(layout) == replace(right, **{name: getattr(State(), name)})


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"null", b"\xff"])
def test_a_state_that_cannot_be_understood_is_none(tmp_path: Path, content: bytes | None) -> None:
    layout = Layout(tmp_path)
    if content is not None:
        layout.state.write_bytes(content)
    assert read_state(layout) is None


@pytest.mark.parametrize(
    ("content", "pid"), [(b"123", 123), (b"123\n", 123), (b"", None), (b"x", None), (b"\xff", None)]
)
def test_a_pid_is_a_number_or_none(tmp_path: Path, content: bytes, pid: int | None) -> None:
    layout = Layout(tmp_path)
    assert read_pid(layout) is None
    layout.pid.write_bytes(content)
    assert read_pid(layout) == pid


@pytest.mark.parametrize("content", [b"-1", b"0", b"-123"])
def test_a_number_that_would_signal_a_group_of_processes_is_no_pid(tmp_path: Path, content: bytes) -> None:
    layout = Layout(tmp_path)
    layout.pid.write_bytes(content)
    assert read_pid(layout) is None


@pytest.mark.parametrize(("content", "ws_id"), [(b"abc", "abc"), (b"abc\n", "abc"), (b"", None), (b"\xff", None)])
def test_an_id_is_read_with_or_without_a_newline(tmp_path: Path, content: bytes, ws_id: str | None) -> None:
    layout = Layout(tmp_path)
    assert read_ws_id(layout) is None
    layout.ws_id.write_bytes(content)
    assert read_ws_id(layout) == ws_id
