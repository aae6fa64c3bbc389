"""Another user's view: work that is done in a forked process, which may give up its rights."""

from __future__ import annotations

import json
import os
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

NOBODY = 65534

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to someone else")


def in_child(work: Callable[[], Any]) -> Any:
    """Call `work` in a forked process and return what it returned (JSON)."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads of other tests do not follow into the child
        pid = os.fork()
    if not pid:
        try:
            answer = {"returned": work()}
        except BaseException:
            answer = {"raised": traceback.format_exc()}
        os.write(writing, json.dumps(answer).encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:  # noqa: PTH123  # a descriptor, not a path
        answer = json.loads(pipe.read())
    os.waitpid(pid, 0)
    assert "raised" not in answer, answer["raised"]
    return answer["returned"]


def as_nobody() -> None:
    """Give up root's rights, which hide every mistake with modes."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)


def give_away(path: Path) -> None:
    """Make `path` somebody's who is neither we nor root."""
    os.chown(path, 12345, 12345)
