"""What costs time to load is loaded by the command that needs it."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("asyncio", "websockets", "httpx2", "tenacity", "starlette", "uvicorn", "ssl")

PROGRAM = f"""
import sys
from videodb_listen.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    loaded = [name for name in {HEAVY!r} if name in sys.modules]
    print(end.code, *loaded, file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["status"], 3),
        (["status", "--json"], 3),
        (["id"], 3),
        (["stop"], 0),
        (["statuss"], 2),
        (["tail"], 73),
        (["query"], 73),
        (["read", "--cursor", "a"], 73),
        (["wait", "alert"], 3),
        (["feed", "a"], 3),
        (["show", "5sk0jzdj"], 73),
        (["stats"], 73),
        (["verify"], 73),
        (["export", "srt"], 73),
        (["run", "--help"], 0),
        (["start", "--help"], 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_command_that_needs_no_network_loads_none(tmp_path: Path, words: list[str], status: int) -> None:
    assert loaded(tmp_path, PROGRAM, words) == [str(status)]


def test_only_feed_loads_the_feed(tmp_path: Path) -> None:
    program = PROGRAM.replace(repr(HEAVY), repr(("videodb_listen.feed", "videodb_listen.formats.brief")))
    assert loaded(tmp_path, program, ["feed", "a"]) == ["3", "videodb_listen.feed", "videodb_listen.formats.brief"]
    for words in (["query"], ["tail"], ["read", "--cursor", "a"], ["status"], ["stats"]):
        assert len(loaded(tmp_path, program, words)) == 1


def loaded(tmp_path: Path, program: str, words: list[str]) -> list[str]:
    """The exit status, and which of the modules that are asked for were loaded."""
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=tmp_path,
        env={"PYTHONPATH": ":".join(sys.path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stderr.splitlines()[-1].split()
