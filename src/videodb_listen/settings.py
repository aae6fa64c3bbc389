"""Settings in groups, each for those who use it, and the account that requests are made for.

The fields of the groups are the single table of options: `cli` derives the flags and `docs/reference.md` from it, and
`resolve` the names in the environment. Flag > environment > `.env` > default.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from videodb_listen.errors import ConfigurationError
from videodb_listen.paths import DIRECTORY_NAME
from videodb_listen.text import visible
from videodb_listen.units import parse_duration, parse_size

DEFAULT_BASE_URL = "https://api.videodb.io"
KEY_NAMES = ("VIDEO_DB_API_KEY", "VIDEODB_API_KEY")
BASE_URL_NAME = "VIDEO_DB_API"
DOTENV_NAMES = frozenset({*KEY_NAMES, BASE_URL_NAME, DIRECTORY_NAME})
_PREFIX = "VIDEODB_LISTEN_"


def _option(parse: Callable[[str], Any], default: Any, metavar: str, help: str, *, shown: str | None = None) -> Any:
    """A field of a group that is also a flag; `shown` is the default as people write it, None when str() does."""
    shown = str(default) if shown is None else shown
    metadata = {"parse": parse, "default": default, "metavar": metavar, "help": help, "shown": shown}
    return field(default=default, metadata=metadata)


def choice(*accepted: str) -> Callable[[str], str]:
    """A parser that takes exactly these words."""

    def parse(text: str) -> str:
        if text not in accepted:
            raise ValueError(f"{text!r} is not one of {', '.join(accepted)}")
        return text

    parse.accepted = accepted  # type: ignore[attr-defined]  # cli offers them for completion
    return parse


def _positive(parse: Callable[[str], float]) -> Callable[[str], float]:
    def parse_positive(text: str) -> float:
        value = parse(text)
        if value <= 0:
            raise ValueError(f"{text!r} must be more than 0")
        return value

    return parse_positive


def _time(default: float, shown: str, help: str, *, may_be_0: bool = False) -> Any:
    return _option(parse_duration if may_be_0 else _positive(parse_duration), default, "TIME", help, shown=shown)


def _size(default: int | None, shown: str, help: str) -> Any:
    return _option(_positive(parse_size), default, "SIZE", help, shown=shown)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


def _switch(text: str) -> bool:
    known = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if text.lower() not in known:
        raise ValueError(f"{text!r} is neither on nor off")
    return known[text.lower()]


def _collection(text: str) -> str:
    if not text or not all(character.isalnum() or character in "-_." for character in text) or set(text) == {"."}:
        raise ValueError(f"{text!r} is not a collection id: letters, digits, '-', '_' and '.'")
    return text


@dataclass(frozen=True, eq=False)  # methods that nobody calls would cost every `--help`
class Account:
    """Whose account, and where: what every request needs, and nothing else. `key` is an API key or a client token."""

    base_url: str
    key: str = field(repr=False)


@dataclass(frozen=True, eq=False)
class Link:
    """How a connection is made, kept and given up. None is explained at each field."""

    collection: str = _option(_collection, "default", "ID", "collection whose events are wanted")
    startup_timeout_s: float = _time(60.0, "60s", "give up when not connected after this; 0 = never", may_be_0=True)
    max_retries: int | None = _option(
        _count, None, "N", "consecutive failures allowed after the first connection", shown="no limit"
    )
    min_backoff_s: float = _time(1.0, "1s", "bound of the first delay")
    max_backoff_s: float = _time(60.0, "60s", "bound of any delay")
    ping_interval_s: float = _time(20.0, "20s", "time between pings")
    ping_timeout_s: float = _time(20.0, "20s", "time a pong may take")
    hello_timeout_s: float = _time(10.0, "10s", "time the connection id may take")
    drain_s: float = _time(2.0, "2s", "time the server has to answer our Close", may_be_0=True)
    max_frame_bytes: int = _size(32 << 20, "32M", "a larger frame is refused and journalled")

    @property
    def stale_after_s(self) -> float:
        """Age in seconds at which the last pong no longer proves a connection."""
        return self.ping_interval_s + self.ping_timeout_s


@dataclass(frozen=True, eq=False)
class Disk:
    """When lines are forced onto the disk, and how many may wait for it."""

    fsync: str = _option(
        choice("always", "interval", "never"),
        "interval",
        "WHEN",
        "when to sync: always (after each batch), interval or never",
    )
    fsync_interval_s: float = _time(1.0, "1s", "time between syncs with --fsync interval")
    memory_limit_bytes: int = _size(64 << 20, "64M", "lines held while the disk refuses them")


@dataclass(frozen=True, eq=False)
class Rotation:
    """When the events file is rotated, and what becomes of its generations; `rotate_size_bytes` None: never."""

    rotate_size_bytes: int | None = _size(None, "off", "set the events file aside when it has grown to this")
    rotate_keep: int = _option(_count, 10, "N", "rotated files that are kept")
    rotate_gzip: bool = _option(_switch, False, "", "compress rotated files, one generation late", shown="off")


@dataclass(frozen=True, eq=False)
class Output:
    """What is told on stdout and stderr."""

    output: str = _option(
        choice("preview", "json", "none"), "preview", "WHAT", "copies of events on stdout: preview, json or none"
    )
    log_level: str = _option(
        choice("debug", "info", "warning", "error"),
        "info",
        "LEVEL",
        "least severe messages to show: debug, info, warning or error",
    )
    log_format: str = _option(choice("text", "json"), "text", "FORMAT", "messages on stderr: text or json")


@dataclass(frozen=True, eq=False)
class Settings:
    """What a listener was told, in groups: whoever needs one is handed that one. Sizes are bytes, times are seconds."""

    link: Link = field(default_factory=Link)
    disk: Disk = field(default_factory=Disk)
    rotation: Rotation = field(default_factory=Rotation)
    output: Output = field(default_factory=Output)


@dataclass(frozen=True, eq=False)
class Option:
    """One flag of `run` and `start`, as the table above has it; without a metavar it is a switch."""

    field_name: str
    parse: Callable[[str], Any]
    default: Any
    metavar: str
    help: str
    shown: str

    @property
    def flag(self) -> str:
        """`--max-frame-size` for `max_frame_bytes`: people write units in the value, code in the name."""
        stem = self.field_name.removesuffix("_s")
        return "--" + stem.replace("frame_bytes", "frame_size").removesuffix("_bytes").replace("_", "-")

    @property
    def variable(self) -> str:
        """The name in the environment: `VIDEODB_LISTEN_MAX_FRAME_SIZE`."""
        return _PREFIX + self.flag[2:].replace("-", "_").upper()


_GROUPS: Mapping[str, type[Any]] = {"link": Link, "disk": Disk, "rotation": Rotation, "output": Output}
OPTIONS = tuple(
    Option(entry.name, **entry.metadata) for group in _GROUPS.values() for entry in dataclasses.fields(group)
)
_BY_NAME = {option.field_name: option for option in OPTIONS}


def resolve(flags: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    """The settings that hold, from the flags given (field name to parsed value) and the environment.

    Empty variables count as unset. Raises ConfigurationError for a value that is not understood.
    """
    groups = {
        name: group(**{entry.name: value_of(entry.name, flags, environ) for entry in dataclasses.fields(group)})
        for name, group in _GROUPS.items()
    }
    return Settings(**groups)


def resolve_account(
    base_url: str | None, environ: Mapping[str, str], dotenv: Mapping[str, str], *, key: str | None
) -> Account:
    """The account: `key` (None: not given) and `base_url` (None: not given), else the environment, else a `.env`.

    Raises ConfigurationError for an address that would send the key in the clear, and when there is no key.
    """
    from_outside = key or _first(KEY_NAMES, environ)
    chosen = base_url or environ.get(BASE_URL_NAME)
    if not chosen and not from_outside:
        chosen = dotenv.get(BASE_URL_NAME)  # beside its own key only: else a stranger's .env sends yours elsewhere
    found = from_outside or _first(KEY_NAMES, dotenv)
    if found is None:
        raise ConfigurationError("no API key", fix="set VIDEO_DB_API_KEY, or put it into .env or --api-key-file")
    return Account(checked_base_url(chosen), checked_credential("API key", found))


def checked_base_url(url: str | None) -> str:
    """The address of the API, the service's own for None or "".

    Raises ConfigurationError when it would send a credential in the clear, or is more than scheme, host and path.
    """
    if url and ("?" in url or "#" in url):
        raise ConfigurationError("the base URL has a query or a fragment", fix="give scheme, host and path only")
    return checked_url((url or DEFAULT_BASE_URL).rstrip("/"), "https", "http")


def checked_credential(name: str, value: str) -> str:
    """`value`, which is called `name`. Raises ConfigurationError, without showing it, when no header can carry it."""
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ConfigurationError(
            f"the {name} holds a blank or a character that no key has", fix=f"copy the {name} again, without quotes"
        )
    return value


def value_of(field_name: str, flags: Mapping[str, Any], environ: Mapping[str, str]) -> Any:
    """What holds for one option, by the rules of `resolve`.

    Raises ConfigurationError for a value that is not understood.
    """
    if (given := flags.get(field_name)) is not None:
        return given
    option = _BY_NAME[field_name]
    text = environ.get(option.variable)
    return _parsed(option, text) if text else option.default


def is_loopback(host: str | None) -> bool:
    """Whether traffic to `host` cannot leave this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def checked_url(url: str, secure: str, plain: str) -> str:
    """`url`, when it has the scheme `secure`, or `plain` and a loopback host.

    Raises ConfigurationError otherwise; the message shows no more than scheme and host, since the rest can be a secret.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError("a URL is malformed", fix=f"it must look like {secure}://host[:port]") from None
    if host and (parts.scheme == secure or (parts.scheme == plain and is_loopback(host))):
        return url
    what = f"the URL {parts.scheme}://{visible(host)} is not {secure}" if host else "a URL names no host"
    raise ConfigurationError(what, fix=f"use {secure}://host[:port]; {plain} is accepted for loopback only")


def _parsed(option: Option, text: str) -> Any:
    try:
        return option.parse(text)
    except ValueError as exc:
        raise ConfigurationError(f"{option.variable}: {exc}", fix=f"correct or unset {option.variable}") from None


def _first(names: tuple[str, ...], source: Mapping[str, str]) -> str | None:
    return next((value for name in names if (value := source.get(name))), None)
