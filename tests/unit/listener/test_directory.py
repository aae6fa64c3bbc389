"""The state directory: made, refused when it cannot be trusted, owned by one."""

import os
import stat
from contextlib import suppress
from pathlib import Path

import pytest

from support.someone_else import as_nobody, in_child
from videodb_listen.errors import DirectoryBusy, DirectoryUnusable
from videodb_listen.listener.directory import owned, prepare
from videodb_listen.paths import Layout

IN_PLACE = ("events", "ws_id", "pid", "state", "journal", "lock", "log")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# -- prepared --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [0, 0o022, 0o777])
def test_a_missing_directory_is_private_and_so_is_its_lock_whatever_the_umask(open_to_all: Path, mask: int) -> None:
    open_to_all.chmod(0o777)
    layout = Layout(open_to_all / "a" / "b")

    def work() -> bool:
        as_nobody()
        os.umask(mask)
        with owned(layout) as owner:
            return owner.shared

    assert in_child(work) is False
    assert [mode(path) for path in (open_to_all / "a", layout.directory, layout.lock)] == [0o700, 0o700, 0o600]


def test_a_directory_that_cannot_be_created_is_named(open_to_all: Path) -> None:
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


def test_a_directory_that_cannot_be_written_to_is_refused(open_to_all: Path) -> None:
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


def test_a_directory_may_be_reached_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert prepare(Layout(tmp_path / "link")) is False


@pytest.mark.parametrize(("bits", "shared"), [(0o700, False), (0o1777, True)])
def test_an_owner_knows_whether_others_can_write_to_the_directory(layout: Layout, bits: int, shared: bool) -> None:
    layout.directory.chmod(bits)
    assert prepare(layout) is shared
    with owned(layout) as owner:
        assert owner.shared is shared


@pytest.mark.parametrize("name", IN_PLACE)
@pytest.mark.parametrize("bits", [0o700, 0o1777])
def test_a_fifo_in_place_of_any_of_our_files_is_refused(layout: Layout, name: str, bits: int) -> None:
    path: Path = getattr(layout, name)
    os.mkfifo(path)
    layout.directory.chmod(bits)
    with pytest.raises(DirectoryUnusable, match=f"{path.name} is a symlink, not a regular file, or someone else's"):
        prepare(layout)


@pytest.mark.parametrize("name", IN_PLACE)
def test_a_link_in_place_of_any_of_our_files_is_refused_where_others_can_put_one(layout: Layout, name: str) -> None:
    path: Path = getattr(layout, name)
    target = layout.directory / "target"
    target.touch()
    path.symlink_to(target)
    assert prepare(layout) is False  # in a directory of our own, we have put it there ourselves
    layout.directory.chmod(0o1777)
    with pytest.raises(DirectoryUnusable, match=path.name):
        prepare(layout)


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


def test_a_lock_that_is_there_is_not_renewed(layout: Layout) -> None:
    with owned(layout) as owner:
        assert not owner.renew_if_removed()


@pytest.mark.parametrize("what", ["the lock", "the directory"])
def test_what_was_removed_is_made_anew_and_owned_again(tmp_path: Path, what: str) -> None:
    layout = Layout(tmp_path / "state")
    with owned(layout) as owner:
        layout.lock.unlink()
        if what == "the directory":
            layout.directory.rmdir()
        assert owner.renew_if_removed()
        with pytest.raises(DirectoryBusy), owned(layout):
            pass


def test_an_owner_that_comes_too_late_to_renew_keeps_the_lock_it_had(layout: Layout) -> None:
    with owned(layout) as owner:
        layout.lock.unlink()
        with owned(layout), pytest.raises(DirectoryBusy):
            owner.renew_if_removed()
        assert owner.renew_if_removed()
