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
        (["stats"], 73),
        (["verify"], 73),
        (["export", "srt"], 73),
        (["run", "--help"], 0),
        (["start", "--help"], 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_command_that_needs_no_network_loads_none(tmp_path: Path, words: list[str], status: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        cwd=tmp_path,
        env={"PYTHONPATH": ":".join(sys.path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stderr.splitlines()[-1] == str(status)
