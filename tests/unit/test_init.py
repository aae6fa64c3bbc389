"""The package offers its names, and loads what they need when they are first used."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

import videodb_listen


def test_the_package_offers_its_names_and_no_others() -> None:
    assert {name: getattr(videodb_listen, name) for name in videodb_listen.__all__}
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        videodb_listen.nothing  # noqa: B018


@pytest.fixture
def loaded() -> Callable[[str], set[str]]:
    def modules_after(code: str) -> set[str]:
        program = f"import sys\n{code}\nprint(*sys.modules)"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        return set(done.stdout.split())

    return modules_after


def test_importing_the_package_loads_no_reader_and_reading_no_network(loaded: Callable[[str], set[str]]) -> None:
    assert "videodb_listen.reader" not in loaded("import videodb_listen")
    assert not {"asyncio", "ssl", "httpx2", "websockets"} & loaded("from videodb_listen import read_events, follow")
