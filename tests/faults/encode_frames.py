"""A program that makes frames, encodes them, and tells what that cost: a recipe a line on stdin, a report on stdout.

A recipe is a tuple: how the frame begins, what is repeated, how large the frame is to be, how it ends. `clear_refs`
sets the kernel's high-water mark of our memory back before each of them.
"""

from __future__ import annotations

import ast
import json
import sys
import time
from pathlib import Path
from typing import Any

from videodb_listen.line import LARGE_BYTES, encode_in_steps, encode_line

NOW_S = 1772446530.123
HEAD = len(b'{"ts":"2026-03-02T10:15:30.123Z","unix_ts":1772446530.123')
RAW = (b',"raw":', b',"raw_base64":')


def peak_bytes() -> int:
    """The most memory that was in use since the mark was set back."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def encode(frame: bytes) -> tuple[bytes, float]:
    """The line, and how many seconds of the processor the longest step took."""
    if len(frame) <= LARGE_BYTES:
        began_s = time.thread_time()
        return encode_line(frame, NOW_S), time.thread_time() - began_s
    steps = encode_in_steps(frame, NOW_S)
    longest_s, began_s = 0.0, time.thread_time()
    try:
        while True:
            next(steps)
            longest_s, began_s = max(longest_s, time.thread_time() - began_s), time.thread_time()
    except StopIteration as done:
        return done.value, max(longest_s, time.thread_time() - began_s)


def cost_of(begin: bytes, unit: bytes, size: int, end: bytes) -> dict[str, Any]:
    """Make a frame, encode it, and say what that cost and what came of it."""
    frame = b"".join((begin, unit * max(1, (size - len(begin) - len(end)) // len(unit)), end))
    Path("/proc/self/clear_refs").write_text("5")
    before, began_s = peak_bytes(), time.thread_time()
    line, longest_s = encode(frame)
    return {
        "frame": len(frame),
        "line": len(line),
        "memory": len(frame) + peak_bytes() - before,
        "cpu_s": time.thread_time() - began_s,
        "longest_s": longest_s,
        "newlines": line.count(b"\n"),
        "as_it_was": line.endswith(frame[1:] + b"\n"),
        "is_raw": line.startswith(RAW, HEAD),
    }


if __name__ == "__main__":
    for recipe in sys.stdin:
        print(json.dumps(cost_of(*ast.literal_eval(recipe))), flush=True)
