"""What is decided outside a command line: by the environment of this process, and by a `.env`. The only reader of both.

Commands ask an `Environment`; those that only look at a directory load no settings. A program that uses the library has
no `.env` read for it: that takes `variables` alone.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videodb_listen.errors import ConfigurationError
from videodb_listen.paths import DIRECTORY_NAME, Layout, directory_in, path_of, state_directory
from videodb_listen.system.files import is_strangers, open_to_read
from videodb_listen.trust import DEFAULT_OWNERS

if TYPE_CHECKING:
    from videodb_listen.settings import Account, Settings

KEY_FILE_NAME = "VIDEODB_LISTEN_API_KEY_FILE"
LOG_FORMAT_NAME = "VIDEODB_LISTEN_LOG_FORMAT"
OWNER_NAME = "VIDEODB_LISTEN_OWNER"

log = logging.getLogger(__name__)


def variables() -> Mapping[str, str]:
    """The environment of this process."""
    return os.environ


def log_format() -> str:
    """How messages are to be told, as far as nothing but the environment says: `json`, or else for people."""
    return variables().get(LOG_FORMAT_NAME) or "text"


def path(given: str) -> Path:
    """The path that a person means by `given`, see `path_of`. Raises ConfigurationError."""
    return path_of(given, variables())


def has_plain_terminal() -> bool:
    """Whether a terminal can only print, without colours and without a line that moves."""
    return variables().get("TERM") == "dumb"


def wants_colour() -> bool:
    """Whether a terminal is to be given colours."""
    return not variables().get("NO_COLOR") and not has_plain_terminal()


def owners(given: Sequence[str]) -> Sequence[str]:
    """The streams whose words are the owner's: those `given`, else those that the environment names."""
    return given or [name for name in variables().get(OWNER_NAME, "").split(",") if name] or DEFAULT_OWNERS


@dataclass(frozen=True)
class Environment:
    """What holds where a flag says nothing: flag > variable > `.env` > default. An empty variable counts as unset."""

    variables: Mapping[str, str] = field(repr=False)
    dotenv: Mapping[str, str] = field(repr=False, default_factory=dict)

    def layout(self, directory: str | None) -> Layout:
        """The layout that a command works on; `directory` is its flag, None: not given."""
        chosen = directory or directory_in(self.variables) or self.dotenv.get(DIRECTORY_NAME)
        return Layout(state_directory(chosen, self.variables))

    def file_key(self, api_key_file: str | None) -> str | None:
        """The key in the file that the flag or the variable names; None: neither does. Raises ConfigurationError."""
        key_file = api_key_file or self.variables.get(KEY_FILE_NAME)
        return _read_key(key_file) if key_file else None

    def account(self, base_url: str | None, api_key_file: str | None) -> Account:
        """The account that a command works for; None: a flag that was not given.

        Raises ConfigurationError for what is missing or wrong.
        """
        from videodb_listen.settings import resolve_account

        return resolve_account(base_url, self.variables, self.dotenv, key=self.file_key(api_key_file))

    def settings(self, flags: Mapping[str, Any]) -> Settings:
        """All settings; `flags` are those given, field name to value.

        Raises ConfigurationError for a wrong variable.
        """
        from videodb_listen.settings import resolve

        return resolve(flags, self.variables)

    def value(self, field_name: str, flags: Mapping[str, Any]) -> Any:
        """One setting, whatever the others are. Raises ConfigurationError when its variable is wrong."""
        from videodb_listen.settings import value_of

        return value_of(field_name, flags, self.variables)


def read(cwd: str | None) -> Environment:
    """The environment, and the `.env` in `cwd` (None: the working directory); no parent directory is searched."""
    return Environment(variables(), _dotenv(path(cwd or ".") / ".env"))


def _dotenv(path: Path) -> dict[str, str]:
    """The names of ours in `path`.

    A file that others can write to, or that belongs to someone else, is ignored with a warning: whoever writes it
    chooses the key and the server.
    """
    try:
        with os.fdopen(open_to_read(path), encoding="utf-8") as file:
            if is_strangers(file.fileno()):
                log.warning("%s is ignored: everyone can write to it, or it is not yours", path)
                return {}
            content = file.read()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as exc:
        log.warning("%s is ignored: %s", path, exc)
        return {}
    from dotenv import dotenv_values

    from videodb_listen.settings import DOTENV_NAMES

    values = dotenv_values(stream=StringIO(content), interpolate=False)
    return {name: value for name, value in values.items() if name in DOTENV_NAMES and value}


@functools.cache
def _read_key(given: str) -> str:
    """The key in the file, which may be a pipe: that gives it once."""
    try:
        key = path(given).read_text("utf-8").strip()
    except OSError as exc:
        raise _unreadable(given, exc.strerror or "") from None
    except UnicodeDecodeError:
        raise _unreadable(given, "it is not text") from None
    if not key:
        raise ConfigurationError(f"the key file {given} is empty", fix="put the API key into it")
    return key


def _unreadable(given: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"the key file {given} cannot be read: {why}", fix="check --api-key-file")
