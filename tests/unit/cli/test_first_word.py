"""The first word decides: a command, a directory, or a mistake."""

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from videodb_listen.cli.first_word import (
    COMMANDS,
    GROUPED,
    IMPLICIT,
    WORDS,
    FirstWordDecides,
    cli,
    require_directory_word,
)
from videodb_listen.cli.flags import listener_options


@pytest.fixture(autouse=True)
def _in_a_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "existing").mkdir()
    (tmp_path / "a-file").touch()
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def decide(monkeypatch: pytest.MonkeyPatch) -> "Decide":
    monkeypatch.setattr(click.Group, "parse_args", lambda _self, _ctx, args: args)
    return Decide()


class Decide:
    """What the first word makes of a command line, before click parses it."""

    def __call__(self, *words: str) -> tuple[list[str], bool]:
        ctx = click.Context(cli)
        group = cli
        assert isinstance(group, FirstWordDecides)
        args = group.parse_args(ctx, list(words))
        assert ctx.meta.get(WORDS, []) == args[1:]
        return args, ctx.meta.get(IMPLICIT, False)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_name_of_a_command_is_that_command_even_where_a_directory_has_it(decide: Decide, name: str) -> None:
    Path(name).mkdir()
    assert decide(name, "--x") == ([name, "--x"], False)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_directory_named_like_a_command_is_reached_with_a_slash(decide: Decide, name: str) -> None:
    assert decide(f"./{name}") == (["run", f"./{name}"], True)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--clear"],
        ["--clear", "./out"],
        ["--output=none", "status"],
        ["./out", "--clear"],
        ["/not/there/yet"],
        ["new/"],
        ["existing"],
        ["existing", "--clear"],
        ["."],
        [".."],
        ["--"],
        ["--clear", "--help"],
    ],
)
def test_an_option_a_path_or_an_existing_directory_means_run(decide: Decide, words: list[str]) -> None:
    assert decide(*words) == (["run", *words], True)


@pytest.mark.parametrize("word", ["--help", "--version", "-h", "-V"])
@pytest.mark.parametrize("before", [[], ["--dir", "d"], ["--cwd=d"]], ids=" ".join)
def test_help_and_version_are_those_of_the_whole_program(decide: Decide, word: str, before: list[str]) -> None:
    assert decide(*before, word) == ([word], False)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["help"], ["--help"]),
        (["help", "help"], ["--help"]),
        (["help", "tail"], ["tail", "--help"]),
        (["help", "session", "record"], ["session", "record", "--help"]),
        (["--dir", "d", "help", "tail"], ["tail", "--dir", "d", "--help"]),
    ],
    ids=lambda words: " ".join(words),
)
def test_help_asks_for_the_help_of_what_follows(decide: Decide, words: list[str], meant: list[str]) -> None:
    assert decide(*words) == (meant, False)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["--dir", "d", "tail", "-f"], ["tail", "--dir", "d", "-f"]),
        (["--dir=d", "tail"], ["tail", "--dir=d"]),
        (["--cwd", "c", "--dir", "d", "status"], ["status", "--cwd", "c", "--dir", "d"]),
        (["--dir", "status", "status"], ["status", "--dir", "status"]),
        (["--dir", "d", "session", "list", "--json"], ["session", "list", "--dir", "d", "--json"]),
        (["--dir", "d", "session"], ["session"]),
        (["--dir", "d", "session", "--help"], ["session", "--help"]),
    ],
    ids=lambda words: " ".join(words),
)
def test_the_place_may_stand_before_the_command(decide: Decide, words: list[str], meant: list[str]) -> None:
    assert decide(*words) == (meant, False)


@pytest.mark.parametrize("words", [["--dir", "d"], ["--dir", "d", "--clear"], ["--dir"], ["--cwd", "c", "./out"]])
def test_a_place_without_a_command_is_that_of_run(decide: Decide, words: list[str]) -> None:
    assert decide(*words) == (["run", *words], True)


def test_a_mistake_behind_a_place_is_named(decide: Decide) -> None:
    with pytest.raises(click.UsageError, match="no command 'tial': did you mean tail"):
        decide("--dir", "d", "tial")


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("statuss", "did you mean status? "),
        ("stpo", "did you mean stop? "),
        ("Run", "did you mean run? "),
        ("out", ""),
        ("a-file", ""),
        ("x" * 50, ""),
    ],
)
def test_any_other_word_is_a_mistake_that_says_how_to_name_a_directory(decide: Decide, word: str, hint: str) -> None:
    with pytest.raises(click.UsageError) as failure:
        decide(word, "--clear")
    assert failure.value.exit_code == 2
    assert failure.value.message == f"no command {word!r}: {hint}a directory is ./{word}"


@pytest.mark.parametrize("word", ["existing", "a/b", "/", "./x", "existing/"])
def test_a_word_that_can_only_be_a_directory_is_one(word: str) -> None:
    require_directory_word(word)


@pytest.mark.parametrize("word", ["a-file", "status", "nothing"])
def test_a_word_that_can_be_something_else_is_none(word: str) -> None:
    with pytest.raises(click.UsageError):
        require_directory_word(word)


# -- through click ---------------------------------------------------------------------------------------------------


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `run` was called with; nothing is started."""
    seen: dict[str, Any] = {}

    @click.command()
    @listener_options
    def run(**options: Any) -> None:
        seen.update(options)

    monkeypatch.setattr(FirstWordDecides, "get_command", lambda _self, _ctx, name: run if name == "run" else None)
    return seen


@pytest.mark.parametrize(
    ("words", "directory"),
    [
        ([], None),
        (["--clear"], None),
        (["./out"], "./out"),
        (["--clear", "./out"], "./out"),
        (["./out", "--clear"], "./out"),
        (["existing"], "existing"),
        (["run", "out"], "out"),
        (["run", "status"], "status"),
        (["run", "--clear", "out"], "out"),
    ],
)
def test_the_directory_reaches_run(given: dict[str, Any], words: list[str], directory: str | None) -> None:
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 0, result.output
    assert given["dir_argument"] == directory
    assert given["clear"] is ("--clear" in words)


@pytest.mark.parametrize(
    "words", [["--clear", "out"], ["--clear", "status"], ["statuss"], ["./a", "./b"], ["--nonsense"]]
)
def test_a_word_in_the_wrong_place_is_wrong_usage(given: dict[str, Any], words: list[str]) -> None:
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 2, result.output
    assert given == {}


def test_the_help_lists_every_command_and_the_options_of_run() -> None:
    result = CliRunner().invoke(cli, ["--help"])
    assert result.exit_code == 0
    for name in COMMANDS:
        assert f"\n  {name} " in result.output
    assert "--startup-timeout" in result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_that_is_listed_can_be_loaded(name: str) -> None:
    group = cli
    assert isinstance(group, FirstWordDecides)
    command = group.get_command(click.Context(cli), name)
    assert command is not None
    assert command.name == name
    assert isinstance(command, click.Group) is (name in GROUPED)


def test_the_help_is_grouped_by_what_one_wants() -> None:
    shown = CliRunner().invoke(cli, ["--help"]).output
    titles = [f"\n{title}:\n" for title in ("Record", "Read", "Capture", "Try out", "Options of run and start")]
    assert sorted(titles, key=shown.index) == titles
