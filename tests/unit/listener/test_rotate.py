"""Rotation: generations are rotated away by rename, compressed one late, bounded; no line is lost or doubled by it."""

from __future__ import annotations

import gzip
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.someone_else import give_away, needs_root
from videodb_listen.errors import SinkError
from videodb_listen.listener.rotate import Generations
from videodb_listen.listener.sink import Sink
from videodb_listen.paths import Layout
from videodb_listen.settings import Disk, Rotation

NOW_S = 1_772_446_530.123


def generations(layout: Layout) -> list[Path]:
    return sorted(path for path in layout.directory.iterdir() if path != layout.events)


def content(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def unexpected(failure: SinkError) -> None:
    raise AssertionError(failure)


async def opened(layout: Layout, **options: Any) -> Sink:
    """A sink that is open, on a clock that moves on by a second whenever it is read."""
    seconds = itertools.count(NOW_S)
    sink = Sink(
        layout,
        Disk(fsync="never"),
        Rotation(**options),
        shared=False,
        now=lambda: next(seconds),
        on_full=lambda: None,
        on_failure=unexpected,
    )
    await sink.open(held=False)
    return sink


def rotation(layout: Layout, *, keep: int = 10, gzipped: bool = False) -> Generations:
    return Generations(layout, Rotation(rotate_size_bytes=1, rotate_keep=keep, rotate_gzip=gzipped))


def rotated(layout: Layout, subject: Generations, count: int, now_s: float = NOW_S) -> list[Path]:
    paths = []
    for number in range(count):
        layout.events.write_bytes(b'{"n":%d}\n' % number)
        paths.append(layout.generation(subject.rotate(now_s + number)))
    return paths


def test_rotation_is_off_by_default(layout: Layout) -> None:
    assert not Generations(layout, Rotation()).due(1 << 60)


def test_a_file_is_due_when_it_has_the_size(layout: Layout) -> None:
    subject = Generations(layout, Rotation(rotate_size_bytes=100))
    assert [subject.due(size) for size in (0, 99, 100, 101)] == [False, False, True, True]


def test_the_name_is_the_utc_time_with_milliseconds(layout: Layout) -> None:
    (path,) = rotated(layout, rotation(layout), 1)
    assert path.name == "videodb_events.20260302T101530.123Z.jsonl"
    assert not layout.events.exists()


@pytest.mark.parametrize("taken", ["jsonl", "jsonl.gz"])
def test_a_name_that_is_taken_is_never_replaced(layout: Layout, taken: str) -> None:
    first = layout.directory / f"videodb_events.20260302T101530.123Z.{taken}"
    first.write_bytes(b"theirs")
    (path,) = rotated(layout, rotation(layout), 1)
    assert path.name == "videodb_events.20260302T101530.124Z.jsonl"
    assert first.read_bytes() == b"theirs"


def test_names_come_in_order_also_after_the_clock_was_set_back(layout: Layout) -> None:
    subject = rotation(layout)
    paths = [*rotated(layout, subject, 2, NOW_S), *rotated(layout, subject, 2, NOW_S - 3600)]
    assert sorted(paths) == paths


def test_all_but_the_newest_are_compressed_and_privately(layout: Layout) -> None:
    subject = rotation(layout, gzipped=True)
    paths = rotated(layout, subject, 3)
    subject.tidy()
    assert generations(layout) == [*(path.with_name(path.name + ".gz") for path in paths[:2]), paths[2]]
    assert [content(path) for path in generations(layout)] == [b'{"n":0}\n', b'{"n":1}\n', b'{"n":2}\n']
    assert {path.stat().st_mode & 0o777 for path in generations(layout)[:2]} == {0o600}


def test_the_oldest_go_when_there_are_more_than_are_kept(layout: Layout) -> None:
    subject = rotation(layout, keep=2, gzipped=True)
    rotated(layout, subject, 5)
    subject.tidy()
    assert [content(path) for path in generations(layout)] == [b'{"n":3}\n', b'{"n":4}\n']


def test_other_files_are_left_alone(layout: Layout) -> None:
    others = {
        *("videodb_events.torn.20260302T101530.123456Z", "notes.jsonl", "videodb_ws_connections.jsonl"),
        *("videodb_events.backup.jsonl", "videodb_events.backup.jsonl.gz.tmp", "videodb_events.jsonl.1"),
        "videodb_events.20269999T999999.999Z.jsonl",  # no time at all
        "videodb_events.99991231T235959.999Z.jsonl",  # none could come after it
    }
    for name in others:
        (layout.directory / name).write_bytes(b"x")
    subject = rotation(layout, keep=0, gzipped=True)
    rotated(layout, subject, 3)
    subject.tidy()
    assert {path.name for path in layout.directory.iterdir()} == others


def a_foreign_file(path: Path) -> None:
    path.write_bytes(gzip.compress(b"forged"))
    give_away(path)


def a_link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


@pytest.mark.parametrize("plant", [os.mkfifo, Path.mkdir, a_link, pytest.param(a_foreign_file, marks=needs_root)])
def test_what_others_plant_under_the_names_of_generations_neither_stops_tidying_nor_costs_a_line(
    layout: Layout, plant: Callable[[Path], None]
) -> None:
    layout.directory.chmod(0o1777)
    subject = rotation(layout, keep=2, gzipped=True)
    rotated(layout, subject, 4)
    later, newest = generations(layout)[-2:]
    planted = [
        layout.generation("20200101T000000.000Z"),  # would be the first to go
        layout.generation("99981231T235959.999Z"),  # all that follow would have to come after it
        later.with_name(later.name + ".gz"),  # the place of a compressed one: the original must stay
        later.with_name(later.name + ".gz.tmp"),
    ]
    for path in planted:
        plant(path)
    subject.tidy()
    assert all(os.path.lexists(path) for path in planted)
    assert [path.read_bytes() for path in (later, newest)] == [b'{"n":2}\n', b'{"n":3}\n']
    assert len(generations(layout)) == len(planted) + 2  # the rest of ours was surplus
    layout.events.touch()
    assert subject.rotate(NOW_S + 10) < "2027"


@pytest.mark.parametrize("left", ["half a copy", "both forms"])
def test_what_a_crash_left_is_cleaned_up_and_nothing_is_lost(layout: Layout, left: str) -> None:
    subject = rotation(layout, gzipped=True)
    old, new = rotated(layout, subject, 2)
    packed = old.with_name(old.name + ".gz")
    if left == "half a copy":
        old.with_name(old.name + ".gz.tmp").write_bytes(gzip.compress(old.read_bytes())[:9])
    else:
        packed.write_bytes(gzip.compress(old.read_bytes()))
    subject.tidy()
    assert generations(layout) == [packed, new]
    assert content(packed) == b'{"n":0}\n'


async def recorded(layout: Layout, lines: list[bytes], limit: int, turn: Callable[[Sink], None]) -> list[bytes]:
    """Write the lines through a sink that rotates; what all files hold together, oldest first."""
    sink = await opened(layout, rotate_size_bytes=limit, rotate_keep=1_000_000)
    for line in lines:
        sink.append(line)
        turn(sink)
    await sink.close()
    return [content(path) for path in [*generations(layout), layout.events]]


async def test_a_file_is_rotated_between_two_lines(layout: Layout) -> None:
    lines = [b'{"n":%d,"pad":"%s"}\n' % (number, b"x" * number) for number in range(100)]
    files = await recorded(layout, lines, 500, Sink.flush)
    assert b"".join(files) == b"".join(lines)
    assert len(files) > 10
    assert all(data.endswith(b"\n") and len(data) >= 500 for data in files[:-1])


@settings(max_examples=50, deadline=None)
@given(data=st.data())
async def test_no_order_of_short_writes_and_rotations_splits_a_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    layout = Layout(tmp_path_factory.mktemp("rotated"))
    lines = [b'{"n":%d}\n' % number for number in range(data.draw(st.integers(1, 30)))]
    real = os.write

    def short(descriptor: int, payload: bytes) -> int:
        return real(descriptor, payload[: data.draw(st.integers(1, len(payload)))])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", short)
        files = await recorded(layout, lines, data.draw(st.integers(1, 60)), Sink.flush)
    assert b"".join(files) == b"".join(lines)
    assert all(not content or content.endswith(b"\n") for content in files)


async def test_a_rotation_that_fails_is_said_and_recording_goes_on(
    layout: Layout, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_self: Path, _target: Path) -> Path:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refused)
    lines = [b'{"n":%d}\n' % number for number in range(20)]
    files = await recorded(layout, lines, 10, Sink.flush)
    assert files == [b"".join(lines)]
    assert len([line for line in said if "cannot be rotated" in line]) == 1


async def test_what_went_into_a_deleted_file_is_written_once_more(layout: Layout) -> None:
    sink = await opened(layout)
    sink.append(b'{"n":0}\n')
    sink.flush()
    sink.follow_name()
    layout.events.unlink()
    sink.append(b'{"n":1}\n')
    sink.flush()
    sink.follow_name()
    sink.append(b'{"n":2}\n')
    await sink.close()
    assert layout.events.read_bytes() == b'{"n":1}\n{"n":2}\n'


async def test_a_file_that_replaced_ours_is_appended_to(layout: Layout) -> None:
    sink = await opened(layout)
    sink.append(b'{"n":0}\n')
    sink.flush()
    moved = layout.events.rename(layout.directory / "moved")
    layout.events.write_bytes(b'{"theirs":1}\n')
    sink.follow_name()
    sink.append(b'{"n":1}\n')
    await sink.close()
    assert moved.read_bytes() == b'{"n":0}\n'
    assert layout.events.read_bytes() == b'{"theirs":1}\n{"n":1}\n'
