"""What several tests of the write side need: a directory of their own, the warnings, another user."""

from __future__ import annotations

import json
import logging
import os
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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


@pytest.fixture
def in_child() -> Callable[[Callable[[], Any]], Any]:
    """Call a function in a forked process and return what it returned (JSON), so that it may give up its rights."""

    def call(function: Callable[[], Any]) -> Any:
        reading, writing = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # threads of other tests do not follow into the child
            pid = os.fork()
        if not pid:
            try:
                answer = {"returned": function()}
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

    return call
