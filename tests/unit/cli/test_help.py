"""Every command says what it does, and shows how."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from videodb_listen.cli import cli


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


ALL = dict(commands(cli, "videodb-listen"))


@pytest.mark.parametrize("path", ALL)
def test_the_help_of_a_command_shows_an_example(path: str) -> None:
    command = ALL[path]
    text = command.get_help(click.Context(command, info_name=path))
    shown = [
        line for line in text.split("Options:")[0].splitlines()[1:] if path.removeprefix("videodb-listen ") in line
    ]
    assert shown, text
    assert len((command.help or "").split("\b")[0].strip()) > 20


@pytest.mark.parametrize("path", ALL)
def test_every_option_says_what_it_is_for(path: str) -> None:
    for parameter in ALL[path].params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert parameter.help, f"{path} {parameter.opts}"
