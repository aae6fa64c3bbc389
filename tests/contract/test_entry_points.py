"""Every way to start it behaves the same, from the first line to the last file."""

from __future__ import annotations

import json
import signal
import time

import pytest

from support.backend import Backend, Peer
from support.daemon import ENTRIES, INSTALLED, PYTHON, Daemon, Entry, Site, command_of, console_script

STOP_S = 5.0


async def whole_life(site: Site, daemon: Daemon) -> None:
    """Connected, an event, SIGTERM, gone: what everyone who starts it relies on."""
    backend = site.backend
    assert backend is not None
    async with daemon:
        connection_id = await daemon.ws_id()
        assert daemon.stdout.splitlines()[0] == f"WS_ID={connection_id}"
        assert site.files.ws_id.read_text() == connection_id
        pid = int(site.files.pid.read_text())
        peer = await backend.greeted()
        assert peer.id == connection_id
        await peer.event({"channel": "transcript", "data": {"text": "hello"}})
        await site.written(1)
        began = time.monotonic()
        assert pid == daemon.pid
        daemon.signal(signal.SIGTERM)
        assert await daemon.exit_status() == 0
        assert time.monotonic() - began < STOP_S
    assert not site.files.ws_id.exists()
    assert not site.files.pid.exists()
    assert site.state()["phase"] == "stopped"
    assert peer.close_frame is not None


@pytest.mark.parametrize("entry", ENTRIES)
async def test_the_whole_life_through_every_entry_point(site: Site, entry: Entry) -> None:
    await whole_life(site, site.daemon("--clear", entry=entry))


@pytest.mark.parametrize("entry", ENTRIES)
async def test_without_arguments_the_directory_comes_from_the_environment(site: Site, entry: Entry) -> None:
    site.env["VIDEODB_EVENTS_DIR"] = str(site.directory)
    await whole_life(site, site.daemon(entry=entry, directory=None))


@pytest.mark.parametrize("entry", ["bare", "run", "ws_listener", "script"])
async def test_a_positional_directory_works_before_and_after_the_flag(site: Site, entry: Entry) -> None:
    await whole_life(site, site.daemon("--clear", str(site.directory), entry=entry, directory=None))


@pytest.mark.parametrize("entry", ["ws_listener", "script"])
async def test_the_old_script_takes_any_word_as_a_directory(site: Site, entry: Entry) -> None:
    site.directory = site.home / "status"
    await whole_life(site, site.daemon("status", entry=entry, directory=None))


@pytest.mark.parametrize("args", ["", "--output none", "--output json", "--clear", "--log-format json"])
async def test_the_first_line_of_stdout_is_the_id_even_when_events_came_before_the_hello(
    lone_site: Site, args: str
) -> None:
    async def early(peer: Peer) -> None:
        await peer.event({"channel": "transcript", "data": {"text": "early"}})
        await peer.hello()
        await peer.event({"channel": "transcript", "data": {"text": "late"}})

    async with Backend([early]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon(*args.split()) as daemon:
            connection_id = await daemon.ws_id()
            await lone_site.written(2)
            assert await daemon.stop() == 0
        assert daemon.stdout.splitlines()[0] == f"WS_ID={connection_id}"
        assert [record["data"]["text"] for record in lone_site.records()] == ["early", "late"]


async def test_the_output_flag_chooses_what_follows_the_id(site: Site, backend: Backend) -> None:
    event = {"channel": "transcript", "data": {"text": "x" * 200}}
    outputs = {}
    for index, output in enumerate(("preview", "json", "none")):
        async with site.daemon("--clear", "--output", output) as daemon:
            await daemon.ws_id()
            await (await backend.peer(index)).event(event)
            await site.written(1)
            assert await daemon.stop() == 0
        outputs[output] = daemon.stdout.splitlines()[1:]
        line = site.lines()[0].decode()
        if output == "json":
            assert outputs[output] == [line]
    (preview,) = outputs["preview"]
    assert preview.startswith("[transcript] xxx")
    assert 40 <= len(preview) <= 100
    assert outputs["none"] == []


async def test_in_the_background_of_a_shell_it_is_ended_by_its_pid_file(site: Site) -> None:
    """`videodb-listen --clear DIR & ... kill "$(cat DIR/videodb_ws_pid)"; wait` gives 0."""
    shell = 'exec 3>&1; "$@" --clear >&3 & wait $!; echo "STATUS=$?"'
    argv = [*command_of("bare"), "--dir", str(site.directory)]
    async with Daemon(site, command=["sh", "-c", shell, "sh", *argv]) as job:
        await job.ws_id()
        killer = ["sh", "-c", 'kill "$(cat "$1")"', "sh", str(site.files.pid)]
        async with Daemon(site, command=killer) as kill:
            assert await kill.exit_status() == 0
        assert await job.stdout_line("STATUS=") == "STATUS=0"
        assert await job.exit_status() == 0
    assert not site.files.pid.exists()


@pytest.mark.parametrize("name", ["videodb-listen", "ws_listener"])
async def test_the_console_script_is_beside_the_interpreter(name: str) -> None:
    if not INSTALLED and console_script(name) is None:
        pytest.skip(f"the package is not installed for {PYTHON}")
    assert console_script(name) is not None


@pytest.mark.parametrize("entry", ["bare", "console", "run", "ws_listener", "script"])
async def test_help_is_on_stdout_and_needs_nothing(site: Site, entry: Entry) -> None:
    site.env["VIDEO_DB_API_KEY"] = None
    completed = await site.run_bare("--help", entry=entry)
    assert completed.status == 0
    assert "--clear" in completed.stdout
    assert completed.stderr == ""
    assert "\N{ESCAPE}" not in completed.stdout


async def test_help_shows_the_commands_and_every_option_of_run(site: Site) -> None:
    shown = (await site.run_bare("--help")).stdout
    for word in ("start", "stop", "status", "id", "run"):
        assert word in shown
    options = "clear dir cwd collection base-url api-key-file startup-timeout max-retries min-backoff max-backoff "
    options += "ping-interval ping-timeout hello-timeout drain max-frame-size fsync fsync-interval memory-limit "
    options += "output log-level log-format"
    missing = [option for option in options.split() if f"--{option}" not in shown]
    assert missing == []


async def test_version_is_one_line(site: Site) -> None:
    completed = await site.run_bare("--version")
    assert completed.status == 0
    assert len(completed.stdout.splitlines()) == 1
    assert any(character.isdigit() for character in completed.stdout)


async def test_status_as_json_is_one_object_and_nothing_else(site: Site) -> None:
    completed = await site.run("status", "--json")
    assert isinstance(json.loads(completed.stdout), dict)
