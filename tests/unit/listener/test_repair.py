"""A tail that a crash tore off is mended or moved to a file of its own; nothing before it is touched."""

import errno
import json
import os
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from videodb_listen.errors import DirectoryUnusable
from videodb_listen.listener import repair
from videodb_listen.listener.repair import repair_tail
from videodb_listen.paths import Layout

NOW_S = 1772446530.123456
WHOLE = [b'{"a":1}\n', '{"text":"ä 漢 🎥"}\n'.encode(), b'{"n":{"m":[1,2,{"o":"}"}]}}\n', b"{}\n"]
FILE = b"".join(WHOLE)


@contextmanager
def opened(layout: Layout) -> Iterator[int]:
    descriptor = os.open(layout.events, os.O_RDWR | os.O_APPEND)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def mend(layout: Layout, now_s: float = NOW_S) -> str | None:
    with opened(layout) as descriptor:
        return repair_tail(descriptor, layout, shared=False, now_s=now_s)


def torn(directory: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(directory.glob("videodb_events.torn.*"))]


@pytest.fixture
def _fast_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fdatasync", lambda _: None)


@pytest.mark.usefixtures("_fast_disk")
@pytest.mark.parametrize("block", [1, 7, 1 << 16])
@pytest.mark.parametrize("cut", range(len(FILE) + 1))
def test_a_file_cut_anywhere_keeps_its_whole_lines_and_loses_no_byte(
    layout: Layout, cut: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repair, "_BLOCK_BYTES", block)
    layout.events.write_bytes(FILE[:cut])
    kept = FILE[:cut].rfind(b"\n") + 1
    fragment = FILE[kept:cut]
    completed = fragment + b"\n" in WHOLE

    what = mend(layout)

    if completed:
        assert layout.events.read_bytes() == FILE[:cut] + b"\n"
        assert torn(layout.directory) == []
    else:
        assert layout.events.read_bytes() == FILE[:kept]
        assert torn(layout.directory) == ([fragment] if fragment else [])
    assert (what is None) == (not fragment)
    after = layout.events.read_bytes()
    assert mend(layout) is None
    assert layout.events.read_bytes() == after
    assert all(isinstance(json.loads(line), dict) for line in after.splitlines())


@pytest.mark.parametrize("size", [(1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
@pytest.mark.parametrize("before", [b"", WHOLE[0]])
def test_a_tail_longer_than_what_is_read_at_once_is_moved_whole(layout: Layout, size: int, before: bytes) -> None:
    fragment = b'{"x":"' + b"x" * (size - 6)
    layout.events.write_bytes(before + fragment)
    what = mend(layout)
    assert what is not None
    assert f"{size} bytes" in what
    assert layout.events.read_bytes() == before
    assert torn(layout.directory) == [fragment]


@pytest.mark.parametrize("size", [(1 << 20) - 2, (1 << 20) - 1, 1 << 20, 3_000_000])
def test_a_long_event_that_only_lacks_its_newline_becomes_a_line(layout: Layout, size: int) -> None:
    event = b'{"x":"' + b"x" * size + b'"}'
    layout.events.write_bytes(WHOLE[0] + event)
    assert mend(layout) == "the newline that the last line lacked was added"
    assert layout.events.read_bytes() == WHOLE[0] + event + b"\n"
    assert torn(layout.directory) == []


@pytest.mark.parametrize(
    "fragment", [b"null", b"1", b"[]", b'"a"', b"\x00" * 4096, b"\xff", b" ", b"{}{}", b'{"a":1}\x00']
)
def test_a_tail_that_is_no_event_is_moved_to_a_file_of_its_own(layout: Layout, fragment: bytes) -> None:
    layout.events.write_bytes(FILE + fragment)
    mend(layout)
    assert layout.events.read_bytes() == FILE
    assert torn(layout.directory) == [fragment]


def test_a_long_fragment_is_never_in_memory_as_a_whole(layout: Layout) -> None:
    size = 64 << 20
    with layout.events.open("wb") as file:
        file.write(FILE)
        file.truncate(len(FILE) + size)  # a hole
    tracemalloc.start()
    mend(layout)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 8 << 20
    assert [path.stat().st_size for path in layout.directory.glob("videodb_events.torn.*")] == [size]
    assert layout.events.read_bytes() == FILE


@pytest.mark.parametrize("trouble", ["no memory", "too long"])
def test_a_tail_that_cannot_be_asked_whether_it_is_an_event_is_moved(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    def no_memory(_: bytes) -> None:
        raise MemoryError

    if trouble == "no memory":
        monkeypatch.setattr(repair, "decode_beginning", no_memory)
    else:
        monkeypatch.setattr(repair, "_WHOLE_BYTES", 6)
    layout.events.write_bytes(FILE + b'{"a":1}')
    mend(layout)
    assert layout.events.read_bytes() == FILE
    assert torn(layout.directory) == [b'{"a":1}']


def test_a_fragment_in_a_file_that_can_only_grow_is_ended_and_kept_twice(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "ftruncate", refused)
    layout.events.write_bytes(FILE + b'{"half')
    what = mend(layout)
    assert what is not None
    assert "copied to" in what
    assert layout.events.read_bytes() == FILE + b'{"half\n'
    assert torn(layout.directory) == [b'{"half']


def test_damage_further_up_is_not_touched(layout: Layout) -> None:
    damaged = b'{"a":1}\nnot JSON\n\x00\x00\n\n{"b":2}\n'
    layout.events.write_bytes(damaged)
    assert mend(layout) is None
    assert layout.events.read_bytes() == damaged
    assert torn(layout.directory) == []


def test_the_torn_file_is_named_for_the_time_in_utc_and_is_private(layout: Layout) -> None:
    layout.events.write_bytes(b"{")
    what = mend(layout)
    path = layout.directory / "videodb_events.torn.20260302T101530.123456Z"
    assert path.stat().st_mode & 0o777 == 0o600
    assert what is not None
    assert str(path) in what


def test_two_fragments_of_one_moment_are_both_kept(layout: Layout) -> None:
    for fragment in (b'{"one', b'{"two'):
        layout.events.write_bytes(fragment)
        mend(layout)
    assert torn(layout.directory) == [b'{"one{"two']


def fails(*_: Any) -> int:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("call", ["write", "fdatasync"])
def test_a_fragment_that_cannot_be_saved_is_not_cut_off(
    layout: Layout, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout.events.write_bytes(FILE + b"{")
    with monkeypatch.context() as patch:
        patch.setattr(os, call, fails)
        with pytest.raises(OSError, match="No space left"):
            mend(layout)
    assert layout.events.read_bytes() == FILE + b"{"


def test_a_fragment_is_on_the_disk_before_it_is_cut_off(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    order = []
    truncate, sync = os.ftruncate, os.fdatasync

    def truncating(descriptor: int, size: int) -> None:
        order.append("cut")
        truncate(descriptor, size)

    def syncing(descriptor: int) -> None:
        same = os.path.samestat(os.fstat(descriptor), layout.events.stat())
        order.append("sync events" if same else "sync torn")
        sync(descriptor)

    monkeypatch.setattr(os, "ftruncate", truncating)
    monkeypatch.setattr(os, "fdatasync", syncing)
    layout.events.write_bytes(FILE + b"{")
    mend(layout)
    assert order == ["sync torn", "cut", "sync events"]


def test_a_short_write_to_the_torn_file_is_completed(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:3]))
    layout.events.write_bytes(b'{"a":"unfinished')
    mend(layout)
    assert torn(layout.directory) == [b'{"a":"unfinished']


def test_a_trap_in_place_of_the_torn_file_is_refused(layout: Layout) -> None:
    layout.events.write_bytes(FILE + b"{")
    victim = layout.directory / "victim"
    victim.write_bytes(b"mine")
    layout.torn("20260302T101530.123456Z").symlink_to(victim)
    with opened(layout) as descriptor, pytest.raises(DirectoryUnusable):
        repair_tail(descriptor, layout, shared=True, now_s=NOW_S)
    assert victim.read_bytes() == b"mine"
    assert layout.events.read_bytes() == FILE + b"{"
