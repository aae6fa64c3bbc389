"""Recorders of `fake_recorder` as processes: how to start one, and whether it is gone."""

from __future__ import annotations

import os
import sys

import support.fake_recorder


def command(mode: str, *more: str) -> list[str]:
    return [sys.executable, "-S", "-E", support.fake_recorder.__file__, mode, *more]


def is_gone(pid: int | None) -> bool:
    assert pid is not None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
