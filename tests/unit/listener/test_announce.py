"""A change is said to everyone whom it concerns, and to nobody else."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from videodb_listen.listener.announce import Announcement, Connected, Outside, Repaired, Retrying, Stopping

Heard = list[tuple[str, Any]]


class Ear:
    """Stands for stdout and for the service manager: whatever is called is heard, in order."""

    def __init__(self, name: str, heard: Heard) -> None:
        self._name = name
        self._heard = heard

    def __getattr__(self, method: str) -> Any:
        return lambda said: self._heard.append((f"{self._name} {method}", said))


@pytest.fixture
def heard() -> Heard:
    return []


@pytest.fixture
def outside(heard: Heard) -> Outside:
    stdout: Any = Ear("stdout", heard)
    notifier: Any = Ear("manager", heard)
    return Outside(stdout, notifier, lambda ws_id: heard.append(("starter", ws_id)))


@pytest.fixture(autouse=True)
def _stderr(heard: Heard) -> Any:
    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append((f"stderr {record.levelname}", record.getMessage()))

    ours = logging.getLogger("videodb_listen.listener.announce")
    before, handler = ours.level, Keep()
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    yield
    ours.removeHandler(handler)
    ours.setLevel(before)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (
            Connected("abc", None, first=True),
            [
                ("stdout announce", "abc"),
                ("stderr INFO", "connected as abc"),
                ("manager ready", "connected as abc"),
                ("starter", "abc"),
            ],
        ),
        (
            Connected("def", "abc", first=False),
            [
                (
                    "stderr WARNING",
                    "what was bound to abc (sessions, transcripts, indexes, alerts) no longer reports here; "
                    "bind it to def",
                ),
                ("stdout announce", "def"),
                ("stderr INFO", "connected as def"),
                ("manager status", "connected as def"),
            ],
        ),
        (
            Retrying("the server is away", 2.0),
            [
                ("stderr WARNING", "the server is away; trying again in 2s"),
                ("manager status", "trying again: the server is away"),
            ],
        ),
        (Repaired("how"), [("stderr WARNING", "the events file was repaired: how")]),
        (Stopping(10.0), [("manager stopping", 10.0)]),
        (None, []),
    ],
)
def test_each_change_is_said_where_it_is_listened_for(
    outside: Outside, heard: Heard, what: Announcement | None, said: Heard
) -> None:
    outside.announce(what)
    assert heard == said
