"""Whatever 0, 1 and 2 are when a command begins, its files get nothing of its output, and a lost output is said."""

from __future__ import annotations

import subprocess

import pytest

from support.daemon import Site, command_of
from support.history import HandMade

COMMANDS = {  # and the exit status where nothing is wrong
    "read --cursor a": 0,
    "query": 0,
    "tail": 0,
    "wait transcript": 0,
    "stats": 0,
    "stats --json": 0,
    "verify": 0,
    "status": 3,
    "status --json": 3,
    "export srt": 0,
    "export csv -o -": 0,
    "--help": 0,
    "query --help": 0,
    "--version": 0,
}


@pytest.fixture
def recorded(lone_site: Site) -> Site:
    """A directory with three events in it, and no listener."""
    lone_site.directory.mkdir()
    HandMade(lone_site.directory).append(3, data={"text": "hello", "is_final": True})
    return lone_site


def run(site: Site, words: str, redirection: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a shell that changes its descriptors first."""
    command = ["sh", "-c", f'"$@" {redirection}', "sh", *command_of("bare"), *words.split()]
    environment = site.environment() | {"VIDEODB_EVENTS_DIR": str(site.directory)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.parametrize("redirection", [">&-", ">/dev/full", "<&- >&-"])
@pytest.mark.parametrize("words", [*COMMANDS, "emulator serve"])
def test_what_cannot_be_printed_is_73_and_one_line(recorded: Site, words: str, redirection: str) -> None:
    done = run(recorded, words, redirection)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (73, "", 1)
    assert "standard output cannot be written" in done.stderr


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "<&-"])
@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_does_its_work_whatever_stdin_and_stderr_are(recorded: Site, words: str, redirection: str) -> None:
    done = run(recorded, words, redirection)
    assert done.returncode == COMMANDS[words]
    assert done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("closed", [">&-", "<&- >&-", "<&- >&- 2>&-"])
def test_a_cursor_whose_events_could_not_be_printed_stays_and_gets_none_of_them(recorded: Site, closed: str) -> None:
    assert run(recorded, "read --cursor a", closed).returncode == 73
    assert [data for name, data in recorded.contents().items() if name.startswith("cursors")] == [b""]
    assert run(recorded, "read --cursor a", "").stdout.count("\n") == 3


def test_an_export_to_a_file_needs_neither_stdout_nor_stderr(recorded: Site) -> None:
    target = recorded.home / "out.srt"
    assert run(recorded, f"export srt -o {target}", "<&- >&- 2>&-").returncode == 0
    assert target.read_text().count("hello") == 3


@pytest.mark.parametrize(("redirection", "status"), [("2>&-", 2), ("2>/dev/full", 2), (">&- 2>&-", 2)])
def test_a_failure_that_cannot_be_said_keeps_its_status(recorded: Site, redirection: str, status: int) -> None:
    assert run(recorded, "query --nonsense", redirection).returncode == status


def test_a_recorder_without_stdin_ends_as_at_its_end(recorded: Site) -> None:
    done = run(recorded, "emulator recorder", "<&-")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_dash_is_stdout_and_no_file(recorded: Site) -> None:
    done = run(recorded, "export txt -o -", "")
    assert done.stdout.startswith("[00:00:00] hello")
    assert not (recorded.home / "-").exists()
