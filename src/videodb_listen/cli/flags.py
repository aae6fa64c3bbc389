"""The options that commands share; those of `run` and `start` come from the table in `settings`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from videodb_listen import environment
from videodb_listen.cli.first_word import IMPLICIT, require_directory_word
from videodb_listen.units import parse_count, parse_duration

if TYPE_CHECKING:
    from videodb_listen.settings import Option

Command = Callable[..., Any]


class Parsed(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.4
    """A flag whose value a parser of `settings` or `units` understands."""

    def __init__(self, parse: Callable[[str], Any], metavar: str) -> None:
        self._parse = parse
        self.name = metavar

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The parsed value; a usage error says what was not understood."""
        try:
            return self._parse(value) if isinstance(value, str) else value
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


DURATION = Parsed(parse_duration, "TIME")
COUNT = Parsed(parse_count, "N")


def directory_options(command: Command) -> Command:
    """`--dir` and `--cwd`, which every command takes."""
    command = click.option("--cwd", metavar="DIR", help="Read .env from DIR. [default: the working directory]")(command)
    return click.option(
        "--dir",
        "directory",
        metavar="DIR",
        help="State directory. [default: $VIDEODB_EVENTS_DIR, else ~/.local/state/videodb]",
    )(command)


def with_layout(command: Command) -> Command:
    """`--dir` and `--cwd`; the command is handed the `layout` that they, the environment and a `.env` name."""

    @functools.wraps(command)
    def called(*args: Any, directory: str | None, cwd: str | None, **options: Any) -> Any:
        return command(*args, layout=environment.read(cwd).layout(directory), **options)

    return directory_options(called)


def format_option(default: str, forms: Mapping[str, str]) -> Callable[[Command], Command]:
    """`--format`, one of `forms` (name to what it is), and `--json`, which is short for one of them.

    The command is handed the `format`.
    """
    help = f"{', '.join(f'{name} ({text})' for name, text in forms.items())}. [default: {default}]"

    def decorate(command: Command) -> Command:
        @click.option("--format", type=click.Choice([*forms]), metavar="FORMAT", help=help)
        @click.option("--json", "as_json", is_flag=True, help="Short for --format json.")
        @functools.wraps(command)
        def called(*args: Any, format: str | None, as_json: bool, **options: Any) -> Any:
            if as_json and format not in (None, "json"):
                raise click.UsageError(f"--json and --format {format}: give one")
            return command(*args, format="json" if as_json else format or default, **options)

        return called

    return decorate


screen_option = format_option("text", {"text": "a screen", "json": "one object"})
"""Of commands that show a screen."""


def account_options(command: Command) -> Command:
    """Whose account, and where the API is."""
    command = click.option("--api-key-file", metavar="FILE", help="Read the API key from FILE.")(command)
    return click.option(
        "--base-url", metavar="URL", help="Address of the API. [default: $VIDEO_DB_API, else https://api.videodb.io]"
    )(command)


def session_options(command: Command) -> Command:
    """What every command about sessions takes: whose account, and where."""
    command = account_options(command)
    command = click.option("--collection", metavar="ID", help="Collection of the session. [default: default]")(command)
    return directory_options(command)


def listener_options(command: Command) -> Command:
    """Everything that `run` and `start` take."""
    from videodb_listen.settings import OPTIONS  # here: other commands need none of it

    for option in reversed(OPTIONS):
        command = _flag(option)(command)
    command = directory_options(account_options(command))
    command = click.option("--clear", is_flag=True, help="Empty the events file once connected.")(command)
    return click.argument("dir_argument", metavar="[DIR]", required=False, callback=_check_directory_word)(command)


def _flag(option: Option) -> Callable[[Command], Command]:
    text = f"{option.help[0].upper()}{option.help[1:]}. [default: {option.shown}]"
    if not option.metavar:
        return click.option(option.flag, option.field_name, is_flag=True, default=None, help=text)
    accepted = getattr(option.parse, "accepted", None)
    kind = click.Choice(accepted) if accepted else Parsed(option.parse, option.metavar)
    return click.option(option.flag, option.field_name, type=kind, metavar=option.metavar, help=text)


def _check_directory_word(ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value and ctx.meta.get(IMPLICIT):
        require_directory_word(value)
    return value


def chosen_directory(argument: str | None, option: str | None) -> str | None:
    """The directory of a command that takes it both ways, None when it was given neither way."""
    if argument and option and argument != option:
        raise click.UsageError(f"two directories: {argument} and --dir {option}: give one")
    return argument or option
