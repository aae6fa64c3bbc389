"""Calls that are written once, as coroutines, and called either way.

Programs call `session.refresh()`: it waits, in any thread, also where a loop is running. What lives in a loop awaits
`aio(session.refresh)`, and so keeps nothing in a thread, and can be cancelled at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from videodb_listen.api.http import Api


class Caller(Protocol):
    """Whatever makes calls."""

    api: Api


CANCELLED_WITHIN_S = 1.0  # a call ends at once, unless the machine is busy

S = TypeVar("S", bound=Caller)
P = ParamSpec("P")
T = TypeVar("T")


def blocking(method: Callable[Concatenate[S, P], Coroutine[Any, Any, T]]) -> Callable[Concatenate[S, P], T]:
    """Make a method that waits of one that is awaited."""

    @functools.wraps(method)
    def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        async def alone() -> T:
            async with self.api:
                return await method(self, *args, **kwargs)

        return _run(alone())

    return call


def aio(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
    """Call what `blocking` has made without waiting: `await aio(session.refresh)`."""
    bound: Any = call
    coroutine: Coroutine[Any, Any, T] = bound.__wrapped__(bound.__self__, *args, **kwargs)
    return coroutine


def _run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run `coroutine` to its end, in a thread with a loop of its own: the loop of this thread may be running.

    Whatever interrupts the waiting, Ctrl-C that is, cancels it.
    """
    loop = asyncio.new_event_loop()
    task = loop.create_task(coroutine)
    ended = threading.Event()

    def run() -> None:
        try:
            with contextlib.suppress(BaseException):  # it is raised where it is waited for
                loop.run_until_complete(task)
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()
        finally:
            ended.set()

    try:
        threading.Thread(target=run, daemon=True).start()
        ended.wait()
    except BaseException:
        with contextlib.suppress(RuntimeError):  # it has ended meanwhile
            loop.call_soon_threadsafe(task.cancel)
        ended.wait(CANCELLED_WITHIN_S)
        raise
    return task.result()
