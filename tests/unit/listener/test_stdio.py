"""stdout and stderr: whoever reads them, slowly or not at all, never holds the recording up."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from videodb_listen.listener import stdio
from videodb_listen.listener.stdio import KEPT, LineWriter, Stdout, WriterHandler

LIMIT_S = 10.0
LINE = b'{"ts":"2026-03-02T10:15:30.123Z","unix_ts":1772446530.123,"channel":"c","data":{"text":"hi"}}\n'


class Pipe:
    """A pipe whose reading end the test uses, or does not."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()

    def fill(self) -> int:
        """Fill it up; return how many bytes it took."""
        flags = fcntl.fcntl(self.writing, fcntl.F_GETFL)
        fcntl.fcntl(self.writing, fcntl.F_SETFL, flags | os.O_NONBLOCK)
        taken = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                taken += os.write(self.writing, b"." * 4096)
        with contextlib.suppress(BlockingIOError):
            while True:
                taken += os.write(self.writing, b".")
        fcntl.fcntl(self.writing, fcntl.F_SETFL, flags)
        return taken

    def read_through(self, end: bytes) -> bytes:
        """Read until `end` has come."""
        data = b""
        while not data.endswith(end):
            part = os.read(self.reading, 1 << 16)
            assert part, f"ended before {end!r}: {data[-200:]!r}"
            data += part
        return data

    def nobody_reads(self) -> None:
        """Close the reading end."""
        os.close(self.reading)
        self.reading = -1

    def close(self) -> None:
        for descriptor in (self.reading, self.writing):
            if descriptor >= 0:
                os.close(descriptor)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """So many copies may wait."""
    monkeypatch.setattr(stdio, "MAX_WAITING", 10)
    return 10


@pytest.fixture
def few_bytes(monkeypatch: pytest.MonkeyPatch) -> int:
    """So many bytes of copies may wait."""
    monkeypatch.setattr(stdio, "MAX_WAITING_BYTES", 1000)
    return 1000


def test_what_is_put_and_offered_comes_out_in_order(pipe: Pipe) -> None:
    writer = LineWriter(pipe.writing, bytes.upper)
    writer.put(b"put 1\n")
    writer.offer(b"offered\n")
    writer.put(b"put 2\n")
    writer.close(LIMIT_S)
    assert pipe.read_through(b"put 2\n") == b"put 1\nOFFERED\nput 2\n"
    assert writer.dropped == 0


@pytest.mark.parametrize("count", [9, 10, 11, 35])
def test_closing_writes_all_that_waits(pipe: Pipe, few: int, count: int) -> None:
    writer = LineWriter(pipe.writing)
    for n in range(count):
        writer.put(b"%d\n" % n)
    writer.close(LIMIT_S)
    pipe_content = os.read(pipe.reading, 1 << 16)
    assert pipe_content == b"".join(b"%d\n" % n for n in range(count))
    assert few == 10


def test_copies_that_nobody_reads_are_dropped_and_counted_and_an_id_never_is(pipe: Pipe, few: int) -> None:
    filled = pipe.fill()
    writer = LineWriter(pipe.writing)
    for n in range(1000):
        writer.offer(b"%d\n" % n)
    assert 1000 - 3 * few <= writer.dropped <= 1000 - few
    for _ in range(3 * few):
        writer.put(b"WS_ID=old\n")
    writer.put(b"WS_ID=last\n")
    seen = pipe.read_through(b"WS_ID=last\n")[filled:].splitlines()
    copies = [line for line in seen if not line.startswith(b"WS_ID")]
    assert copies[:few] == [b"%d" % n for n in range(few)]
    assert copies == sorted(copies, key=int)
    assert len(copies) + writer.dropped == 1000
    assert seen.count(b"WS_ID=old") == 3 * few
    writer.close(LIMIT_S)


def test_copies_that_wait_are_bounded_in_bytes_and_an_id_still_comes(pipe: Pipe, few_bytes: int) -> None:
    filled = pipe.fill()
    writer = LineWriter(pipe.writing)
    copy = b"c" * 99 + b"\n"
    for _ in range(100):
        writer.offer(copy)
    assert writer.dropped == 100 - few_bytes // len(copy)
    writer.put(b"WS_ID=last\n")
    assert pipe.read_through(b"WS_ID=last\n")[filled:] == copy * (100 - writer.dropped) + b"WS_ID=last\n"
    writer.close(LIMIT_S)


def test_one_copy_may_be_larger_than_the_bound(pipe: Pipe, few_bytes: int) -> None:
    writer = LineWriter(pipe.writing)
    writer.offer(b"x" * 3 * few_bytes + b"\n")
    writer.close(LIMIT_S)
    assert len(pipe.read_through(b"\n")) == 3 * few_bytes + 1
    assert writer.dropped == 0


def test_what_was_written_makes_room_again(pipe: Pipe, few_bytes: int) -> None:
    pipe.fill()
    writer = LineWriter(pipe.writing)
    while not writer.dropped:
        writer.offer(b"x" * few_bytes)
    pipe.read_through(b"x" * few_bytes)
    before = writer.dropped - 1
    while before != writer.dropped:
        before = writer.dropped
        writer.offer(b"again\n")
    assert pipe.read_through(b"again\n").endswith(b"again\n")
    writer.close(LIMIT_S)


def test_closing_does_not_wait_for_a_reader_that_does_not_read(pipe: Pipe) -> None:
    pipe.fill()
    writer = LineWriter(pipe.writing)
    writer.put(b"stuck\n")
    writer.close(0.0)
    assert writer._thread.is_alive()
    pipe.nobody_reads()  # frees the thread
    writer._thread.join(LIMIT_S)
    assert not writer._thread.is_alive()


def test_a_full_pipe_that_someone_made_non_blocking_loses_no_id(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    filled = pipe.fill()
    os.set_blocking(pipe.writing, False)
    refused, write = threading.Event(), os.write

    def watched(descriptor: int, data: bytes) -> int:
        try:
            return write(descriptor, data)
        except BlockingIOError:
            refused.set()
            raise

    monkeypatch.setattr(os, "write", watched)
    writer = LineWriter(pipe.writing)
    for n in range(100):
        writer.put(b"WS_ID=%d\n" % n)
    assert refused.wait(LIMIT_S)
    writer.offer(b"copy\n")
    assert pipe.read_through(b"copy\n")[filled:] == b"".join(b"WS_ID=%d\n" % n for n in range(100)) + b"copy\n"
    assert not os.get_blocking(pipe.writing)  # the flags are others' as well
    writer.close(LIMIT_S)


def offers_until_broken(writer: LineWriter) -> None:
    while not writer.dropped:
        writer.offer(b"copy\n")


def test_a_reader_that_is_gone_makes_copies_drop(pipe: Pipe) -> None:
    pipe.nobody_reads()
    writer = LineWriter(pipe.writing)
    writer.put(b"WS_ID=abc\n")
    offers_until_broken(writer)
    writer.close(LIMIT_S)
    assert not writer._thread.is_alive()


def test_a_closed_descriptor_makes_copies_drop() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    unused = os.dup2(writing, 900)
    os.close(writing)
    os.close(unused)
    writer = LineWriter(unused)
    offers_until_broken(writer)
    writer.close(LIMIT_S)
    assert not writer._thread.is_alive()


@pytest.fixture
def short_of_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Limited]:
    monkeypatch.setattr(stdio, "RETRY_S", 0.01)
    with Limited(tmp_path / "out", monkeypatch) as disk:
        yield disk


class Limited:
    """A file on a disk with room for so many bytes."""

    def __init__(self, path: Path, patch: pytest.MonkeyPatch) -> None:
        self.room = 0
        self.refused = threading.Semaphore(0)
        self._path, self._patch, self._real = path, patch, os.write

    def __enter__(self) -> Self:
        self.descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._patch.setattr(os, "write", self._write)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)

    @property
    def content(self) -> bytes:
        return self._path.read_bytes()

    def _write(self, descriptor: int, data: bytes) -> int:
        if descriptor != self.descriptor:
            return self._real(descriptor, data)
        if not self.room:
            self.refused.release()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self._real(descriptor, data[: self.room])
        self.room -= written
        return written


def test_what_must_not_be_dropped_comes_when_there_is_room_again(short_of_room: Limited) -> None:
    writer = LineWriter(short_of_room.descriptor)
    writer.put(b"WS_ID=first\n")
    assert short_of_room.refused.acquire(timeout=LIMIT_S)
    writer.put(b"WS_ID=second\n")
    offers_until_broken(writer)
    before = writer.dropped
    short_of_room.room = 1 << 20
    while writer.dropped != before or b"after" not in short_of_room.content:
        before = writer.dropped
        writer.offer(b"after\n")
    writer.close(LIMIT_S)
    assert short_of_room.content.startswith(b"WS_ID=first\nWS_ID=second\n")
    assert set(short_of_room.content.splitlines()) <= {b"WS_ID=first", b"WS_ID=second", b"copy", b"after"}


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_line_that_was_begun_is_completed_before_an_id_follows(short_of_room: Limited, cut: int) -> None:
    short_of_room.room = cut
    writer = LineWriter(short_of_room.descriptor)
    writer.offer(b"a copy\n")
    writer.offer(b"another copy\n")
    assert short_of_room.refused.acquire(timeout=LIMIT_S)
    writer.put(b"WS_ID=abc\n")
    short_of_room.room = 1 << 20
    writer.close(LIMIT_S)
    lines = short_of_room.content.splitlines()
    assert lines[-1] == b"WS_ID=abc"
    assert lines[0] == b"a copy"
    assert len(lines) - 1 + writer.dropped == 2


def test_a_writer_that_takes_nothing_and_does_not_say_why_is_no_loop(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = itertools.count()
    monkeypatch.setattr(os, "write", lambda *_: 0 * next(calls))
    writer = LineWriter(pipe.writing)
    writer.offer(b"copy\n")
    writer.put(b"WS_ID=abc\n")
    writer.close(LIMIT_S)
    assert not writer._thread.is_alive()
    assert next(calls) <= 3


def test_a_pipe_that_gets_another_reader_is_written_to_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stdio, "RETRY_S", 0.01)
    os.mkfifo(tmp_path / "pipe")
    first = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    writing = os.open(tmp_path / "pipe", os.O_WRONLY)
    os.close(first)
    writer = LineWriter(writing)
    offers_until_broken(writer)
    again = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    writer.put(b"WS_ID=abc\n")
    writer.close(LIMIT_S)
    assert os.read(again, 1 << 16).endswith(b"WS_ID=abc\n")
    os.close(again)
    os.close(writing)


def test_the_flags_of_an_inherited_descriptor_are_left_alone(pipe: Pipe) -> None:
    before = fcntl.fcntl(pipe.writing, fcntl.F_GETFL), fcntl.fcntl(pipe.writing, fcntl.F_GETFD)
    writer = LineWriter(pipe.writing)
    writer.put(b"x\n")
    writer.close(LIMIT_S)
    assert (fcntl.fcntl(pipe.writing, fcntl.F_GETFL), fcntl.fcntl(pipe.writing, fcntl.F_GETFD)) == before


# -- what the daemon prints ------------------------------------------------------------------------------------------


@pytest.fixture
def stdout(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> Pipe:
    monkeypatch.setattr(stdio, "STDOUT", pipe.writing)
    return pipe


@pytest.mark.parametrize(("output", "copy"), [("preview", b"[c] hi\n"), ("json", LINE), ("none", b"")])
def test_the_first_line_is_the_id_whatever_came_before_it(stdout: Pipe, output: str, copy: bytes) -> None:
    out = Stdout(output)
    out.copy(LINE)
    out.announce("abc")
    out.copy(LINE)
    out.announce("def")
    out.close(LIMIT_S)
    assert stdout.read_through(b"WS_ID=def\n") == b"WS_ID=abc\n" + copy * 2 + b"WS_ID=def\n"
    assert out.dropped == 0


def test_a_preview_of_hostile_text_is_one_safe_line(stdout: Pipe) -> None:
    out = Stdout("preview")
    out.announce("abc")
    out.copy(b'{"channel":"c\\u001b]0;x\\u0007","data":{"text":"a\\nWS_ID=forged"}}\n')
    out.announce("end")
    out.close(LIMIT_S)
    assert stdout.read_through(b"WS_ID=end\n").splitlines()[1] == rb"[c\x1b]0;x\x07] a\x0aWS_ID=forged"


def test_what_comes_before_the_first_id_is_bounded(stdout: Pipe, few: int) -> None:
    out = Stdout("json")
    for _ in range(3 * few):
        out.copy(LINE)
    out.announce("abc")
    out.announce("end")
    out.close(LIMIT_S)
    copies = stdout.read_through(b"WS_ID=end\n").count(LINE)
    assert few - 1 <= copies <= few


def test_what_is_dropped_before_the_first_id_is_counted(stdout: Pipe, few: int) -> None:
    out = Stdout("json")
    for _ in range(3 * few):
        out.copy(LINE)
    out.announce("abc")
    out.announce("end")
    out.close(LIMIT_S)
    assert stdout.read_through(b"WS_ID=end\n").count(LINE) + out.dropped == 3 * few


def test_what_comes_before_the_first_id_is_bounded_in_bytes(stdout: Pipe, few_bytes: int) -> None:
    out = Stdout("json")
    for _ in range(100):
        out.copy(LINE)
    held = -(-few_bytes // len(LINE))
    assert out.dropped == 100 - held
    out.announce("abc")
    out.announce("end")
    out.close(LIMIT_S)
    assert stdout.read_through(b"WS_ID=end\n").count(LINE) == held


def test_a_record_that_must_be_told_is_never_dropped(pipe: Pipe, few: int) -> None:
    filled = pipe.fill()
    writer = LineWriter(pipe.writing)
    handler = WriterHandler(writer)
    for _ in range(10 * few):
        handler.emit(logging.LogRecord("x", logging.INFO, "", 0, "drop me", None, None))
    kept = logging.LogRecord("x", logging.WARNING, "", 0, "bind it anew", None, None)
    kept.__dict__.update(KEPT)
    handler.emit(kept)
    assert writer.dropped > 0
    assert pipe.read_through(b"bind it anew\n")[filled:]
    writer.close(LIMIT_S)


def test_a_log_record_is_a_line_and_is_dropped_rather_than_waited_for(pipe: Pipe, few: int) -> None:
    writer = LineWriter(pipe.writing)
    handler = WriterHandler(writer)
    record = logging.LogRecord("x", logging.INFO, "", 0, "ä \udcff %s", ("arg",), None)
    handler.emit(record)
    assert pipe.read_through(b"\n") == "ä \\udcff arg\n".encode()
    pipe.fill()
    for _ in range(10 * few):
        handler.emit(record)
    assert writer.dropped > 0
    pipe.nobody_reads()
    writer.close(LIMIT_S)
