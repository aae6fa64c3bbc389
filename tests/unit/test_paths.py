"""Which directory, and what its files are called."""

from pathlib import Path

import pytest

from videodb_listen.paths import Layout, state_directory


@pytest.mark.parametrize(
    ("chosen", "environ", "expected"),
    [
        ("/a", {"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/a"),
        ("./a", {"HOME": "/h"}, "a"),
        ("~/a", {"HOME": "/h"}, "/h/a"),
        ("~", {"HOME": "/h"}, "~"),
        ("~other/a", {"HOME": "/h"}, "~other/a"),
        (None, {"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/videodb"),
        ("", {"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/videodb"),
        (None, {"XDG_STATE_HOME": "", "HOME": "/h"}, "/h/.local/state/videodb"),
        (None, {"HOME": "/h"}, "/h/.local/state/videodb"),
    ],
)
def test_the_directory_is_the_chosen_one_or_the_state_home(
    chosen: str | None, environ: dict[str, str], expected: str
) -> None:
    assert state_directory(chosen, environ) == Path(expected)


@pytest.mark.parametrize("environ", [{}, {"HOME": ""}])
def test_without_a_home_variable_the_account_says_where_home_is(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "home", lambda: Path("/account"))
    assert state_directory(None, environ) == Path("/account/.local/state/videodb")


@pytest.mark.parametrize(
    ("chosen", "environ", "expected"), [("/data", {}, "/data"), (None, {"XDG_STATE_HOME": "/x"}, "/x/videodb")]
)
def test_a_directory_that_needs_no_home_is_found_without_one(
    chosen: str | None, environ: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert state_directory(chosen, environ) == Path(expected)


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
