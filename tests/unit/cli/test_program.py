"""A failure is one line, for people or for programs, and never a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from videodb_listen.cli import first_word, main
from videodb_listen.cli.first_word import FirstWordDecides
from videodb_listen.cli.program import asks_for_json

LOG_FORMAT = "VIDEODB_LISTEN_LOG_FORMAT"


@pytest.fixture(autouse=True)
def _without_a_listener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LOG_FORMAT, raising=False)
    monkeypatch.setenv("VIDEODB_EVENTS_DIR", str(tmp_path / "nothing"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "words",
    [
        "status --json",
        "status --nonsense --json",
        "stats --json --since yesterday",
        "session list --json",
        "run --log-format json",
        "run --drain soon --log-format=json ./out",
        "start --log-format json",
        "--log-format json --clear",
        "--clear --log-format=json",
        "./out --log-format json",
        "stop --json",
        "statuss --json",
        "statuss --log-format json",
        "session nonsense --json",
    ],
)
def test_failures_are_json_where_an_option_says_so(words: str) -> None:
    assert asks_for_json(words.split())


@pytest.mark.parametrize(
    "words",
    [
        "",
        "status",
        "query --grep --json",
        "query --grep=--json",
        "wait --grep --log-format json",
        "run --dir --log-format json",
        "run --collection --log-format=json",
        "--dir --log-format json",
        "session record --describe --json",
        "session list --status --json",
        "run --log-format text",
        "run --log-format json --log-format text",
        "run --log-format loud",
        "query -- --json",
        "session",
    ],
)
def test_the_value_of_another_option_asks_for_nothing(words: str) -> None:
    assert not asks_for_json(words.split())


@pytest.mark.parametrize(("flag", "asked"), [([], True), (["--log-format", "text"], False)])
def test_the_variable_holds_where_no_flag_does(flag: list[str], asked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LOG_FORMAT, "json")
    assert asks_for_json(["run", *flag]) is asked


def failure(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[object, str]:
    """The status of a command line that fails, and its one line on stderr."""
    with pytest.raises(SystemExit) as end:
        main(words)
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    return end.value.code, line


def test_a_search_for_the_word_json_fails_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    status, line = failure(capsys, "query", "--grep", "--json")
    assert (status, line.split(":")[0]) == (73, "videodb-listen")


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [(["stats", "--json"], 73, "directory_unusable"), (["status", "--json", "--nonsense"], 2, "usage")],
)
def test_a_failure_as_json_is_one_object(
    capsys: pytest.CaptureFixture[str], words: list[str], status: int, code: str
) -> None:
    told, line = failure(capsys, *words)
    assert (told, json.loads(line)["code"]) == (status, code)


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Have the command `status` raise this."""

    @click.command()
    @click.option("--json", "as_json", is_flag=True)
    def status(as_json: bool) -> None:
        raise error

    monkeypatch.setattr(FirstWordDecides, "get_command", lambda _self, _ctx, _name: status)


@pytest.mark.parametrize("words", [["status"], ["status", "--json"]])
def test_a_bug_is_one_line_that_asks_to_be_reported(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    raising(monkeypatch, KeyError("x"))
    status, line = failure(capsys, *words)
    assert status == 70
    assert "unexpected KeyError: 'x'" in line
    assert line.startswith("{") is (words[-1] == "--json")


def test_a_command_that_cannot_be_loaded_is_a_bug_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(first_word.COMMANDS, "status", ("not_there", ""))
    status, line = failure(capsys, "status", "--json")
    assert (status, "ModuleNotFoundError" in line) == (70, True)


def test_an_interruption_ends_as_shells_count_it(monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, KeyboardInterrupt())
    with pytest.raises(SystemExit) as end:
        main(["status"])
    assert end.value.code == 130


def test_what_an_error_says_is_made_visible(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    raising(monkeypatch, KeyError("\x1b[2J"))
    assert "\x1b" not in failure(capsys, "status")[1]
