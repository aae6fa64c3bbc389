"""Fixtures for every test: a backend, and a directory for a listener that works against it."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from support.backend import Backend
from support.daemon import Site

# An example takes as long as a busy machine lets it: the limit of the whole test is enough.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")

# The process tests watch files with inotify and processes with pidfds.
collect_ignore_glob = [] if sys.platform == "linux" else ["contract/*", "process/*"]


@pytest.fixture(scope="session", autouse=True)
def _a_cache_of_our_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Recorders of the emulator are alone in each worker of a run, not on the machine."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    """A well-behaved backend: every connection gets a hello and then silence."""
    async with Backend() as backend:
        yield backend


@pytest.fixture
def lone_site(tmp_path: Path) -> Iterator[Site]:
    """A directory for a listener, with no backend behind it."""
    site = Site(tmp_path)
    yield site
    site.kill_stray()


@pytest.fixture
async def site(lone_site: Site, backend: Backend) -> Site:
    """A directory for a listener, with the well-behaved backend behind it."""
    lone_site.backend = backend
    return lone_site


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A directory that every user can reach, as the test's own is not."""
    path = Path(tempfile.mkdtemp(prefix="videodb-listen-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)
