"""A history that a test writes by hand, and a listener that holds its directory, or none."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.history import HandMade
from videodb_listen.paths import Layout


@pytest.fixture
def site(tmp_path: Path) -> HandMade:
    """An empty state directory, and no listener."""
    return HandMade(tmp_path)


@pytest.fixture
def held(tmp_path: Path) -> Iterator[None]:
    """A listener holds the directory."""
    with Layout(tmp_path).lock.open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
