"""The options that commands share, and the way from flags, environment and `.env` to a Layout and Settings.

The only place that reads `.env`, and what in the environment decides about directory and settings. Beside it only
`start` (its own time limit), `foreground` (systemd, the log format until the settings are known) and `cli` (the form of
an error) look into the environment.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import click

from videodb_listen.cli import IMPLICIT, require_directory_word
from videodb_listen.errors import ConfigurationError
from videodb_listen.paths import DIRECTORY_NAME, Layout, directory_in, state_directory
from videodb_listen.settings import DOTENV_NAMES, OPTIONS, Account, Option, resolve_account

log = logging.getLogger(__name__)


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


def directory_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--dir` and `--cwd`, which every command takes."""
    command = click.option("--cwd", metavar="DIR", help="Read .env from DIR. [default: the working directory]")(command)
    return click.option(
        "--dir",
        "directory",
        metavar="DIR",
        help="State directory. [default: $VIDEODB_EVENTS_DIR, else ~/.local/state/videodb]",
    )(command)


def listener_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Everything that `run` and `start` take, from the table in `settings`."""
    for option in reversed(OPTIONS):
        command = _flag(option)(command)
    command = click.option("--api-key-file", metavar="FILE", help="Read the API key from FILE.")(command)
    command = click.option(
        "--base-url", metavar="URL", help="Address of the API. [default: $VIDEO_DB_API, else https://api.videodb.io]"
    )(command)
    command = directory_options(command)
    command = click.option("--clear", is_flag=True, help="Empty the events file once connected.")(command)
    return click.argument("dir_argument", metavar="[DIR]", required=False, callback=_check_directory_word)(command)


def _flag(option: Option) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
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


def find_layout(directory: str | None, dotenv: Mapping[str, str]) -> Layout:
    """The layout that a command works on: `--dir`, else the environment, else `.env`, else the default."""
    chosen = directory or directory_in(os.environ)
    return Layout(state_directory(chosen or dotenv.get(DIRECTORY_NAME), os.environ))


def find_account(base_url: str | None, dotenv: Mapping[str, str], api_key_file: str | None) -> Account:
    """The account that a command works for. Raises ConfigurationError for what is missing or wrong."""
    key_file = api_key_file or os.environ.get("VIDEODB_LISTEN_API_KEY_FILE")
    key = _read_key(key_file) if key_file else None
    return resolve_account(base_url, os.environ, dotenv, key=key)


def read_dotenv(cwd: str | None) -> dict[str, str]:
    """The names of ours in `.env` of `cwd` (None: the working directory); no parent directory is searched.

    A file that others can write to, or that belongs to someone else, is ignored with a warning: whoever writes it
    chooses the key and the server.
    """
    path = Path(cwd or ".", ".env")
    try:
        status = path.stat()
        if status.st_mode & stat.S_IWOTH or status.st_uid != os.geteuid():
            log.warning("%s is ignored: everyone can write to it, or it is not yours", path)
            return {}
        content = path.read_text("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as exc:
        log.warning("%s is ignored: %s", path, exc)
        return {}
    from dotenv import dotenv_values

    values = dotenv_values(stream=StringIO(content), interpolate=False)
    return {name: value for name, value in values.items() if name in DOTENV_NAMES and value}


def _read_key(path: str) -> str:
    try:
        key = Path(path).expanduser().read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError, RuntimeError) as exc:
        reason = {OSError: getattr(exc, "strerror", ""), UnicodeDecodeError: "it is not text", RuntimeError: str(exc)}
        why = next(text for kind, text in reason.items() if isinstance(exc, kind))
        raise ConfigurationError(f"the key file {path} cannot be read: {why}", fix="check --api-key-file") from None
    if not key:
        raise ConfigurationError(f"the key file {path} is empty", fix="put the API key into it")
    return key
