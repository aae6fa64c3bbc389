"""What several tests of the write side need: a directory of their own and the warnings."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from videodb_listen.paths import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """An empty directory, private to the test."""
    tmp_path.chmod(0o700)
    return Layout(tmp_path)


@pytest.fixture
def said() -> Iterator[list[str]]:
    """What the listener logs at WARNING and above, whatever else has configured logging."""
    messages: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    handler = Keep(logging.WARNING)
    ours = logging.getLogger("videodb_listen.listener")
    level = ours.level
    ours.addHandler(handler)
    ours.setLevel(logging.WARNING)
    yield messages
    ours.removeHandler(handler)
    ours.setLevel(level)
