"""The log of a detached daemon stays bounded, and goes on under its name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from videodb_listen.listener.own_log import OwnLog, open_log
from videodb_listen.paths import Layout

LIMIT_BYTES = 505


@dataclass
class Streams:
    """A log that is open as stdout and stderr, as after `start`."""

    out: int
    err: int
    log: OwnLog


def opened(descriptor: int, layout: Layout) -> Streams:
    streams = (descriptor, os.dup(descriptor))
    return Streams(*streams, OwnLog(layout.log, LIMIT_BYTES, shared=False, descriptors=streams))


@pytest.fixture
def log_file(layout: Layout) -> Path:
    return layout.log


@pytest.fixture
def streams(layout: Layout) -> Iterator[Streams]:
    """The log of the test's directory, as the daemon has it."""
    streams = opened(open_log(layout.log, shared=False), layout)
    yield streams
    os.close(streams.out)
    os.close(streams.err)


def numbered(*range_of: int) -> bytes:
    return b"".join(b"line %04d\n" % n for n in range(*range_of))


def content_of(descriptor: int) -> bytes:
    return os.pread(descriptor, 1 << 20, 0)


def test_a_log_that_has_outgrown_its_limit_keeps_its_newer_half_in_whole_lines(
    log_file: Path, streams: Streams
) -> None:
    os.write(streams.out, numbered(100))
    inode = log_file.stat().st_ino
    streams.log.bound()
    kept = log_file.read_bytes()
    assert kept == numbered(75, 100)
    assert log_file.stat().st_ino == inode
    os.write(streams.out, b"goes on\n")
    assert log_file.read_bytes() == kept + b"goes on\n"


def test_a_log_within_its_limit_is_left_alone(log_file: Path, streams: Streams) -> None:
    os.write(streams.err, b"x" * LIMIT_BYTES)
    streams.log.bound()
    assert log_file.stat().st_size == LIMIT_BYTES


def test_a_log_that_somebody_deleted_stays_bounded(log_file: Path, streams: Streams) -> None:
    log_file.unlink()
    os.write(streams.out, numbered(100))
    streams.log.bound()
    assert content_of(streams.err) == numbered(75, 100)
    assert not log_file.exists()


def test_a_log_that_was_rotated_away_stays_whole(log_file: Path, streams: Streams) -> None:
    moved = log_file.rename(log_file.with_suffix(".1"))
    os.write(streams.out, numbered(100))
    streams.log.bound()
    assert moved.read_bytes() == numbered(100)


@pytest.mark.parametrize("how", ["renamed", "renamed and made anew", "deleted"])
def test_a_log_that_is_reopened_goes_on_under_its_name(log_file: Path, streams: Streams, how: str) -> None:
    os.write(streams.out, b"old\n")
    moved = log_file.rename(log_file.with_suffix(".1"))
    if how == "renamed and made anew":
        log_file.touch(0o640)
        log_file.chmod(0o640)
    if how == "deleted":
        moved.unlink()
    streams.log.reopen()
    os.write(streams.out, numbered(50))
    os.write(streams.err, numbered(50, 100))
    assert log_file.read_bytes() == numbered(100)
    assert log_file.stat().st_mode & 0o777 == (0o640 if how == "renamed and made anew" else 0o600)
    assert how == "deleted" or moved.read_bytes() == b"old\n"
    streams.log.bound()
    assert log_file.read_bytes() == numbered(75, 100)


def test_a_log_that_cannot_be_reopened_goes_on_where_it_was(log_file: Path, streams: Streams, said: list[str]) -> None:
    log_file.unlink()
    log_file.mkdir()
    streams.log.reopen()
    os.write(streams.out, b"still here\n")
    assert content_of(streams.err) == b"still here\n"
    assert len(said) == 1
    assert str(log_file) in said[0]


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("other.log", os.O_RDWR | os.O_APPEND),
        ("videodb_ws.log", os.O_WRONLY | os.O_APPEND),
        ("videodb_ws.log", os.O_RDWR),
    ],
    ids=["another name", "of a shell that appends", "not appending"],
)
@pytest.mark.parametrize("deleted", [False, True])
def test_an_output_that_start_did_not_make_is_left_alone(layout: Layout, name: str, flags: int, deleted: bool) -> None:
    output = layout.directory / name
    output.touch()
    streams = opened(os.open(output, flags), layout)
    if deleted:
        output.unlink()
    os.write(streams.out, numbered(100))
    before = os.fstat(streams.out)
    streams.log.bound()
    streams.log.reopen()
    after = os.fstat(streams.out)
    assert (after.st_ino, after.st_size) == (before.st_ino, before.st_size) == (before.st_ino, len(numbered(100)))
    os.close(streams.out)
    os.close(streams.err)
