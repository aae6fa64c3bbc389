"""Memory that is not there costs a frame at most, never the recording."""

from __future__ import annotations

import pytest

from support.backend import Backend
from support.daemon import PYTHON, Daemon, Site
from support.lines import after_stamps

SHORT_OF_MEMORY = """
import sys
from videodb_listen.listener import {module}

real = {module}.{name}

def short(argument, *more):
    if {when}:
        raise MemoryError
    return real(argument, *more)

{module}.{name} = short
from videodb_listen.cli import main
sys.exit(main())
"""


def daemon_without_memory(site: Site, module: str, name: str, when: str, *args: str) -> Daemon:
    """A daemon in which a call finds no memory."""
    code = SHORT_OF_MEMORY.format(module=module, name=name, when=when)
    return Daemon(site, *args, command=[PYTHON, "-c", code, "run", "--dir", str(site.directory)])


async def test_a_frame_that_memory_has_no_room_for_costs_itself(site: Site, backend: Backend) -> None:
    async with daemon_without_memory(site, "daemon", "encode_line", "b'huge' in argument") as daemon:
        await daemon.ws_id()
        peer = await backend.peer()
        for event in (b'{"n":0}', b'{"huge":1}'):
            await peer.event(event)
        await daemon.ws_id()
        await (await backend.peer(1)).event(b'{"n":2}')
        await site.written(2)
        assert await daemon.stop() == 0
    assert [after_stamps(line) for line in site.lines()] == [b'{"n":0}', b'{"n":2}']
    assert "memory" in site.journal("refused")[0]["reason"]
    assert len(site.journal("gap")) == 1


async def test_an_attempt_without_memory_is_followed_by_another(site: Site) -> None:
    tried = "not hasattr(sys, 'tried') and setattr(sys, 'tried', 1) is None"
    async with daemon_without_memory(site, "daemon", "request_websocket_url", tried) as daemon:
        await daemon.stderr_line("out of memory")
        await daemon.ws_id()
        assert await daemon.stop() == 0


@pytest.mark.parametrize("output", ["json", "preview"])
async def test_copies_for_which_there_is_no_memory_are_dropped(site: Site, backend: Backend, output: str) -> None:
    async with daemon_without_memory(site, "stdio", "preview", "b'huge' in argument", "--output", output) as daemon:
        await daemon.ws_id()
        for event in (b'{"huge":1}', b'{"n":"small"}'):
            await (await backend.peer()).event(event)
            await site.written(len((await backend.peer()).sent))
        await daemon.stdout_line("small" if output == "json" else "[event]")
        assert await daemon.stop() == 0
    assert len(site.lines()) == 2
    assert site.state()["dropped_previews"] == (output == "preview")
