"""Calls that wait and calls that are awaited are the same calls."""

from __future__ import annotations

import asyncio
import inspect
import signal
import threading

import pytest

from support.recording import RecordingServer, Told, good
from videodb_listen.api.blocking import aio, blocking
from videodb_listen.api.http import Api
from videodb_listen.capture import CaptureSession, Connection, RTStream
from videodb_listen.errors import CredentialsRejected
from videodb_listen.settings import Account


class Thing:
    """Something with calls that need no network."""

    api = Api(Account("http://127.0.0.1:1", "sk"))

    def __init__(self) -> None:
        self.ended = False

    @blocking
    async def thread(self) -> int:
        """The thread that it runs in."""
        return threading.get_ident()

    @blocking
    async def forever(self) -> None:
        """Press Ctrl-C, and never end by itself."""
        main = threading.main_thread().ident
        assert main is not None
        signal.pthread_kill(main, signal.SIGINT)
        try:
            await asyncio.Event().wait()
        finally:
            self.ended = True


def test_a_program_without_a_loop_gets_the_result(server: RecordingServer, conn: Connection) -> None:
    server.replies = [good({"events": [{"event_id": "e-1"}]})]
    assert conn.list_events() == [{"event_id": "e-1"}]


async def test_a_call_that_waits_can_be_made_where_a_loop_runs(server: RecordingServer, conn: Connection) -> None:
    server.replies = [good({"events": [{"event_id": "e-1"}]})]
    assert conn.list_events() == [{"event_id": "e-1"}]


async def test_a_call_that_is_awaited_stays_in_its_thread() -> None:
    assert await aio(Thing().thread) == threading.get_ident()
    assert Thing().thread() != threading.get_ident()


async def test_both_raise_what_the_call_raises(server: RecordingServer, conn: Connection) -> None:
    server.replies = [Told({"message": "who?"}, 401)] * 2
    with pytest.raises(CredentialsRejected, match="who"):
        conn.list_events()
    with pytest.raises(CredentialsRejected, match="who"):
        await aio(conn.list_events)


def test_ctrl_c_cancels_what_is_waited_for() -> None:
    thing = Thing()
    with pytest.raises(KeyboardInterrupt):
        thing.forever()
    assert thing.ended


def test_calls_of_several_threads_do_not_meet(server: RecordingServer, conn: Connection) -> None:
    both = threading.Barrier(2, timeout=10)

    def call() -> None:
        both.wait()
        conn.list_events()

    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.asked) == 2


@pytest.mark.parametrize("method", [RTStream.start_transcript, CaptureSession.wait_for, Connection.list_events])
def test_a_call_that_waits_looks_like_one(method: object) -> None:
    assert callable(method)
    assert not inspect.iscoroutinefunction(method)
    assert inspect.getdoc(method)
    assert next(iter(inspect.signature(method).parameters)) == "self"
