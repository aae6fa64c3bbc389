"""Open files by their number: which file it is, and that 0, 1 and 2 are nobody else's."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.someone_else import in_child
from videodb_listen.system import descriptors


@pytest.mark.parametrize("closed", [[0], [1], [2], [0, 1, 2], [1, 2], []])
def test_closed_standard_descriptors_are_occupied(closed: list[int], tmp_path: Path) -> None:
    def work() -> list[Any]:
        for number in (0, 1, 2):
            os.dup2(os.open(tmp_path / "inherited", os.O_RDWR | os.O_CREAT), number)
        for number in closed:
            os.close(number)
        descriptors.occupy_standard()
        null = Path(os.devnull).stat()
        mine = [os.path.samestat(os.fstat(number), null) for number in (0, 1, 2)]
        return [mine, os.open(tmp_path / "next", os.O_RDWR | os.O_CREAT) > 2]

    assert in_child(work) == [[number in closed for number in (0, 1, 2)], True]


def test_what_stands_in_the_place_of_a_closed_stdout_takes_nothing() -> None:
    def work() -> list[Any]:
        for number in (0, 1, 2):
            os.close(number)
        descriptors.occupy_standard()
        try:
            os.write(1, b"lost")
        except OSError:
            return [[descriptors.is_writable(number) for number in (0, 1, 2)], os.write(2, b"lost")]
        return []

    assert in_child(work) == [[False, False, True], 4]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "it").touch()
    return tmp_path / "it"


@pytest.fixture
def descriptor(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
    yield descriptor
    os.close(descriptor)


def test_a_name_belongs_to_the_open_file_to_another_or_to_none(path: Path, descriptor: int) -> None:
    assert descriptors.is_named(descriptor, path) is True
    path.rename(path.with_name("moved"))
    assert descriptors.is_named(descriptor, path) is None
    path.touch()
    assert descriptors.is_named(descriptor, path) is False


def test_a_closed_descriptor_is_an_error(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    os.close(descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        descriptors.is_named(descriptor, path)


@pytest.mark.parametrize(
    ("flags", "same"), [(os.O_RDWR | os.O_APPEND, True), (os.O_RDWR, False), (os.O_WRONLY | os.O_APPEND, False)]
)
def test_how_a_file_was_opened_is_known(descriptor: int, flags: int, same: bool) -> None:
    assert descriptors.is_opened_with(descriptor, flags) is same


def test_a_file_without_a_name_is_unlinked_and_so_is_one_that_another_machine_deleted(
    path: Path, descriptor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert descriptors.is_unlinked(descriptor) is False
    path.rename(path.with_name("moved"))
    assert descriptors.is_unlinked(descriptor) is False
    path.with_name("moved").unlink()
    assert descriptors.is_unlinked(descriptor) is True

    def stale(_: int) -> None:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    path.touch()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", stale)
        assert descriptors.is_unlinked(descriptor) is True
        assert descriptors.is_named(descriptor, path) is False


def test_an_error_about_an_open_file_passes(descriptor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", broken)
        with pytest.raises(OSError, match="Input/output error"):
            descriptors.is_unlinked(descriptor)


def test_a_pipe_and_a_device_are_no_regular_files(path: Path, descriptor: int) -> None:
    assert descriptors.is_regular(descriptor)
    reading, writing = os.pipe()
    with Path(os.devnull).open("rb") as device:
        assert [descriptors.is_regular(number) for number in (reading, writing, device.fileno())] == [False] * 3
    os.close(reading)
    os.close(writing)
