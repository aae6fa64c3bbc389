"""Which directory, and what its files are called."""

import os
import pwd
from pathlib import Path

import pytest

from videodb_listen.errors import ConfigurationError
from videodb_listen.paths import Layout, path_of, state_directory


@pytest.mark.parametrize(
    ("chosen", "environ", "expected"),
    [
        ("/a", {"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/a"),
        ("./a", {"HOME": "/h"}, "a"),
        ("~/a", {"HOME": "/h"}, "/h/a"),
        ("~", {"HOME": "/h"}, "/h"),
        ("./~", {"HOME": "/h"}, "./~"),
        (None, {"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/videodb"),
        ("", {"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/videodb"),
        (None, {"XDG_STATE_HOME": "", "HOME": "/h"}, "/h/.local/state/videodb"),
        (None, {"XDG_STATE_HOME": "relative", "HOME": "/h"}, "/h/.local/state/videodb"),
        (None, {"XDG_STATE_HOME": "x", "HOME": "/h"}, "/h/.local/state/videodb"),
        (None, {"XDG_STATE_HOME": "./x", "HOME": "/h"}, "/h/.local/state/videodb"),
        (None, {"XDG_STATE_HOME": "~/x", "HOME": "/h"}, "/h/.local/state/videodb"),
        (None, {"HOME": "/h"}, "/h/.local/state/videodb"),
    ],
)
def test_the_directory_is_the_chosen_one_or_the_state_home(
    chosen: str | None, environ: dict[str, str], expected: str
) -> None:
    assert state_directory(chosen, environ) == Path(expected)


@pytest.fixture
def no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user is in no account database, as in many a container."""

    def getpwuid(uid: int) -> pwd.struct_passwd:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", getpwuid)


NO_HOME: list[dict[str, str]] = [{}, {"HOME": ""}, {"HOME": "relative"}, {"HOME": "", "XDG_STATE_HOME": "relative"}]


@pytest.mark.parametrize("environ", NO_HOME)
def test_without_a_home_variable_the_account_says_where_home_is(environ: dict[str, str]) -> None:
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    assert state_directory(None, environ) == home / ".local/state/videodb"
    assert state_directory("~/a", environ) == home / "a"


@pytest.mark.parametrize(
    ("chosen", "environ", "expected"),
    [("/data", {}, "/data"), ("data", {}, "data"), (None, {"XDG_STATE_HOME": "/x"}, "/x/videodb")],
)
@pytest.mark.usefixtures("no_account")
def test_a_directory_that_needs_no_home_is_found_without_one(
    chosen: str | None, environ: dict[str, str], expected: str
) -> None:
    assert state_directory(chosen, environ) == Path(expected)


@pytest.mark.parametrize("chosen", [None, "~", "~/a"])
@pytest.mark.parametrize("environ", NO_HOME)
@pytest.mark.usefixtures("no_account")
def test_a_directory_that_needs_a_home_that_is_nowhere_is_a_wrong_setting(
    chosen: str | None, environ: dict[str, str]
) -> None:
    with pytest.raises(ConfigurationError, match=r"no home directory is known.*set HOME, or name the directory"):
        state_directory(chosen, environ)


# -- what a person writes --


def test_the_home_of_another_user_is_known_too() -> None:
    root = pwd.getpwuid(0)
    assert path_of(f"~{root.pw_name}/a/b", {"HOME": "/h"}) == Path(root.pw_dir, "a", "b")
    assert path_of(f"~{root.pw_name}", {}) == Path(root.pw_dir)


@pytest.mark.parametrize("given", ["a~", "a/~/b", "./~root", "./~/a", "-", ".", "a b"])
def test_a_tilde_anywhere_else_is_a_character_like_any_other(given: str) -> None:
    assert path_of(given, {"HOME": "/h"}) == Path(given)


def test_the_home_of_nobody_is_a_wrong_setting() -> None:
    with pytest.raises(
        ConfigurationError, match="no home directory is known for ~no-such-user; write the path in full"
    ):
        path_of("~no-such-user/a", {"HOME": "/h"})


@pytest.mark.parametrize("given", ["a\0b", "~/\0", "~ro\0ot"])
def test_a_path_that_no_file_can_have_is_a_wrong_setting(given: str) -> None:
    with pytest.raises(ConfigurationError, match="holds a NUL"):
        path_of(given, {"HOME": "/h"})


# -- names --


def test_every_file_has_its_published_name_in_the_directory() -> None:
    layout = Layout(Path("/d"))
    assert {
        "events": layout.events,
        "id": layout.ws_id,
        "pid": layout.pid,
        "state": layout.state,
        "journal": layout.journal,
        "lock": layout.lock,
        "log": layout.log,
        "torn": layout.torn("20260302T101530.123456Z"),
    } == {
        "events": Path("/d/videodb_events.jsonl"),
        "id": Path("/d/videodb_ws_id"),
        "pid": Path("/d/videodb_ws_pid"),
        "state": Path("/d/videodb_ws_state.json"),
        "journal": Path("/d/videodb_ws_connections.jsonl"),
        "lock": Path("/d/videodb_ws.lock"),
        "log": Path("/d/videodb_ws.log"),
        "torn": Path("/d/videodb_events.torn.20260302T101530.123456Z"),
    }


@pytest.mark.parametrize("digits", ["\u0662\u0660\u0662\u0666\u0660\u0663\u0660\u0662", "20261302"])
def test_what_is_no_date_in_ascii_is_no_generation(digits: str) -> None:
    assert Layout.stamp_of(f"videodb_events.{digits}T101530.123Z.jsonl") is None
    assert Layout.stamp_of("videodb_events.20260302T101530.123Z.jsonl") is not None
