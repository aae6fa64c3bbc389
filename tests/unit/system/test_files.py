"""Files: private, whole under their name, and never a trap."""

import errno
import os
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from support.someone_else import as_nobody, give_away, in_child, needs_root
from videodb_listen.errors import DirectoryUnusable
from videodb_listen.system import files

BOTH = os.O_RDWR | os.O_APPEND


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def free_number() -> int:
    """The number that the next descriptor will get: the same again where none was left open."""
    probe = os.open(os.devnull, os.O_RDONLY)
    os.close(probe)
    return probe


# -- traps


def a_fifo(path: Path) -> None:
    os.mkfifo(path, 0o666)


def a_directory(path: Path) -> None:
    path.mkdir()


def a_link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/null")


def a_link(path: Path) -> None:
    target = path.parent / "target"
    target.write_bytes(b"mine")
    path.symlink_to(target)


def a_foreign_file(path: Path) -> None:
    path.touch()
    give_away(path)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(path.parent)  # such an address is short
        listening.bind(path.name)


SPECIAL = [a_fifo, a_directory, a_link_to_a_device, a_socket]
OF_OTHERS = [a_link, pytest.param(a_foreign_file, marks=needs_root)]
Trap = Callable[[Path], None]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A name in a private directory."""
    monkeypatch.chdir(Path.cwd())  # back there afterwards
    tmp_path.chmod(0o700)
    return tmp_path / "it"


@pytest.mark.parametrize("trap", SPECIAL)
@pytest.mark.parametrize("shared", [False, True])
def test_what_is_no_regular_file_is_refused_everywhere(path: Path, trap: Trap, shared: bool) -> None:
    trap(path)
    with pytest.raises(DirectoryUnusable, match="it is a symlink, not a regular file, or someone else's"):
        files.refuse_trap(path, shared=shared)
    with pytest.raises(DirectoryUnusable, match="it"):
        files.open_private(path, BOTH, shared=shared)  # it may have come later
    with pytest.raises(OSError, match="it"):
        files.open_to_read(path, shared=shared)


@pytest.mark.parametrize("trap", OF_OTHERS)
def test_a_link_or_a_foreign_file_is_refused_where_others_can_put_one(path: Path, trap: Trap) -> None:
    trap(path)
    with pytest.raises(DirectoryUnusable, match="it is a symlink"):
        files.refuse_trap(path, shared=True)
    with pytest.raises(DirectoryUnusable, match="it"):
        files.open_private(path, BOTH, shared=True)
    with pytest.raises(OSError, match="it"):
        files.open_to_read(path, shared=True)


@pytest.mark.parametrize("trap", OF_OTHERS)
def test_in_a_directory_of_our_own_we_have_put_them_there_ourselves(path: Path, trap: Trap) -> None:
    trap(path)
    files.refuse_trap(path, shared=False)
    os.close(files.open_private(path, BOTH, shared=False))
    os.close(files.open_to_read(path))


@pytest.mark.parametrize("trap", [*SPECIAL, *OF_OTHERS])
def test_a_trap_in_a_shared_directory_is_refused_to_who_reads_without_asking_first(path: Path, trap: Trap) -> None:
    trap(path)
    path.parent.chmod(0o1777)
    with pytest.raises(PermissionError, match="it is a symlink, not a regular file, or someone else's, in a directory"):
        files.read(path)
    assert not files.is_trusted(path, shared=True)
    assert files.trusted_in(path.parent, "it".__eq__) == []


@needs_root
def test_a_file_that_a_person_names_may_be_anybodys(path: Path) -> None:
    a_foreign_file(path)
    path.parent.chmod(0o1777)
    os.close(files.open_to_read(path, shared=False))


def test_a_hard_link_is_refused_to_who_writes_where_others_can_put_one(path: Path) -> None:
    victim = path.with_name("victim")
    victim.write_bytes(b"precious")
    path.hardlink_to(victim)
    victim.chmod(0o640)
    with pytest.raises(DirectoryUnusable, match="it is a hard link"):
        files.refuse_trap(path, shared=True)
    with pytest.raises(DirectoryUnusable, match="it is a hard link"):
        files.open_private(path, BOTH, shared=True)
    assert mode(victim) == 0o640
    files.refuse_trap(path, shared=False)
    os.close(files.open_private(path, BOTH, shared=False))


def test_nothing_is_no_trap(path: Path) -> None:
    files.refuse_trap(path, shared=True)
    files.refuse_special(path, fix="")


@pytest.mark.parametrize("trap", [*SPECIAL, a_link])
def test_what_a_rename_would_put_a_file_in_place_of_is_refused(path: Path, trap: Trap) -> None:
    trap(path)
    with pytest.raises(DirectoryUnusable, match="it is not a regular file") as failure:
        files.refuse_special(path, fix="name another one")
    assert failure.value.fix == "name another one"


def test_a_refused_file_leaves_no_descriptor_behind(path: Path) -> None:
    a_fifo(path)
    before = free_number()
    for _ in range(3):
        with suppress(DirectoryUnusable):
            files.open_private(path, os.O_RDWR, shared=False)
        with suppress(OSError):
            files.open_to_read(path)
    assert free_number() == before


# -- opened


@pytest.mark.parametrize("mask", [0, 0o022, 0o777])
def test_a_new_file_is_private_whatever_the_umask(path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        os.close(files.open_private(path, BOTH, shared=False))
        files.replace(path.with_name("other"), b"", alone=True, synced=False)
    finally:
        os.umask(before)
    assert (mode(path), mode(path.with_name("other"))) == (0o600, 0o600)


@pytest.mark.parametrize(("keep_mode", "bits"), [(False, 0o600), (True, 0o640)])
def test_a_file_that_is_there_becomes_private_unless_it_is_to_keep_its_mode(
    path: Path, keep_mode: bool, bits: int
) -> None:
    path.touch()
    path.chmod(0o640)
    os.close(files.open_private(path, os.O_RDWR, shared=False, keep_mode=keep_mode))
    assert mode(path) == bits


def test_opening_a_file_neither_truncates_nor_is_inherited(path: Path) -> None:
    path.write_bytes(b"kept")
    descriptor = files.open_private(path, BOTH, shared=False)
    try:
        assert not os.get_inheritable(descriptor)
        os.write(descriptor, b", and more")
    finally:
        os.close(descriptor)
    assert files.read(path) == b"kept, and more"


def test_a_file_is_read_whole_however_large(path: Path) -> None:
    content = b"0123456789" * 50_000
    path.write_bytes(content)
    assert files.read(path) == content


def test_reading_what_is_not_there_says_so(path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="it"):
        files.read(path)


# -- replaced


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("synced", [False, True])
def test_a_reader_that_has_a_file_open_never_sees_half_of_the_next(path: Path, alone: bool, synced: bool) -> None:
    path.write_bytes(b"the first and longer one")
    with path.open("rb") as reading:
        files.replace(path, b"second", alone=alone, synced=synced)
        assert reading.read() == b"the first and longer one"
    assert path.read_bytes() == b"second"
    assert [entry.name for entry in path.parent.iterdir()] == ["it"]


def test_content_is_on_the_disk_before_it_gets_its_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there_at_sync: list[bool] = []
    monkeypatch.setattr(os, "fdatasync", lambda _: there_at_sync.append(path.exists()))
    files.replace(path, b"content", alone=True, synced=False)
    path.unlink()
    files.replace(path, b"content", alone=True, synced=True)
    assert there_at_sync == [False]


@pytest.mark.parametrize("alone", [False, True])
def test_a_block_that_fails_leaves_the_file_as_it_was_and_nothing_beside_it(path: Path, alone: bool) -> None:
    path.write_bytes(b"before")
    with pytest.raises(TypeError), files.replacing(path, alone=alone, synced=True) as file:
        file.writelines([b"half of what", None])  # type: ignore[list-item]
    assert path.read_bytes() == b"before"
    assert [entry.name for entry in path.parent.iterdir()] == ["it"]


def test_what_a_crash_left_under_the_temporary_name_is_removed_and_not_written_through(path: Path) -> None:
    victim = path.with_name("victim")
    victim.write_bytes(b"mine")
    path.with_name("it.tmp").symlink_to(victim)
    files.replace(path, b"content", alone=True, synced=False)
    assert victim.read_bytes() == b"mine"
    assert not path.is_symlink()
    assert path.read_bytes() == b"content"


@needs_root
def test_what_somebody_planted_under_the_temporary_name_is_no_obstacle(open_to_all: Path) -> None:
    path = open_to_all / "it"
    open_to_all.chmod(0o1777)
    path.with_name("it.tmp").touch()

    def work() -> str:
        as_nobody()
        files.replace(path, b"ours", alone=True, synced=False)
        return path.read_text()

    assert in_child(work) == "ours"
    assert sorted(each.name for each in open_to_all.iterdir()) == ["it", "it.tmp"]


def test_two_that_replace_one_file_do_not_get_into_each_other_s_way(path: Path) -> None:
    with (
        files.replacing(path, alone=False, synced=False) as one,
        files.replacing(path, alone=False, synced=False) as two,
    ):
        one.write(b"one")
        two.write(b"two")
    assert path.read_bytes() == b"one"  # the outer block ends last


@pytest.mark.parametrize("alone", [False, True])
def test_trouble_names_the_file_that_is_meant(tmp_path: Path, alone: bool) -> None:
    path = tmp_path / "nowhere" / "it"
    with pytest.raises(FileNotFoundError) as failure:
        files.replace(path, b"", alone=alone, synced=False)
    assert failure.value.filename == str(path)


def test_a_short_write_is_completed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:2]))
    files.replace(path, b"content", alone=True, synced=False)
    assert path.read_bytes() == b"content"


@pytest.mark.parametrize(("content", "whole"), [(b"", True), (b"a\n", True), (b"a", False), (b"a\nb", False)])
def test_a_file_ends_with_a_line_or_without_one(path: Path, content: bytes, whole: bool) -> None:
    path.write_bytes(content)
    with path.open("rb") as file:
        assert files.ends_line(file.fileno()) is whole


@pytest.mark.parametrize(
    ("limit", "newest"),
    [(1, b""), (2, b""), (3, b"c\n"), (5, b"c\n"), (6, b"bb\nc\n"), (7, b"a\nbb\nc\n"), (9, b"a\nbb\nc\n")],
)
def test_the_newest_lines_are_whole(path: Path, limit: int, newest: bytes) -> None:
    path.write_bytes(b"a\nbb\nc\n")
    with path.open("rb") as file:
        assert files.newest_lines(file.fileno(), limit) == newest


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(files.log, "warning", said.append)
    files._say_once.cache_clear()
    return said


def lacking(number: int) -> Callable[..., None]:
    def call(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return call


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM])
def test_a_file_system_without_permissions_is_used_and_that_is_said_once(
    path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str], number: int
) -> None:
    monkeypatch.setattr(os, "chmod", lacking(number))
    for _ in range(3):
        os.close(files.open_private(path, os.O_RDWR, shared=False))
    files.make_directories(path.parent / "a" / "b")
    assert len(said) == 1
    assert "set permissions" in said[0]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_that_syncs_nothing_is_used_and_that_is_said_once(
    path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str], number: int
) -> None:
    monkeypatch.setattr(os, "fsync", lacking(number))
    monkeypatch.setattr(os, "fdatasync", lacking(number))
    for _ in range(3):
        files.replace(path, b"x", alone=True, synced=True)
        files.sync_directory(path.parent)
    assert [message.split(" (")[0] for message in said] == [
        "this file system cannot sync a file",
        "this file system cannot sync a directory",
    ]


@pytest.mark.parametrize("call", ["fsync", "chmod"])
def test_an_io_error_is_no_lack(path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    monkeypatch.setattr(os, call, lacking(errno.EIO))
    with pytest.raises((OSError, DirectoryUnusable), match="Input/output error"):
        files.sync_directory(path.parent) if call == "fsync" else files.open_private(path, os.O_RDWR, shared=False)


def test_a_disk_that_takes_nothing_and_gives_no_reason_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "write", lambda *_: 0)
    with pytest.raises(OSError, match="nothing was written"):
        files.replace(path, b"content", alone=True, synced=False)
    assert not path.exists()


# -- directories


@pytest.mark.parametrize("mask", [0, 0o022, 0o777])
def test_every_missing_directory_is_private_whatever_the_umask(open_to_all: Path, mask: int) -> None:
    open_to_all.chmod(0o777)

    def work() -> None:
        as_nobody()
        os.umask(mask)
        files.make_directories(open_to_all / "a" / "b" / "c")

    in_child(work)
    assert [mode(open_to_all / part) for part in ("a", "a/b", "a/b/c")] == [0o700] * 3


def test_a_new_directory_s_name_is_forced_onto_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(Path(f"/proc/self/fd/{number}").readlink()))
    files.make_directories(tmp_path / "a" / "b")
    assert synced == [tmp_path, tmp_path / "a"]


def test_a_directory_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    files.make_directories(tmp_path)
    assert mode(tmp_path) == 0o750


def a_file(path: Path) -> None:
    path.touch()


def a_link_to_nowhere(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize("thing", [a_file, a_link_to_nowhere])
def test_something_else_in_place_of_a_directory_is_said(path: Path, thing: Trap) -> None:
    thing(path)
    with pytest.raises(NotADirectoryError, match="Not a directory"):
        files.make_directories(path)


@pytest.mark.parametrize(
    ("bits", "shared"), [(0o700, False), (0o755, False), (0o720, True), (0o702, True), (0o1777, True), (0o775, True)]
)
def test_a_directory_is_shared_when_others_can_write_to_it(tmp_path: Path, bits: int, shared: bool) -> None:
    tmp_path.chmod(bits)
    assert files.is_shared(tmp_path) is shared


@needs_root
def test_a_directory_of_someone_else_is_shared_and_one_of_root_is_not(open_to_all: Path) -> None:
    theirs, roots = open_to_all / "theirs", open_to_all / "roots"
    for directory in (theirs, roots):
        directory.mkdir(0o755)
    give_away(theirs)

    def work() -> list[bool]:
        as_nobody()
        return [files.is_shared(theirs), files.is_shared(roots)]

    assert files.is_shared(theirs)
    assert in_child(work) == [True, False]


@needs_root
def test_root_who_only_reads_believes_the_owner_of_a_directory_and_nobody_else_does(open_to_all: Path) -> None:
    theirs = open_to_all / "theirs"
    theirs.mkdir(0o755)
    (theirs / "it").write_text("theirs")
    for path in (theirs, theirs / "it"):
        give_away(path)

    def work() -> str:
        as_nobody()
        try:
            return files.read(theirs / "it").decode()
        except PermissionError as exc:
            return str(exc.strerror)

    assert files.read(theirs / "it") == b"theirs"
    assert "someone else's" in in_child(work)
    theirs.chmod(0o757)
    with pytest.raises(PermissionError):
        files.read(theirs / "it")


def open_for_all(path: Path) -> None:
    path.mkdir()
    path.chmod(0o777)


def a_foreign_directory(path: Path) -> None:
    path.mkdir(0o755)
    give_away(path)


def a_link_to_a_directory(path: Path) -> None:
    path.with_name("real").mkdir(0o700)
    path.symlink_to("real")


@pytest.mark.parametrize(
    "trap", [open_for_all, a_link_to_a_directory, pytest.param(a_foreign_directory, marks=needs_root)]
)
def test_a_directory_that_others_may_have_made_for_us_is_refused(path: Path, trap: Trap) -> None:
    trap(path)
    with pytest.raises(DirectoryUnusable, match="is not a directory of yours"):
        files.make_private_directory(path)


def test_a_private_directory_is_made_once(path: Path) -> None:
    for _ in range(2):
        files.make_private_directory(path)
    assert mode(path) == 0o700


# -- strangers and errors


def a_private_file(path: Path) -> None:
    path.touch(0o600)


def a_file_that_everyone_can_write_to(path: Path) -> None:
    path.touch()
    path.chmod(0o602)


@pytest.mark.parametrize(
    ("make", "strangers"),
    [
        (a_private_file, False),
        (a_file_that_everyone_can_write_to, True),
        pytest.param(a_foreign_file, True, marks=needs_root),
    ],
)
def test_a_file_is_a_stranger_s_when_someone_else_decides_what_is_in_it(
    path: Path, make: Trap, strangers: bool
) -> None:
    make(path)
    assert files.is_strangers(path) is strangers


@pytest.mark.parametrize(
    ("error", "problem", "message"),
    [
        (FileNotFoundError(2, "No such file", "/d/f"), "", "/d/f: No such file"),
        (OSError(28, "No space left"), "", "/d: No space left"),
        (OSError(28, "No space left"), "cannot be written", "/d cannot be written: No space left"),
        (OSError("a reason"), "", "/d: a reason"),
    ],
)
def test_an_error_of_the_system_says_where_what_and_why(error: OSError, problem: str, message: str) -> None:
    with pytest.raises(DirectoryUnusable) as failure, files.explained("/d", problem, fix="make room"):
        raise error
    assert (failure.value.message, failure.value.fix) == (message, "make room")


def test_a_reader_that_left_is_no_trouble_with_a_file() -> None:
    with pytest.raises(BrokenPipeError), files.explained("/d"):
        raise BrokenPipeError
