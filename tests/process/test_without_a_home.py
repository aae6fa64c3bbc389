"""A user without HOME and without an account, as in many a container; files that say what they cannot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.daemon import Completed, Daemon, Site, command_of
from support.history import line
from support.someone_else import needs_root

ACCOUNTLESS = ("setpriv", "--reuid", "34567", "--regid", "34567", "--clear-groups")


async def run(site: Site, *words: str) -> Completed:
    """Run a command line as somebody whom the account database does not know."""
    async with Daemon(site, command=[*ACCOUNTLESS, *command_of("bare"), *words], cwd=Path("/")) as asked:
        status = await asked.exit_status()
    return Completed(status, asked.stdout, asked.stderr)


@pytest.fixture
def unknown(open_to_all: Path) -> Site:
    open_to_all.chmod(0o777)
    return Site(open_to_all, env={"HOME": None, "USER": None, "LOGNAME": None, "VIDEO_DB_API": "http://127.0.0.1:9"})


COMMANDS = [
    *("run", "start", "stop", "status", "id", "wait alert", "tail", "query", "read --cursor a", "stats", "verify"),
    *("export txt", "session record", "emulator recorder"),
]


@needs_root
@pytest.mark.parametrize("command", COMMANDS)
async def test_without_a_home_every_command_says_what_to_name(unknown: Site, command: str) -> None:
    done = await run(unknown, *command.split())
    assert (done.status, done.stdout) == (78, "")
    assert "no home directory is known" in done.stderr
    assert "set HOME" in done.stderr


@needs_root
async def test_a_directory_that_is_named_needs_no_home(unknown: Site) -> None:
    named = ["--dir", str(unknown.directory)]
    assert (await run(unknown, "status", *named)).status == 3
    assert (await run(unknown, "run", *named, "--startup-timeout", "100ms")).status == 69


@needs_root
async def test_a_relative_home_of_state_counts_as_unset(unknown: Site) -> None:
    unknown.env |= {"HOME": str(unknown.home), "XDG_STATE_HOME": "here"}
    assert str(unknown.home / ".local" / "state" / "videodb") in (await run(unknown, "status")).stdout


@pytest.mark.parametrize(
    "said",
    [
        {"started_unix_ts": "x"},
        {"started_unix_ts": 1e300},
        {"run_from": "x"},
        {"run_from": -5},
        {"bytes": None},
        {"last_event_unix_ts": {}},
        {"error": ["x"]},
        {"phase": 5, "pid": "1", "ws_id": 5, "stale_after_s": "x", "latency_ms": []},
    ],
    ids=str,
)
async def test_a_state_that_says_what_it_cannot_is_a_bug_of_no_command(
    lone_site: Site, said: dict[str, object]
) -> None:
    lone_site.directory.mkdir(mode=0o700)
    lone_site.files.events.write_bytes(line(1))
    lone_site.files.state.write_text(json.dumps({"version": 1, **said}))
    for command in ("status", "wait transcript --from start", "query --since 1h", "verify", "stats", "read --cursor a"):
        done = await lone_site.run(*command.split())
        assert done.status in (0, 3), (command, done)


@pytest.mark.parametrize("place", [{"after": 5}, {"offset": -1}, {"offset": 10**18 * 10}, {"head": 7}], ids=str)
async def test_a_cursor_that_says_what_it_cannot_is_named(lone_site: Site, place: dict[str, object]) -> None:
    (lone_site.directory / "cursors").mkdir(mode=0o700, parents=True)
    lone_site.files.events.write_bytes(line(1))
    file = lone_site.directory / "cursors" / "a.json"
    file.write_text(json.dumps({"version": 1, "after": None, "head": None, "offset": 0, **place}))
    done = await lone_site.run("read", "--cursor", "a")
    assert (done.status, done.stdout) == (73, "")
    assert f"{file} is not a cursor; remove it" in done.stderr
