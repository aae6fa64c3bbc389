"""The options that commands share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from videodb_listen.cli import cli
from videodb_listen.cli.flags import COUNT, Parsed, chosen_directory, format_option, listener_options, with_layout
from videodb_listen.paths import Layout
from videodb_listen.settings import OPTIONS
from videodb_listen.units import parse_duration


def test_a_directory_given_twice_must_be_the_same() -> None:
    assert chosen_directory("a", None) == chosen_directory(None, "a") == chosen_directory("a", "a") == "a"
    assert chosen_directory(None, None) is None
    with pytest.raises(click.UsageError, match="two directories: a and --dir b"):
        chosen_directory("a", "b")


@pytest.mark.parametrize("flags", [["--dir", "/flag"], ["--cwd", "there"]])
def test_a_command_is_handed_the_layout_that_flags_and_a_dotenv_name(
    flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("VIDEODB_LISTEN_DIR", "VIDEODB_EVENTS_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / ".env").write_text("VIDEODB_EVENTS_DIR=/flag\n")

    @click.command()
    @with_layout
    @click.option("--other", default="o")
    def command(layout: Layout, other: str) -> None:
        click.echo(f"{layout.directory} {other}")

    assert CliRunner().invoke(command, flags).stdout == "/flag o\n"


def test_a_listener_takes_every_option_of_the_table() -> None:
    @click.command()
    @listener_options
    def command() -> None:
        raise AssertionError

    taken = {flag for parameter in command.params for flag in parameter.opts}
    assert {option.flag for option in OPTIONS} < taken


@click.command()
@format_option("text", {"text": "a table", "json": "an object a line", "csv": "a table, too"})
def formatted(format: str) -> None:
    click.echo(format)


@pytest.mark.parametrize(
    ("words", "format"),
    [
        ([], "text"),
        (["--json"], "json"),
        (["--format", "json"], "json"),
        (["--json", "--format", "json"], "json"),
        (["--format", "csv"], "csv"),
    ],
)
def test_json_is_short_for_a_format(words: list[str], format: str) -> None:
    assert CliRunner().invoke(formatted, words).output == f"{format}\n"


def test_two_different_formats_are_wrong_usage() -> None:
    done = CliRunner().invoke(formatted, ["--json", "--format", "csv"])
    assert (done.exit_code, "give one" in done.output) == (2, True)


def commands(group: click.Group) -> Iterator[click.Command]:
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        yield from commands(command) if isinstance(command, click.Group) else [command]


def test_wherever_a_command_has_one_of_json_and_format_it_has_both() -> None:
    for command in commands(cli):
        flags = {flag for parameter in command.params for flag in parameter.opts}
        assert len(flags & {"--json", "--format"}) in (0, 2), command.name


@pytest.mark.parametrize("text", ["100000000000000000000", "-1", "1e3", "x"])
def test_a_number_beyond_reason_is_wrong_usage(text: str) -> None:
    with pytest.raises(click.BadParameter):
        COUNT.convert(text, None, None)


def test_a_value_that_is_not_understood_is_wrong_usage() -> None:
    with pytest.raises(click.BadParameter, match="soon"):
        Parsed(parse_duration, "TIME").convert("soon", None, None)
    assert Parsed(parse_duration, "TIME").convert("2m", None, None) == 120.0
