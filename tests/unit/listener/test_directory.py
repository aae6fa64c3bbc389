"""The state directory: created private, refused when it cannot be trusted, owned by one."""

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from videodb_listen.errors import DirectoryBusy, DirectoryUnusable
from videodb_listen.listener.directory import open_file, owned, prepare
from videodb_listen.paths import Layout

IN_PLACE = ("events", "ws_id", "pid", "state", "journal", "lock", "log")
NOBODY = 65534
InChild = Callable[[Callable[[], Any]], Any]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to someone else")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A directory that every user can reach, as the test's own is not."""
    path = Path(tempfile.mkdtemp(prefix="videodb-listen-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def as_nobody() -> None:
    """Give up root's rights, which hide every mistake with modes."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)


# -- created ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [0, 0o022, 0o777])
def test_every_missing_directory_is_private_and_so_is_every_file_whatever_the_umask(
    open_to_all: Path, in_child: InChild, mask: int
) -> None:
    open_to_all.chmod(0o777)
    top = open_to_all / "a"
    layout = Layout(top / "b" / "c")

    def work() -> bool:
        as_nobody()
        os.umask(mask)
        with owned(layout) as owner:
            os.close(open_file(layout.events, os.O_RDWR | os.O_APPEND, shared=owner.shared))
        return owner.shared

    assert in_child(work) is False
    assert [mode(path) for path in (top, top / "b", layout.directory)] == [0o700] * 3
    assert [mode(path) for path in (layout.lock, layout.events)] == [0o600] * 2


@pytest.mark.parametrize(("keep_mode", "bits"), [(False, 0o600), (True, 0o640)])
def test_an_existing_directory_keeps_its_mode_and_an_existing_file_if_asked(
    layout: Layout, keep_mode: bool, bits: int
) -> None:
    layout.directory.chmod(0o750)
    layout.events.touch()
    layout.events.chmod(0o640)
    with owned(layout) as owner:
        os.close(open_file(layout.events, os.O_RDWR, shared=owner.shared, keep_mode=keep_mode))
    assert mode(layout.directory) == 0o750
    assert mode(layout.events) == bits


def test_opening_a_file_neither_truncates_nor_is_inherited(layout: Layout) -> None:
    layout.events.write_bytes(b"kept")
    descriptor = open_file(layout.events, os.O_RDWR | os.O_APPEND, shared=False)
    try:
        assert not os.get_inheritable(descriptor)
        os.write(descriptor, b", and more")
    finally:
        os.close(descriptor)
    assert layout.events.read_bytes() == b"kept, and more"


def test_a_directory_that_cannot_be_created_is_named(open_to_all: Path, in_child: InChild) -> None:
    def work() -> str:
        as_nobody()
        if os.access(open_to_all, os.W_OK):
            open_to_all.chmod(0o555)
        try:
            prepare(Layout(open_to_all / "new"))
        except DirectoryUnusable as exc:
            return exc.message
        return "created"

    assert in_child(work) == f"{open_to_all / 'new'}: Permission denied"


def test_a_directory_that_cannot_be_written_to_is_refused(open_to_all: Path, in_child: InChild) -> None:
    def work() -> str:
        as_nobody()
        if os.access(open_to_all, os.W_OK):
            open_to_all.chmod(0o555)
        try:
            with owned(Layout(open_to_all)):
                return "owned"
        except DirectoryUnusable as exc:
            return exc.message

    assert in_child(work).endswith("videodb_ws.lock: Permission denied")


@pytest.mark.parametrize("below", [False, True])
def test_a_file_in_place_of_the_directory_is_refused(tmp_path: Path, below: bool) -> None:
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(DirectoryUnusable, match="Not a directory"):
        prepare(Layout(path / "below" if below else path))


def test_a_link_to_nowhere_in_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DirectoryUnusable, match="Not a directory"):
        prepare(Layout(tmp_path / "link"))


def test_a_directory_may_be_reached_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert prepare(Layout(tmp_path / "link")) is False


# -- shared ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bits", "shared"), [(0o700, False), (0o755, False), (0o720, True), (0o702, True), (0o1777, True), (0o775, True)]
)
def test_a_directory_is_shared_when_others_can_write_to_it(layout: Layout, bits: int, shared: bool) -> None:
    layout.directory.chmod(bits)
    assert prepare(layout) is shared
    with owned(layout) as owner:
        assert owner.shared is shared


@needs_root
def test_a_directory_of_someone_else_is_shared_and_one_of_root_is_not(open_to_all: Path, in_child: InChild) -> None:
    theirs = open_to_all / "theirs"
    theirs.mkdir(0o755)
    os.chown(theirs, 12345, 12345)
    assert prepare(Layout(theirs)) is True
    roots = open_to_all / "roots"
    roots.mkdir(0o755)

    def work() -> bool:
        as_nobody()
        return prepare(Layout(roots))

    assert in_child(work) is False


def a_fifo(path: Path) -> None:
    os.mkfifo(path, 0o666)


def a_directory(path: Path) -> None:
    path.mkdir()


def a_link(path: Path) -> None:
    target = path.parent / "target"
    target.write_bytes(b"mine")
    path.symlink_to(target)


def a_link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/null")


def a_foreign_file(path: Path) -> None:
    path.touch()
    os.chown(path, 12345, 12345)


@pytest.mark.parametrize("name", IN_PLACE)
@pytest.mark.parametrize("trap", [a_fifo, a_directory, a_link_to_a_device])
@pytest.mark.parametrize("bits", [0o700, 0o1777])
def test_what_is_no_regular_file_is_refused_everywhere(
    layout: Layout, name: str, trap: Callable[[Path], None], bits: int
) -> None:
    path: Path = getattr(layout, name)
    trap(path)
    layout.directory.chmod(bits)
    with pytest.raises(DirectoryUnusable, match=f"{path.name} is a symlink, not a regular file, or someone else's"):
        prepare(layout)
    with pytest.raises(DirectoryUnusable, match=path.name):
        open_file(path, os.O_RDWR | os.O_APPEND, shared=bits != 0o700)  # it may have come later


@pytest.mark.parametrize("name", IN_PLACE)
@pytest.mark.parametrize("trap", [a_link, pytest.param(a_foreign_file, marks=needs_root)])
def test_a_link_or_a_foreign_file_is_refused_where_others_can_put_one(
    layout: Layout, name: str, trap: Callable[[Path], None]
) -> None:
    path: Path = getattr(layout, name)
    trap(path)
    assert prepare(layout) is False  # in a directory of our own, we have put it there ourselves
    layout.directory.chmod(0o1777)
    with pytest.raises(DirectoryUnusable, match=path.name):
        prepare(layout)
    with pytest.raises(DirectoryUnusable, match=path.name):
        open_file(path, os.O_RDWR | os.O_APPEND, shared=True)


def test_a_link_is_followed_in_a_directory_of_our_own(layout: Layout) -> None:
    a_link(layout.events)
    descriptor = open_file(layout.events, os.O_RDWR | os.O_APPEND, shared=False)
    os.write(descriptor, b" and more")
    os.close(descriptor)
    assert (layout.directory / "target").read_bytes() == b"mine and more"


def test_a_refused_file_leaves_no_descriptor_behind(layout: Layout) -> None:
    a_fifo(layout.events)
    probe = os.open(os.devnull, os.O_RDONLY)
    os.close(probe)
    for _ in range(3):
        with suppress(DirectoryUnusable):
            open_file(layout.events, os.O_RDWR, shared=False)
    again = os.open(os.devnull, os.O_RDONLY)
    os.close(again)
    assert again == probe


# -- owned -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pid", "who"), [("4711", r"\(pid 4711\)"), (None, "whose pid file is not there yet")])
def test_a_second_listener_is_told_who_owns_the_directory(layout: Layout, pid: str | None, who: str) -> None:
    with owned(layout):
        if pid:
            layout.pid.write_text(pid)
        with pytest.raises(DirectoryBusy, match=who) as failure, owned(layout):
            pass
    assert str(layout.directory) in failure.value.message
    assert failure.value.status == 75


def test_the_lock_goes_with_the_block_and_its_file_stays(layout: Layout) -> None:
    for _ in range(2):
        with owned(layout):
            inode = layout.lock.stat().st_ino
        assert layout.lock.stat().st_ino == inode
        assert layout.lock.read_bytes() == b""


def test_the_lock_goes_with_an_exception_too(layout: Layout) -> None:
    with pytest.raises(ZeroDivisionError), owned(layout):
        raise ZeroDivisionError
    with owned(layout):
        pass


def test_who_only_looks_does_not_keep_a_listener_from_starting(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    waited = []

    def the_look_ends(seconds: float) -> None:
        waited.append(seconds)
        fcntl.flock(descriptor, fcntl.LOCK_UN)

    monkeypatch.setattr("time.sleep", the_look_ends)
    with owned(layout):
        assert len(waited) == 1
    os.close(descriptor)


def test_a_lock_that_is_held_is_given_up_on_soon(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    with owned(layout), pytest.raises(DirectoryBusy), owned(layout):
        pass
    assert len(waited) >= 2
    assert sum(waited) < 1.0


def test_nothing_is_touched_while_another_listener_owns_the_directory(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    with owned(layout):
        layout.ws_id.write_text("live")
        before = {path: path.stat().st_mtime_ns for path in layout.directory.iterdir()}
        with suppress(DirectoryBusy), owned(layout):
            pass
        assert {path: path.stat().st_mtime_ns for path in layout.directory.iterdir()} == before
