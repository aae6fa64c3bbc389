"""What a frame may cost is bounded by its size, whatever is in it: memory four times, and never a second at once.

Frames of up to 32 MiB, the largest that is taken by default, are made and encoded by `encode_frames.py`, a process of
its own that measures itself.

Named shapes are the worst that were found; a fuzzer puts others together. HYPOTHESIS_PROFILE=faults: more of them, and
new ones every time unless CI is set.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from faults.encode_frames import HEAD, RAW
from faults.test_hostile import peak_mib
from support.backend import Backend
from support.daemon import ROOT, Site
from support.ledger import Ledger
from support.lines import after_stamps
from support.spelled import any_values
from videodb_listen.line import encode_line
from videodb_listen.pieces import PIECE_BYTES

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="measures memory through /proc")

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "faults"
MIB = 1 << 20
LARGEST = 32 * MIB
NOW_S = 1772446530.123

BESIDE_BYTES = 100 * PIECE_BYTES
"""What one piece takes, parsed, and a frame that is small enough to be parsed as a whole."""


class Worker:
    """Makes frames, encodes them, and tells what that cost."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("encode_frames.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        )

    def cost(self, begin: bytes, unit: bytes, end: bytes, size: int) -> dict[str, Any]:
        """What a frame of `size` bytes costs: as many units as fit between its begin and its end."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(repr((begin, unit, size, end)).encode() + b"\n")
        self._process.stdin.flush()
        told: dict[str, Any] = json.loads(self._process.stdout.readline())
        return told

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.close()


def check(told: dict[str, Any]) -> None:
    assert told["newlines"] == 1
    assert told["memory"] <= 4 * told["frame"] + BESIDE_BYTES
    assert told["line"] <= 2 * told["frame"] + 2 * HEAD
    assert told["longest_s"] < 0.5
    assert told["cpu_s"] < 0.2 + told["frame"] / MIB * 0.1  # as a whole some of them took 33 s


IN_LIST = (b'{"a":[', b"0]}")
IN_TEXT = (b'{"a":"', b'"}')
IN_OBJECT = (b'{"ts":0,', b'"a":1}')

SHAPES: dict[str, tuple[bytes, bytes, bytes]] = {
    "empty arrays": (IN_LIST[0], b"[],", IN_LIST[1]),
    "arrays 245 deep": (IN_LIST[0], b"[" * 245 + b"]" * 245 + b",", IN_LIST[1]),
    "arrays 245 deep with a core": (IN_LIST[0], b"[" * 245 + b"1" + b"]" * 245 + b",", IN_LIST[1]),
    "arrays 8 deep": (IN_LIST[0], b"[" * 8 + b"]" * 8 + b",", IN_LIST[1]),
    "arrays 200 deep of two each": (IN_LIST[0], b"[0," * 200 + b"0" + b"]" * 200 + b",", IN_LIST[1]),
    "objects 200 deep": (IN_LIST[0], b'{"":' * 200 + b"0" + b"}" * 200 + b",", IN_LIST[1]),
    "all siblings at the limit": (b'{"a":' + b"[" * 248, b"[],", b"0" + b"]" * 248 + b"}"),
    "empty objects": (IN_LIST[0], b"{},", IN_LIST[1]),
    "objects with an empty key": (IN_LIST[0], b'{"":[]},', IN_LIST[1]),
    "numbers": (IN_LIST[0], b"1,", IN_LIST[1]),
    "floats": (IN_LIST[0], b"1e9,", IN_LIST[1]),
    "empty strings": (IN_LIST[0], b'"",', IN_LIST[1]),
    "brackets in strings": (IN_LIST[0], b'["["],', IN_LIST[1]),
    "quotes in strings": (IN_LIST[0], b'"\\"",', IN_LIST[1]),
    "one string": (IN_TEXT[0], b"a", IN_TEXT[1]),
    "one string with a wide character": (IN_TEXT[0], b"a", "🎥".encode() + IN_TEXT[1]),
    "one string of escapes": (IN_TEXT[0], b"\\n", IN_TEXT[1]),
    "one string of surrogate pairs": (IN_TEXT[0], b"\\ud83d\\ude00", IN_TEXT[1]),
    "one string of backslashes": (IN_TEXT[0], b"\\\\", IN_TEXT[1]),
    "one key": (b'{"', b"k", b'":1}'),
    "one number": (b'{"a":0.', b"0", b"1}"),
    "white space": (b'{"a":', b" ", b"1}"),
    "white space behind its own stamp": (b'{"ts":0', b" ", b"}"),
    "its own stamps": (IN_OBJECT[0], b'"ts":1,', IN_OBJECT[1]),
    "its own stamps, escaped": (IN_OBJECT[0], b'"\\u0074s":1,', IN_OBJECT[1]),
    "its own stamps on two levels": (IN_OBJECT[0], b'"ts":{"ts":1},', IN_OBJECT[1]),
    "a stamp of its own before many of others": (b'{"ts":0,"a":[', b'{"ts":1},', b"0]}"),
    "deeper than the limit": (b'{"a":', b"[", b""),
    "much too deep at the end": (b'{"a":[', b"[],", b"[" * 300 + b"]" * 301 + b"}"),
    "no object at the end": (b'{"a":[', b"[],", b"0]"),
    "an array": (b"[", b"[],", b"0]"),
    "text": (b"", b"x", b""),
    "text with a wide character": (b"", b"x", "🎥".encode()),
    "text of quotes": (b"", b'"', b""),
    "controls": (b"", b"\x01", b""),
    "controls in an object": (IN_TEXT[0], b"\x01", IN_TEXT[1]),
    "a third of controls": (b"", b"ab\x01", b""),
    "bytes": (b"", b"\xff", b""),
    "text that ends in a byte": (b"", b"x", b"\xff"),
    "continuation bytes": (IN_TEXT[0], b"\x80", IN_TEXT[1]),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_frame_of_32_mib_costs_no_more_than_its_size_allows(worker: Worker, ledger: Ledger, shape: str) -> None:
    begin, unit, end = SHAPES[shape]
    told = worker.cost(begin, unit, end, LARGEST)
    fired = (
        f"{told['frame'] / MIB:.0f} MiB: {told['memory'] / told['frame']:.1f} times its size in memory, "
        f"{told['cpu_s']:.1f} s, {told['longest_s'] * 1000:.0f} ms at once"
    )
    ledger.row("costly frame", shape, sent=1, on_disk=told["newlines"], fired=fired)
    check(told)


@pytest.mark.parametrize("shape", ["arrays 245 deep", "its own stamps on two levels", "one string", "controls"])
def test_twice_the_frame_takes_no_more_than_twice_the_time(worker: Worker, shape: str) -> None:
    begin, unit, end = SHAPES[shape]
    half_s = min(worker.cost(begin, unit, end, LARGEST // 4)["cpu_s"] for _ in range(3))
    whole_s = min(worker.cost(begin, unit, end, LARGEST // 2)["cpu_s"] for _ in range(3))
    assert whole_s < 3 * half_s + 0.1


LIMIT_BYTES = 400_000_000
FEW = ["arrays 245 deep", "controls", "its own stamps on two levels", "text of quotes", "one key", "white space"]


@pytest.mark.parametrize("shape", FEW)
async def test_a_daemon_that_may_have_400_mb_takes_it_and_records_on(
    site: Site, backend: Backend, ledger: Ledger, shape: str
) -> None:
    begin, unit, end = SHAPES[shape]
    frame = b"".join((begin, unit * ((LARGEST - MIB) // len(unit)), end))
    async with site.daemon("--fsync", "never") as daemon:
        await daemon.ws_id()
        resource.prlimit(daemon.pid, resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))
        peer = await backend.peer()
        await peer.burst([frame, b'{"n":2}'])
        await site.written(2)
        (limit, _), peak = resource.prlimit(daemon.pid, resource.RLIMIT_AS), peak_mib(daemon)
        assert await daemon.stop() == 0
    fired = f"{len(frame) // MIB} MiB, RLIMIT_AS {limit // 10**6} MB, peak {peak} MiB"
    ledger.row("costly frame", f"{shape}, in little memory", sent=2, on_disk=len(site.lines()), fired=fired)
    assert limit == LIMIT_BYTES
    assert after_stamps(site.lines()[1]) == b'{"n":2}'


# -- shapes that nobody thought of --


@st.composite
def recipes(draw: st.DrawFn) -> tuple[bytes, bytes, bytes, int]:
    """How to make a frame: nested, with stamps of its own or not, broken or not, of any size."""
    unit = draw(st.lists(any_values, min_size=1, max_size=4).map(",".join)).encode()
    depth = draw(st.sampled_from([0, 0, 1, 3, 100, 240, 249, 300]))
    inner = draw(st.booleans())
    around = draw(st.lists(st.sampled_from([b"[", b'{"b":', b'{"ts":0,"":']), min_size=depth, max_size=depth))
    closers = b"".join(b"]" if one == b"[" else b"}" for one in reversed(around))
    stamps = draw(st.sampled_from([b"", b"", b'"ts":1,', b'"ts":1,"source_ts":2,', b'"\\u0074s":1,"unix_ts":0,']))
    if inner:  # every unit is that deep, else all stand side by side there
        unit = b"".join(around) + unit + closers
        around, closers = [], b""
    begin = b"{" + stamps + b'"a":' + b"".join(around) + b"["
    end = draw(st.sampled_from([b"", b"", b"", b',"x"', b"]", b"\x01", b"\xff", b'"'])) + b"0]" + closers + b"}"
    size = draw(st.sampled_from([300_000, MIB, 4 * MIB, 16 * MIB, LARGEST] if THOROUGH else [300_000, MIB, 4 * MIB]))
    return begin, unit + b",", end, size


PROFILE = settings(
    max_examples=150 if THOROUGH else 40,
    derandomize=not THOROUGH or "CI" in os.environ,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.timeout(900)
@given(recipe=recipes())
@PROFILE
def test_no_frame_costs_more_than_its_size_allows(worker: Worker, recipe: tuple[bytes, bytes, bytes, int]) -> None:
    begin, unit, end, size = recipe
    told = worker.cost(begin, unit, end, size)
    check(told)
    small = begin + unit * 3 + end
    is_raw = encode_line(small, NOW_S)[HEAD:].startswith(RAW)
    assert told["is_raw"] == is_raw
    if not is_raw and b"ts" not in begin[:20] and not set(unit) & set(b"\r\n"):
        assert told["as_it_was"]


def test_a_small_frame_costs_little_more_than_to_parse_it() -> None:
    """Measured side by side, each at its best: 2.2 times."""
    text = "hello there, this is a sentence of some length"
    frame = json.dumps({"channel": "transcript", "rtstream_id": "rts-a", "data": {"text": text, "start": 5}}).encode()

    def best_s(run: Any) -> float:
        def once_s() -> float:
            began = time.thread_time()
            for _ in range(2000):
                run()
            return time.thread_time() - began

        return min(once_s() for _ in range(15))

    assert best_s(lambda: encode_line(frame, NOW_S)) < 5 * best_s(lambda: orjson.loads(frame))
