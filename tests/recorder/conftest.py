"""The real recorder and a screen for it. Where that cannot be had, every test here is skipped, with the reason.

It is the recorder for Windows, under wine, as `scripts/real-recorder` makes it ready. Channels are found, permissions
granted and sessions driven, but no media flow: wine has no AAC encoder of Media Foundation and no capture of a screen.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon import ROOT

MAKING_READY_S = 540.0


@pytest.fixture(scope="session")
def program() -> Iterator[str]:
    """The path of the real recorder. One wine server runs for all tests, since starting it takes seconds."""
    environ = {name: value for name, value in os.environ.items() if name != "XDG_CACHE_HOME"}  # it is kept between runs
    command = [ROOT / "scripts" / "real-recorder"]
    made = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=MAKING_READY_S)
    if made.returncode != 0:
        pytest.skip(made.stderr.strip().splitlines()[-1])
    path = made.stdout.strip()
    server = Path(path).with_name("wineserver")
    subprocess.run([server, "--wait"], check=True)  # for one that nobody uses any more
    subprocess.run([server, "--persistent"], check=True)
    yield path
    subprocess.run([server, "--kill"], check=False)  # 1 when it has gone by itself


@pytest.fixture(scope="session")
def display() -> Iterator[str]:
    """A screen of our own, on a number that is free."""
    reading, writing = os.pipe()
    words = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1280x720x24", "-nolisten", "tcp"]
    with subprocess.Popen(words, pass_fds=[writing], stderr=subprocess.DEVNULL) as server:
        os.close(writing)
        with open(reading, encoding="ascii") as told:  # noqa: PTH123
            yield f":{int(told.readline())}"
        server.terminate()


@pytest.fixture
def recorder(program: str, display: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The path of the real recorder, which whoever is started from here can run."""
    monkeypatch.setenv("DISPLAY", display)
    return program
