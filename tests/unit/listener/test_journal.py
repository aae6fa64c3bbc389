"""The journal: stamped records, each a line, in order, whatever the disk does meanwhile."""

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from videodb_listen.errors import DirectoryUnusable
from videodb_listen.listener import journal as journal_module
from videodb_listen.listener.journal import Journal

NOW_S = 1772446530.123


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    journal = Journal(path, shared=False)
    journal.open()
    yield journal
    journal.close()


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def refuses(*_: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_record_is_one_stamped_line_without_what_is_not_known(path: Path, journal: Journal) -> None:
    journal.record("connected", NOW_S, "abc", previous_ws_id=None)
    journal.record("lost", NOW_S + 1, "abc", reason="a\nb", close_code=1006)
    journal.record("repaired", NOW_S + 2, None, detail="x")
    journal.write()
    assert path.read_bytes().splitlines() == [
        b'{"ts":"2026-03-02T10:15:30.123Z","unix_ts":1772446530.123,"event":"connected","ws_id":"abc"}',
        b'{"ts":"2026-03-02T10:15:31.123Z","unix_ts":1772446531.123,"event":"lost","ws_id":"abc","reason":"a\\nb",'
        b'"close_code":1006}',
        b'{"ts":"2026-03-02T10:15:32.123Z","unix_ts":1772446532.123,"event":"repaired","ws_id":null,"detail":"x"}',
    ]


def test_a_file_name_that_is_no_text_does_not_keep_a_record_out(path: Path, journal: Journal) -> None:
    journal.record("repaired", NOW_S, None, detail="moved to /d/\udcff")
    journal.write()
    assert records(path)[0]["detail"] == "moved to /d/\\udcff"


def test_the_journal_is_private_and_goes_on_behind_what_it_holds(path: Path) -> None:
    path.write_bytes(b'{"event":"old"}\n')
    journal = Journal(path, shared=False)
    journal.open()
    journal.record("connected", NOW_S, "abc")
    journal.write()
    journal.close()
    assert [record["event"] for record in records(path)] == ["old", "connected"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_record_that_a_crash_cut_short_gets_a_line_of_its_own(path: Path) -> None:
    path.write_bytes(b'{"event":"old"}\n{"even')
    journal = Journal(path, shared=False)
    journal.open()
    journal.record("connected", NOW_S, "abc")
    journal.write()
    journal.close()
    first, torn, last = path.read_bytes().splitlines()
    assert (json.loads(first)["event"], torn, json.loads(last)["event"]) == ("old", b'{"even', "connected")


def test_a_record_never_follows_what_somebody_else_left_without_a_newline(path: Path, journal: Journal) -> None:
    def record(event: str) -> None:
        journal.record(event, NOW_S, "abc")
        journal.write()

    record("first")
    with path.open("ab") as others:
        others.write(b'{"else')
    record("second")
    os.truncate(path, path.stat().st_size - 5)
    record("third")
    whole = [line for line in path.read_bytes().splitlines() if line.endswith(b"}")]
    assert [json.loads(line)["event"] for line in whole] == ["first", "third"]
    assert path.read_bytes().count(b"\n") == 4


@pytest.mark.parametrize("left", [None, b'{"event":"older"}\n{"hal'])
def test_a_journal_that_somebody_took_away_is_followed_by_name(
    path: Path, journal: Journal, left: bytes | None
) -> None:
    path.rename(path.with_name("moved"))
    if left is not None:
        path.write_bytes(left)
    journal.record("connected", NOW_S, "abc")
    journal.write()
    assert json.loads(path.read_bytes().splitlines()[-1])["event"] == "connected"


def test_a_record_that_was_begun_is_written_whole_where_it_can_not_be_completed(
    path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:7]) if len(data) > 90 else refuses())
        journal.record("lost", NOW_S, "abc", reason="x" * 20)
        with pytest.raises(OSError, match="No space left"):
            journal.write()
    path.write_bytes(b"")
    journal.write()
    assert [record["event"] for record in records(path)] == ["lost"]


def test_a_journal_that_has_outgrown_its_limit_keeps_its_newer_half(
    path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "MAX_JOURNAL_BYTES", 1000)
    for n in range(50):
        journal.record("lost", NOW_S, "abc", reason=str(n))
        journal.write()
        assert path.stat().st_size <= 1000
    reasons = [int(record["reason"]) for record in records(path)]
    assert reasons == list(range(50 - len(reasons), 50))
    assert len(reasons) >= 4


def test_a_disk_that_takes_nothing_and_does_not_say_why_is_no_loop(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "write", lambda *_: 0)
    journal.record("lost", NOW_S, "abc")
    with pytest.raises(OSError, match="nothing was written"):
        journal.write()


def test_records_wait_in_order_while_the_file_cannot_be_written(
    path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    sizes = [5]  # half a record, then no more

    def failing(descriptor: int, data: bytes) -> int:
        return real(descriptor, data[: sizes.pop()]) if sizes else refuses()

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", failing)
        for n in range(5):
            journal.record("lost", NOW_S, "abc", reason=str(n))
        with pytest.raises(OSError, match="No space left"):
            journal.write()
    assert path.stat().st_size == 5
    journal.write()
    assert [record["reason"] for record in records(path)] == list("01234")


def test_records_that_wait_are_bounded(path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "_MAX_WAITING_RECORDS", 3)
    for n in range(9):
        journal.record("lost", NOW_S, "abc", reason=str(n))
    journal.write()
    assert [record["reason"] for record in records(path)] == list("012")


def test_after_a_rotation_records_go_to_the_file_that_has_the_name(path: Path, journal: Journal) -> None:
    journal.record("connected", NOW_S, "abc")
    journal.write()
    moved = path.rename(path.with_name("moved"))
    journal.reopen()
    journal.record("lost", NOW_S, "abc")
    journal.write()
    assert ([record["event"] for record in records(moved)], [record["event"] for record in records(path)]) == (
        ["connected"],
        ["lost"],
    )


def test_a_journal_that_cannot_be_opened_anew_goes_on_where_it_was(
    path: Path, journal: Journal, said: list[str]
) -> None:
    moved = path.rename(path.with_name("moved"))
    path.mkdir()
    journal.reopen()
    journal.record("lost", NOW_S, "abc")
    journal.write()
    assert [record["event"] for record in records(moved)] == ["lost"]
    assert "goes on in the file that was open" in said[0]


def test_a_trap_in_its_place_is_refused(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(DirectoryUnusable, match="journal"):
        Journal(path, shared=False).open()
