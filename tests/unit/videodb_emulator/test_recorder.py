"""The process around the recorder, within this one: whether it is alone, and when it ends."""

import io
import json
from pathlib import Path

import pytest

from videodb_emulator.pure.recorder import PREFIX, Failure, Plan
from videodb_emulator.recorder import SECOND, _only_one, ask, run

INIT = (PREFIX + '{"command": "init", "commandId": "1"}\n').encode()


def said(lock: Path, stdin: io.BytesIO) -> tuple[int, list[dict[str, object]]]:
    """The exit status of a recorder with this stdin, and what it said."""
    lines: list[str] = []
    status = run(Plan(), "http://127.0.0.1:1", stdin, lines.append, lock)
    return status, [json.loads(line.removeprefix(PREFIX)) for line in lines]


def test_a_second_one_says_so_and_reads_nothing(tmp_path: Path) -> None:
    lock, stdin = tmp_path / "made" / "lock", io.BytesIO(INIT)
    with _only_one(lock) as alone:
        assert alone
        status, (event,) = said(lock, stdin)
    assert (status, stdin.tell()) == (SECOND, 0)
    assert event["event"] == "error"
    assert event["payload"] == {
        "code": "INSTANCE_ALREADY_RUNNING",
        "message": "Another recorder instance is already running",
    }
    assert said(lock, stdin)[0] == 0


def test_it_ends_with_its_stdin_or_with_a_line_that_is_no_text(tmp_path: Path) -> None:
    for end in (b"", b"\xff\n" + INIT):
        status, (answer,) = said(tmp_path / "lock", io.BytesIO(INIT + end))
        assert (status, answer["status"]) == (0, "success")


def test_a_backend_that_is_not_there_is_a_failure() -> None:
    with pytest.raises(Failure, match=r"Internal error: http://127\.0\.0\.1:1/x: ") as failure:
        ask("GET", "http://127.0.0.1:1/x", "st-1", None)
    assert failure.value.code == "INTERNAL_ERROR"
