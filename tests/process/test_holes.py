"""What cannot be read is said by every reader, with its file, and no cursor passes it in silence."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from support.daemon import PYTHON, Site
from support.history import HandMade, line
from support.someone_else import as_nobody, in_child, needs_root
from videodb_listen.cli import main
from videodb_listen.paths import time_of_stamp

EACH = 2000
READERS = ["query", "tail -n 99999", "read --cursor a --max-bytes 100M", "stats", "export txt", "export csv"]


@pytest.fixture
def history(lone_site: Site) -> HandMade:
    """Two generations and the live file; no listener."""
    lone_site.directory.mkdir()
    made = HandMade(lone_site.directory)
    for _ in range(2):
        made.append(EACH, data={"text": "said", "is_final": True})
        made.rotate()
    made.compress()
    made.append(1, data={"text": "the last", "is_final": True})
    return made


@pytest.fixture
def cut(history: HandMade) -> Path:
    """The compressed one of them, cut in the middle."""
    packed = next(history.directory.glob("*.gz"))
    packed.write_bytes(packed.read_bytes()[:-200])
    return packed


def run(history: HandMade, site: Site, words: str) -> subprocess.CompletedProcess[str]:
    command = [PYTHON, "-m", "videodb_listen", *words.split(), "--dir", str(history.directory)]
    return subprocess.run(command, capture_output=True, text=True, env=site.environment(), check=False)


@pytest.mark.parametrize("words", READERS)
def test_a_cut_generation_is_named_what_can_be_read_is_given_and_the_end_is_74(
    history: HandMade, cut: Path, lone_site: Site, words: str
) -> None:
    done = run(history, lone_site, words)
    said, summary = done.stderr.splitlines()
    assert done.returncode == 74
    assert said.startswith(f"videodb-listen: {cut.name} cannot be read behind byte ")
    assert cut.name in summary
    assert "videodb-listen verify" in summary
    assert "the last" in done.stdout or words == "stats"


def test_a_failure_for_programs_is_json(history: HandMade, cut: Path, lone_site: Site) -> None:
    done = run(history, lone_site, "stats --json")
    assert json.loads(done.stderr.splitlines()[-1])["code"] == "incomplete"
    assert EACH < json.loads(done.stdout)["events"] < 2 * EACH


def test_a_cursor_passes_a_hole_once_and_having_said_so(history: HandMade, cut: Path, lone_site: Site) -> None:
    first = run(history, lone_site, "read --cursor a --max-events 5")
    assert (first.returncode, first.stderr, first.stdout.count("\n")) == (0, "", 5)
    second = run(history, lone_site, "read --cursor a")
    assert (second.returncode, cut.name in second.stderr) == (74, True)
    history.append(1)
    third = run(history, lone_site, "read --cursor a")
    assert (third.returncode, third.stderr, third.stdout.count("\n")) == (0, "", 1)


def test_what_is_newer_than_a_hole_is_read_without_a_word_of_it(history: HandMade, cut: Path, lone_site: Site) -> None:
    done = run(history, lone_site, "tail -n 5")
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 5)


def test_a_program_is_warned(history: HandMade, cut: Path) -> None:
    code = f"from videodb_listen import read_events; print(len(list(read_events({str(history.directory)!r}))))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert EACH < int(done.stdout) < 2 * EACH
    assert done.stderr.startswith(f"{cut.name} cannot be read behind byte ")


@pytest.mark.parametrize("words", READERS)
def test_a_last_line_without_its_newline_is_an_event_when_no_listener_runs(
    history: HandMade, lone_site: Site, words: str
) -> None:
    history.events.write_bytes(history.events.read_bytes()[:-1])
    done = run(history, lone_site, words)
    assert (done.returncode, done.stderr) == (0, "")
    assert ("4001" if words == "stats" else "the last") in done.stdout


def test_waiting_finds_it_too(history: HandMade, lone_site: Site) -> None:
    history.events.write_bytes(line(history.written, channel="alert")[:-1])
    assert run(history, lone_site, "wait alert").returncode == 0


@pytest.mark.parametrize("words", READERS)
def test_a_fragment_that_a_crash_left_is_counted(history: HandMade, lone_site: Site, words: str) -> None:
    with history.events.open("ab") as file:
        file.write(b'{"unix_ts":17724')
    for _ in range(2):  # a cursor stays before it
        done = run(history, lone_site, words)
        assert done.returncode == 0
        assert "1 damaged line" in (done.stdout if words == "stats" else done.stderr) or words == "stats"


@needs_root
@pytest.mark.parametrize("mode", [0o711, 0o700, 0o755], ids=["not listed", "not entered", "a file may not be read"])
@pytest.mark.parametrize("words", ["query", "tail", "stats", "verify", "wait transcript"])
def test_what_may_not_be_read_is_not_passed_over(words: str, mode: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        made = HandMade(Path(directory))
        made.append(1)
        made.rotate()
        made.append(1)
        made.events.chmod(0o644)
        made.directory.chmod(mode)

        def work() -> Any:
            time_of_stamp(made.stamps[0])  # loads what nobody may load
            as_nobody()
            with pytest.raises(SystemExit) as end:
                main([*words.split(), "--dir", directory])
            return end.value.code

        next(made.directory.glob("*.2*")).chmod(0o600)
        assert in_child(work) == 73
