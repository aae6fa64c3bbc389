"""The life of a `run` process around the daemon: standard streams, logging, settings, the loop, the exit status."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any

import orjson

from videodb_listen import environment
from videodb_listen.api.http import Api
from videodb_listen.cli.logs import configure, json_safe
from videodb_listen.errors import Bug, ListenError
from videodb_listen.listener import daemon, stdio
from videodb_listen.listener.announce import Outside
from videodb_listen.listener.notify import Notifier
from videodb_listen.paths import Layout
from videodb_listen.settings import Settings
from videodb_listen.system import descriptors, signals

log = logging.getLogger(__name__)

FAREWELL_S = 0.5
"""How long the last lines may wait for whoever reads stdout and stderr: one that is gone must not delay the end."""


def record(flags: Mapping[str, Any], directory: str | None, cwd: str | None, *, ready_fd: int | None) -> int:
    """Record until asked to stop, or until something ends it; the exit status. Whatever is said is said here.

    `flags` are those of `run` that are no place. `ready_fd` is a descriptor that is told of the first connection or of
    the failure, None when nobody waits.
    """
    descriptors.occupy_standard()
    stderr = stdio.LineWriter(descriptors.STDERR)
    handler = stdio.WriterHandler(stderr)
    log_format = flags["log_format"] or environment.log_format()
    configure(handler, level=flags["log_level"] or "info", format=log_format)  # until the settings are known
    try:
        environ = environment.read(cwd)
        layout = environ.layout(directory)
        settings = environ.settings(flags)
        api = Api(environ.account(flags["base_url"], flags["api_key_file"]))
        configure(handler, level=settings.output.log_level, format=settings.output.log_format)
        _run_daemon(api, settings, layout, clear=flags["clear"], ready_fd=ready_fd)
        status = 0
    except ListenError as exc:
        status = _say_failure(exc, ready_fd)
    except Exception as exc:  # the last resort: it becomes one line and status 70
        log.debug("the bug in full", exc_info=exc)
        status = _say_failure(Bug.of(exc), ready_fd)
    stderr.close(FAREWELL_S)
    _exit_at_once_if_stuck(status)
    return status


def _run_daemon(api: Api, settings: Settings, layout: Layout, *, clear: bool, ready_fd: int | None) -> None:
    """Run the daemon to its end. Raises the ListenError that ended it; returns after a clean stop."""
    stdout = stdio.Stdout(settings.output.output)

    async def recording() -> None:
        with _left_alone(ready_fd, stop := signals.Stop()) as connected:
            outside = Outside(stdout, Notifier(environment.variables()), connected)
            await daemon.run(api, settings, layout, outside, clear=clear, stop=stop)

    try:
        _run_to_end(recording())
    finally:
        stdout.close(FAREWELL_S)


@contextlib.contextmanager
def _left_alone(ready_fd: int | None, stop: signals.Stop) -> Iterator[Callable[[str], None]]:
    """Ask to `stop` when whoever waits for the start leaves before it came; gives what tells them the connection id."""
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as watching:

        def left() -> None:
            watching.close()
            log.warning("whoever started this listener did not wait until it was connected")
            stop.ask()

        def connected(ws_id: str) -> None:
            watching.close()
            _tell(ready_fd, {"ws_id": ws_id})

        if ready_fd is not None:
            with contextlib.suppress(OSError):  # nothing that could be left
                loop.add_reader(ready_fd, left)  # the end of a pipe that is written to wakes us when the other closes
                watching.callback(loop.remove_reader, ready_fd)
        yield connected


def _run_to_end(main: Coroutine[Any, Any, None]) -> None:
    """Like `asyncio.run`, but without waiting for threads: a look-up that hangs must not delay the end."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(main)
    finally:
        remaining = asyncio.all_tasks(loop)
        for task in remaining:
            task.cancel()
        if remaining:
            loop.run_until_complete(asyncio.wait(remaining))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def _exit_at_once_if_stuck(status: int) -> None:
    """Leave here and now when a thread hangs in the kernel: Python would wait for it before it exits."""
    workers = [
        thread for thread in threading.enumerate() if not thread.daemon and thread is not threading.main_thread()
    ]
    for thread in workers:
        thread.join(FAREWELL_S)
    if any(thread.is_alive() for thread in workers):
        os._exit(status)


def _say_failure(exc: ListenError, ready_fd: int | None) -> int:
    log.error(exc)  # one line; the traceback of an expected failure helps nobody
    _tell(ready_fd, {"status": exc.status, **exc.as_dict()})
    return exc.status


def _tell(descriptor: int | None, message: dict[str, Any]) -> None:
    """One JSON object to whoever started us and waits; they may have gone."""
    if descriptor is None:
        return
    try:
        os.write(descriptor, orjson.dumps(json_safe(message)) + b"\n")
        os.close(descriptor)
    except OSError:
        log.debug("nobody waits for the start any more")
