"""A server that writes down what it is asked, an account on it, a clock that only sleeping moves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.clock import Clock
from support.recording import RecordingServer
from videodb_listen.api.http import Api
from videodb_listen.capture import Connection, connect
from videodb_listen.settings import Account


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer() as server:
        yield server


@pytest.fixture
def conn(server: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> Connection:
    monkeypatch.delenv("VIDEO_DB_API", raising=False)
    return connect("sk-secret", base_url=server.url)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def api(server: RecordingServer, clock: Clock) -> Api:
    return Api(Account(server.url, "sk-secret"), clock=clock, sleep=clock.asleep)
