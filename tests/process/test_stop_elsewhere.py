"""Stopping a listener of another PID namespace: what runs in a container has other numbers than outside of it."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator

import pytest

from support.backend import Backend
from support.daemon import Daemon, Site, command_of
from support.someone_else import needs_root

CONTAINER = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")

BESIDE_A_STRANGER = """
setpriv --reuid 12345 --regid 12345 --clear-groups sleep 1000 &
stranger=$!
setpriv --bounding-set=-sys_ptrace --inh-caps=-sys_ptrace "$@"
status=$?
kill -0 $stranger && echo "the stranger is $stranger, and lives"
kill -KILL $stranger
exit $status
"""
"""The stranger gets the number 2, and nobody here may look into it."""


@pytest.fixture
def _containers() -> None:
    if subprocess.run([*CONTAINER, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no PID namespace here")


@pytest.fixture
async def contained(site: Site, _containers: None) -> AsyncIterator[Daemon]:
    """A listener that is process 2 of a PID namespace of its own."""
    listener = site.arguments("run", ("--output", "none"), site.directory)
    async with Daemon(site, command=[*CONTAINER, "sh", "-c", '"$@" & wait $!', "sh", *listener]) as daemon:
        await daemon.ws_id()
        assert site.files.pid.read_text() == "2"
        yield daemon


@needs_root
async def test_a_stranger_with_the_number_of_a_listener_in_another_container_is_not_signalled(
    site: Site, backend: Backend, contained: Daemon
) -> None:
    stop = [*command_of("bare"), "stop", "--dir", str(site.directory), "--timeout", "3s"]
    async with Daemon(site, command=[*CONTAINER, "sh", "-c", BESIDE_A_STRANGER, "sh", *stop]) as shell:
        assert await shell.exit_status() == 1
    assert shell.stdout == "the stranger is 2, and lives\n"
    assert "no process that can be seen here is proven to be it; stop it where it runs" in shell.stderr
    assert (contained.running, len(backend.peers)) == (True, 1)
    assert (await site.run("status")).status == 0


@needs_root
async def test_a_listener_in_a_container_is_stopped_from_outside_by_the_number_that_it_has_there(
    site: Site, contained: Daemon
) -> None:
    stopped = await site.run("stop")
    assert await contained.exit_status() == 0
    assert (stopped.status, site.state()["phase"]) == (0, "stopped")
    assert "stopped (pid 2)" not in stopped.stderr
