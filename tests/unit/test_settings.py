"""The settings of a listener: flag > environment > `.env` > default."""

import dataclasses
from typing import Any

import pytest

from support.recording import RecordingServer, good
from videodb_listen.cli import main
from videodb_listen.errors import ConfigurationError
from videodb_listen.settings import (
    DEFAULT_BASE_URL,
    OPTIONS,
    Link,
    Option,
    Settings,
    checked_url,
    is_loopback,
    resolve,
    resolve_account,
    value_of,
)

KEY = {"VIDEO_DB_API_KEY": "sk-1"}
BY_NAME = {option.field_name: option for option in OPTIONS}

# field: (flag, default, a text that is understood, what it means)
TABLE: dict[str, tuple[str, Any, str, Any]] = {
    "collection": ("--collection", "default", "c-1.x_y", "c-1.x_y"),
    "startup_timeout_s": ("--startup-timeout", 60.0, "0", 0.0),
    "max_retries": ("--max-retries", None, "3", 3),
    "min_backoff_s": ("--min-backoff", 1.0, "500ms", 0.5),
    "max_backoff_s": ("--max-backoff", 60.0, "2m", 120.0),
    "ping_interval_s": ("--ping-interval", 20.0, "5", 5.0),
    "ping_timeout_s": ("--ping-timeout", 20.0, "5s", 5.0),
    "hello_timeout_s": ("--hello-timeout", 10.0, "1s", 1.0),
    "drain_s": ("--drain", 2.0, "0", 0.0),
    "max_frame_bytes": ("--max-frame-size", 32 << 20, "1M", 1 << 20),
    "fsync": ("--fsync", "interval", "always", "always"),
    "fsync_interval_s": ("--fsync-interval", 1.0, "3s", 3.0),
    "memory_limit_bytes": ("--memory-limit", 64 << 20, "1K", 1024),
    "rotate_size_bytes": ("--rotate-size", None, "2M", 2 << 20),
    "rotate_keep": ("--rotate-keep", 10, "3", 3),
    "rotate_gzip": ("--rotate-gzip", False, "yes", True),
    "output": ("--output", "preview", "json", "json"),
    "log_level": ("--log-level", "info", "debug", "debug"),
    "log_format": ("--log-format", "text", "json", "json"),
}


def test_the_table_of_options_is_complete() -> None:
    assert [option.field_name for option in OPTIONS] == list(TABLE)
    groups = [getattr(Settings(), group.name) for group in dataclasses.fields(Settings)]
    assert [entry.name for group in groups for entry in dataclasses.fields(group)] == list(TABLE)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.flag)
def test_every_option_has_a_flag_a_variable_a_default_and_a_help(option: Option) -> None:
    flag, default, _, _ = TABLE[option.field_name]
    assert option.flag == flag
    assert option.variable == "VIDEODB_LISTEN_" + flag[2:].upper().replace("-", "_")
    assert value_of(option.field_name, {}, {}) == default
    assert option.help
    assert not option.metavar or option.metavar.isupper()  # a switch takes no value
    if default is not None:
        assert option.parse(option.shown) == default  # what --help promises is what holds


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.flag)
def test_a_flag_beats_a_variable_which_beats_the_default(option: Option) -> None:
    _, default, text, meant = TABLE[option.field_name]
    variable = {option.variable: text}
    flagged = object()

    def holding(flags: dict[str, Any], environ: dict[str, str]) -> Any:
        settings = resolve(flags, environ)
        groups = [getattr(settings, group.name) for group in dataclasses.fields(settings)]
        return next(vars(group)[option.field_name] for group in groups if option.field_name in vars(group))

    assert holding({option.field_name: flagged}, variable) is flagged
    assert holding({option.field_name: None}, variable) == meant
    assert holding({}, variable) == meant
    assert holding({}, {option.variable: ""}) == default
    assert holding({}, {}) == default


def test_a_flag_of_zero_is_a_flag() -> None:
    link = resolve({"startup_timeout_s": 0.0, "max_retries": 0}, {}).link
    assert (link.startup_timeout_s, link.max_retries) == (0.0, 0)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("collection", "a/b"),
        ("collection", ".."),
        ("collection", "."),
        ("collection", "a b"),
        ("collection", "a?x=1"),
        ("collection", "a%2e"),
        ("startup_timeout_s", "soon"),
        ("max_retries", "-1"),
        ("max_retries", "1.5"),
        ("max_retries", "many"),
        ("min_backoff_s", "0"),
        ("max_backoff_s", "0ms"),
        ("ping_interval_s", "0"),
        ("ping_timeout_s", "0"),
        ("hello_timeout_s", "0"),
        ("drain_s", "-2"),
        ("max_frame_bytes", "0"),
        ("max_frame_bytes", "32MB"),
        ("fsync", "sometimes"),
        ("fsync_interval_s", "0"),
        ("memory_limit_bytes", "0K"),
        ("rotate_size_bytes", "0"),
        ("rotate_keep", "few"),
        ("rotate_gzip", "perhaps"),
        ("output", "xml"),
        ("log_level", "loud"),
        ("log_format", "yaml"),
    ],
)
def test_a_variable_that_is_not_understood_is_named_with_its_value(field: str, text: str) -> None:
    option = BY_NAME[field]
    with pytest.raises(ConfigurationError) as failure:
        resolve({}, {option.variable: text})
    assert option.variable in failure.value.message
    assert repr(text) in failure.value.message
    assert option.variable in failure.value.fix


def test_a_command_minds_only_the_settings_that_it_uses(
    server: RecordingServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"VIDEO_DB_API_KEY": "sk", "VIDEO_DB_API": server.url, "VIDEODB_LISTEN_FSYNC": "bogus"}.items():
        monkeypatch.setenv(name, value)
    server.replies = [good({"sessions": [{"session_id": "cap-1"}]})]
    with pytest.raises(SystemExit) as ended:
        main(["session", "list", "--json"])
    assert (ended.value.code, capfd.readouterr().out) == (0, '{"session_id":"cap-1"}\n')
    monkeypatch.setenv("VIDEODB_LISTEN_COLLECTION", "a/b")
    with pytest.raises(SystemExit) as ended:
        main(["session", "list"])
    assert (ended.value.code, len(server.asked)) == (78, 1)
    assert "VIDEODB_LISTEN_COLLECTION" in capfd.readouterr().err


# -- the key ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("from_file", "environ", "dotenv", "key"),
    [
        ("file", {"VIDEO_DB_API_KEY": "env"}, {"VIDEO_DB_API_KEY": "dot"}, "file"),
        (None, {"VIDEO_DB_API_KEY": "env", "VIDEODB_API_KEY": "alias"}, {"VIDEO_DB_API_KEY": "dot"}, "env"),
        (None, {"VIDEODB_API_KEY": "alias"}, {"VIDEO_DB_API_KEY": "dot"}, "alias"),
        (None, {"VIDEO_DB_API_KEY": "", "VIDEODB_API_KEY": ""}, {"VIDEO_DB_API_KEY": "dot"}, "dot"),
        (None, {}, {"VIDEODB_API_KEY": "dot-alias"}, "dot-alias"),
        ("", {"VIDEO_DB_API_KEY": "env"}, {}, "env"),
    ],
)
def test_the_key_comes_from_the_file_the_environment_or_the_dotenv(
    from_file: str | None, environ: dict[str, str], dotenv: dict[str, str], key: str
) -> None:
    assert resolve_account(None, environ, dotenv, key=from_file).key == key


@pytest.mark.parametrize("environ", [{}, {"VIDEO_DB_API_KEY": ""}])
def test_without_a_key_it_is_said_where_to_put_one(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="no API key") as failure:
        resolve_account(None, environ, {}, key=None)
    assert "VIDEO_DB_API_KEY" in failure.value.fix


@pytest.mark.parametrize("key", ["with blank", "line\n", "tab\t", "é", "\x00", "“sk-1”", " sk-1"])
def test_a_key_that_no_header_could_carry_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(ConfigurationError, match="API key") as failure:
        resolve_account(None, {"VIDEO_DB_API_KEY": key}, {}, key=None)
    assert key not in str(failure.value)


def test_no_repr_shows_the_key() -> None:
    account = resolve_account(None, {"VIDEO_DB_API_KEY": "sk-very-secret"}, {}, key=None)
    assert account.key == "sk-very-secret"
    assert "sk-very-secret" not in f"{account!r} {account} {[account]}"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().link = Link()  # type: ignore[misc]


# -- addresses -------------------------------------------------------------------------------------------------------


def test_one_value_is_found_by_the_same_rules_and_without_a_key() -> None:
    variable = {"VIDEODB_LISTEN_STARTUP_TIMEOUT": "3s"}
    assert value_of("startup_timeout_s", {"startup_timeout_s": 0.0}, variable) == 0.0
    assert value_of("startup_timeout_s", {"startup_timeout_s": None}, variable) == 3.0
    assert value_of("startup_timeout_s", {}, {"VIDEODB_LISTEN_STARTUP_TIMEOUT": ""}) == 60.0
    with pytest.raises(ConfigurationError, match="VIDEODB_LISTEN_STARTUP_TIMEOUT"):
        value_of("startup_timeout_s", {}, {"VIDEODB_LISTEN_STARTUP_TIMEOUT": "soon"})


URL = "VIDEO_DB_API"


@pytest.mark.parametrize(
    ("flag", "environ", "dotenv", "url"),
    [
        ("https://flag", {URL: "https://env"}, {URL: "https://dot", **KEY}, "https://flag"),
        (None, {URL: "https://env"}, {URL: "https://dot", **KEY}, "https://env"),
        (None, {URL: "https://env", **KEY}, {}, "https://env"),
        (None, {URL: ""}, {URL: "https://dot", "VIDEODB_API_KEY": "k"}, "https://dot"),
        (None, {"VIDEO_DB_API_KEY": ""}, {URL: "https://dot", **KEY}, "https://dot"),
        (None, KEY, {URL: "https://dot"}, DEFAULT_BASE_URL),
        (None, KEY, {URL: "https://dot", "VIDEO_DB_API_KEY": ""}, DEFAULT_BASE_URL),
        (None, {"VIDEO_DB_API_KEY": "mine"}, {URL: "https://dot", **KEY}, DEFAULT_BASE_URL),
        (None, KEY, {}, "https://api.videodb.io"),
        ("https://flag/v1//", KEY, {}, "https://flag/v1"),
    ],
)
def test_the_address_of_a_dotenv_counts_only_for_the_key_beside_it(
    flag: str | None, environ: dict[str, str], dotenv: dict[str, str], url: str
) -> None:
    assert resolve_account(flag, environ, dotenv, key=None).base_url == url


def test_a_key_from_a_file_does_not_go_to_the_address_of_a_dotenv() -> None:
    assert resolve_account(None, {}, {URL: "https://dot", **KEY}, key="mine").base_url == DEFAULT_BASE_URL


@pytest.mark.parametrize(
    "url",
    [
        "https://api.videodb.io",
        "HTTPS://API.example",
        "https://10.0.0.1:8443/v1",
        "https://[2001:db8::1]",
        "http://localhost:8000",
        "http://LOCALHOST",
        "http://127.0.0.1:1",
        "http://127.9.9.9",
        "http://[::1]:80/x",
    ],
)
def test_an_address_is_https_or_on_loopback(url: str) -> None:
    assert checked_url(url, "https", "http") == url


@pytest.mark.parametrize(
    "url",
    [
        "http://api.videodb.io",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://127.0.0.1@evil.example",
        "http://user@evil.example#@localhost",
        "http://[2001:db8::1]",
        "ftp://localhost",
        "wss://api.videodb.io",
        "api.videodb.io",
        "//api.videodb.io",
        "https://",
        "https:///path",
        "https://host:port",
        "https://host:99999",
        "https://[::1",
        "",
    ],
)
def test_an_address_that_would_carry_the_key_in_the_clear_or_nowhere_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="URL") as failure:
        checked_url(url, "https", "http")
    assert "https" in failure.value.fix


@pytest.mark.parametrize(
    "url",
    [
        "ws://far.example/socket?token=hush",
        "ws://hush:hush@far.example/socket",
        "far.example/socket?token=hush",
        "wss:///socket?token=hush",
        "wss://far.example:port/?token=hush",
        "ws://far.example/#hush",
    ],
)
def test_a_refused_address_does_not_show_what_may_be_a_secret(url: str) -> None:
    with pytest.raises(ConfigurationError) as failure:
        checked_url(url, "wss", "ws")
    assert "hush" not in str(failure.value)


def test_a_refused_address_cannot_steer_a_terminal() -> None:
    with pytest.raises(ConfigurationError) as failure:
        checked_url("ftp://h\x9b2j\u202ex/", "wss", "ws")
    assert r"ftp://h\x9b2j\u202ex" in failure.value.message


@pytest.mark.parametrize("url", ["wss:hush", "far.example/socket#hush", "hush@far.example"])
def test_an_address_without_a_host_does_not_show_its_credentials_either(url: str) -> None:
    with pytest.raises(ConfigurationError) as failure:
        checked_url(url, "wss", "ws")
    assert "hush" not in str(failure.value)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.255.0.9", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("128.0.0.1", False),
        ("127.1", False),
        ("localhost.example", False),
        ("", False),
        (None, False),
    ],
)
def test_loopback_is_what_cannot_leave_this_machine(host: str | None, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_the_last_pong_proves_a_connection_for_interval_and_timeout() -> None:
    assert Link(ping_interval_s=3.0, ping_timeout_s=4.0).stale_after_s == 7.0
