"""The options that commands share."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from videodb_listen.cli.flags import Parsed, chosen_directory, listener_options, with_layout
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


def test_a_value_that_is_not_understood_is_wrong_usage() -> None:
    with pytest.raises(click.BadParameter, match="soon"):
        Parsed(parse_duration, "TIME").convert("soon", None, None)
    assert Parsed(parse_duration, "TIME").convert("2m", None, None) == 120.0
