"""Files as a recorder needs them: private, whole under their name, on the disk when they must be, never a trap.

Three dangers are met here, once for everybody.

A stranger. In a *shared* directory others can put files. A link there would have us write into what it names, a FIFO
would hang whoever opens it, a file of theirs would tell us lies. So what is opened is looked at once it is open, when
nobody can exchange it any more: a regular file, and in a shared directory no link, and ours. A hard link is ours and
regular: so what is written to has no other name there.

A half. Whoever reads a published file must find the old content or the new one. So it is written under a temporary
name, which rename(2) turns into the real one.

A power loss. Content, and the name that it goes by, reach the disk each for itself and in any order. Whoever needs
content under a name afterwards syncs the content first, then the directory.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import logging
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from videodb_listen.errors import DirectoryUnusable

_PRIVATE = 0o600
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_READ_BYTES = 1 << 16

_NOT_OURS = "a symlink, not a regular file, or someone else's"
_TRAPS = (errno.ELOOP, errno.ENXIO)
"""What open(2) fails with at a symlink that it is not to follow, and at a socket."""
LACKING = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})
"""How a file system says that it has no such call."""

_NO_MODES = LACKING | {errno.EPERM}

log = logging.getLogger(__name__)

# -- opening --


def open_private(path: Path, flags: int, *, shared: bool, keep_mode: bool = False) -> int:
    """A descriptor of the regular file at `path`, created 0600 whatever the umask.

    `shared`: others can write to its directory. A file of ours that was there gets 0600 as well, unless `keep_mode`:
    what it will hold is private. Raises DirectoryUnusable when it cannot be opened or is not to be trusted.
    """
    with explained(path):
        try:
            return _created(path, flags)
        except FileExistsError:
            descriptor = _opened(path, flags, shared=shared)
        status = os.fstat(descriptor)
        if objection := _objection(status, shared=shared):
            os.close(descriptor)
            raise _untrusted(path, objection)
        if status.st_uid == os.geteuid() and not keep_mode:
            _make_private(descriptor, _PRIVATE)
    return descriptor


def open_to_read(path: Path, *, shared: bool | None = None) -> int:
    """A descriptor for reading the regular file at `path`, which must be ours where its directory is `shared`.

    None: look whether it is. False: whose it is does not matter, since a person named this very file.
    Raises OSError: that of open(2), or EPERM for what is not trusted in a shared directory, or EINVAL for what is no
    regular file elsewhere.
    """
    if shared is None:
        shared = is_shared(path.parent, to_read=True)
    try:
        descriptor = _opened(path, os.O_RDONLY, shared=shared)
    except OSError as exc:
        raise (_planted(path) if shared and exc.errno in _TRAPS else exc) from None
    if _is_trusted(os.fstat(descriptor), shared=shared):
        return descriptor
    os.close(descriptor)
    raise _planted(path) if shared else OSError(errno.EINVAL, "not a regular file", str(path))


def read(path: Path) -> bytes:
    """The content of the regular file at `path`. Raises what open_to_read raises."""
    descriptor = open_to_read(path)
    try:
        return b"".join(iter(lambda: os.read(descriptor, _READ_BYTES), b""))
    finally:
        os.close(descriptor)


def _opened(path: Path, flags: int, *, shared: bool) -> int:
    """O_NONBLOCK: opening a FIFO that was planted in the file's place must not hang."""
    return os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK | (os.O_NOFOLLOW if shared else 0))


def _created(path: Path, flags: int) -> int:
    """A descriptor of a new file, 0600. Raises FileExistsError rather than open what is there, be it a link."""
    descriptor = _opened(path, flags | os.O_CREAT | os.O_EXCL, shared=False)
    _make_private(descriptor, _PRIVATE)  # open(2) took its mode from us and the umask
    return descriptor


def _make_private(file: int | Path, mode: int) -> None:
    with _if_it_can("set permissions", "others may read what is recorded", _NO_MODES):
        os.chmod(file, mode)  # noqa: PTH101  # a path, or a descriptor


# -- replacing --


@contextlib.contextmanager
def replacing(path: Path, *, alone: bool, synced: bool) -> Iterator[BinaryIO]:
    """A new file, 0600, that becomes `path` when the block ends; a block that fails leaves `path` as it was.

    `alone`: a lock makes us the only writer of `path`, so the temporary name is always the same, and what a crash left
    under it goes now. Otherwise it is one that nobody else has, and a crash leaves it for ever.
    `synced`: for content that is missed after a power loss; without it the name may come back with nothing in it.
    Raises OSError, which names `path`.
    """
    with _becoming(path, alone=alone, synced=synced) as descriptor, os.fdopen(descriptor, "wb", closefd=False) as file:
        yield file


def replace(path: Path, content: bytes, *, alone: bool, synced: bool) -> None:
    """Put `content` at `path` whole, 0600. The choices and errors are those of `replacing`."""
    with _becoming(path, alone=alone, synced=synced) as descriptor, _naming(path):
        write_all(descriptor, content)


@contextlib.contextmanager
def _becoming(path: Path, *, alone: bool, synced: bool) -> Iterator[int]:
    with _naming(path):
        temporary, descriptor = _new_beside(path, alone=alone)
    try:
        try:
            yield descriptor
            if synced:
                sync_content(descriptor)
        finally:
            os.close(descriptor)
        with _naming(path):
            temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _new_beside(path: Path, *, alone: bool) -> tuple[Path, int]:
    """The path and the descriptor of a new file in the directory of `path`; what `alone` means stands above.

    What somebody else put under the name that is always the same, and we may not remove, is passed by.
    """
    if alone:
        with contextlib.suppress(PermissionError, FileExistsError):
            always = path.with_name(f"{path.name}.tmp")
            always.unlink(missing_ok=True)
            return always, _created(always, os.O_WRONLY)
    temporary = path.with_name(f".videodb-listen-{os.urandom(8).hex()}.tmp")
    return temporary, _created(temporary, os.O_WRONLY)


def write_some(descriptor: int, data: bytes | memoryview) -> int:
    """Write as much of `data`, which is not empty, as the disk takes; its length. Raises OSError when that is nothing.

    write(2) may give 0 and no reason: whoever tried again at once would never stop.
    """
    if written := os.write(descriptor, data):
        return written
    raise OSError(errno.ENOSPC, "nothing was written, and no reason given")


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`, however little the disk takes at once. Raises OSError, also when it takes nothing at all."""
    rest = memoryview(data)
    while rest:
        rest = rest[write_some(descriptor, rest) :]


def ends_line(descriptor: int) -> bool:
    """Whether what is appended to the open file begins a line. Raises OSError."""
    size = os.fstat(descriptor).st_size
    return not size or os.pread(descriptor, 1, size - 1) == b"\n"


def newest_lines(descriptor: int, limit_bytes: int) -> bytes:
    """What begins a line within the last `limit_bytes` of the open file, to its end. Raises OSError."""
    start = max(0, os.fstat(descriptor).st_size - limit_bytes)
    newest = os.pread(descriptor, limit_bytes, start)
    return newest[newest.find(b"\n") + 1 :] if start else newest


def sync_content(descriptor: int) -> None:
    """Force what was written to `descriptor` onto the disk; fsync where the platform, macOS, has nothing less."""
    with _if_it_can("sync a file", "a power loss takes what the system has not written yet"):
        (os.fdatasync if hasattr(os, "fdatasync") else os.fsync)(descriptor)


def sync_directory(directory: Path) -> None:
    """Force new names in `directory` onto the disk: without it a power loss can take a file whose content was synced.

    Raises OSError.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with _if_it_can("sync a directory", "a power loss may take a new file"):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


# -- directories --


def make_directories(directory: Path) -> None:
    """Make every missing part of the path, 0700 as the XDG base directory specification asks. Raises OSError."""
    missing = []
    for part in (directory, *directory.parents):
        if part.exists():
            break
        missing.append(part)
    for part in reversed(missing):
        with contextlib.suppress(FileExistsError):
            part.mkdir(0o700)
            _make_private(part, 0o700)  # the umask may have taken our own bits
            with contextlib.suppress(OSError):  # a parent that we may not read; nothing is in the directory yet
                sync_directory(part.parent)
    if not directory.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(directory))


def make_private_directory(directory: Path) -> None:
    """Make `directory` in its parent, if it is not there, and be certain that nobody else can put a file into it.

    In a shared parent somebody may have made it before us, to have us write through what is in it. Raises OSError, and
    DirectoryUnusable when it is no directory of ours or others can write to it.
    """
    directory.mkdir(mode=0o700, exist_ok=True)
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & _OTHERS_WRITE:
        raise DirectoryUnusable(
            f"{directory} is not a directory of yours that nobody else can write to",
            fix="remove it, or use a directory of your own",
        )


def is_shared(directory: Path, *, to_read: bool = False) -> bool:
    """Whether someone else may put files into `directory` (root may anywhere, and is trusted). Raises OSError.

    `to_read`: root, who looks at what a user has recorded, believes the owner of the directory.
    """
    status = directory.stat()
    is_theirs = status.st_uid not in (os.geteuid(), 0) and not (to_read and os.geteuid() == 0)
    return is_theirs or bool(status.st_mode & _OTHERS_WRITE)


# -- what is there already --


def refuse_trap(path: Path, *, shared: bool) -> None:
    """Raise DirectoryUnusable for what stands in the place of a file of ours, before anything is written through it.

    Nothing there is fine. In a directory that is not `shared` a link is our own. Raises OSError when we may not look.
    """
    with contextlib.suppress(FileNotFoundError):
        if objection := _objection(path.lstat() if shared else path.stat(), shared=shared):
            raise _untrusted(path, objection)


def refuse_special(path: Path, *, fix: str) -> None:
    """Raise DirectoryUnusable for a directory, device, pipe or link: a rename would put a file in its place.

    Nothing there is fine. Raises OSError when we may not look.
    """
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise DirectoryUnusable(f"{path} is not a regular file", fix=fix)


def trusted_in(directory: Path, is_wanted: Callable[[str], object], *, to_read: bool = False) -> list[Path]:
    """The regular files in `directory` with a name that is wanted; where it is shared, only ours. Raises OSError.

    What anybody can put there under a name of ours is passed over: it must not stop those who look. `to_read` is that
    of is_shared.
    """
    shared = is_shared(directory, to_read=to_read)
    return [path for path in directory.iterdir() if is_wanted(path.name) and is_trusted(path, shared=shared)]


def is_trusted(path: Path, *, shared: bool) -> bool:
    """Whether `path` is a regular file, and where its directory is `shared` no link, and ours."""
    try:
        return _is_trusted(path.lstat() if shared else path.stat(), shared=shared)
    except OSError:
        return False


def is_strangers(file: Path | int) -> bool:
    """Whether someone else decides what is in `file`: everyone can write to it, or it is not ours. Raises OSError."""
    status = file.stat() if isinstance(file, Path) else os.fstat(file)
    return bool(status.st_mode & stat.S_IWOTH) or status.st_uid != os.geteuid()


def _is_trusted(status: os.stat_result, *, shared: bool) -> bool:
    return stat.S_ISREG(status.st_mode) and (not shared or status.st_uid == os.geteuid())


def _objection(status: os.stat_result, *, shared: bool) -> str | None:
    """Why a file with this status must not be written to, None when it may be."""
    if not _is_trusted(status, shared=shared):
        return _NOT_OURS
    return "a hard link, which writes to whatever else it names" if shared and status.st_nlink > 1 else None


def _untrusted(path: Path, objection: str) -> DirectoryUnusable:
    return DirectoryUnusable(f"{path} is {objection}", fix="remove it or choose another directory")


def _planted(path: Path) -> OSError:
    return OSError(errno.EPERM, f"it is {_NOT_OURS}, in a directory that others can write to", str(path))


# -- errors --


@contextlib.contextmanager
def _if_it_can(what: str, consequence: str, lacking: frozenset[int] = LACKING) -> Iterator[None]:
    """Go on where a file system lacks a call that no other promise depends on; that is said once."""
    try:
        yield
    except OSError as exc:
        if exc.errno not in lacking:
            raise
        _say_once(f"this file system cannot {what} ({exc.strerror}): {consequence}")


@functools.cache
def _say_once(message: str) -> None:
    log.warning(message)


@contextlib.contextmanager
def explained(
    where: Path | str, problem: str = "", *, fix: str = "choose a directory that you can write to"
) -> Iterator[None]:
    """Turn an OSError of the block into DirectoryUnusable: what it names, else `where`; `problem`; its reason.

    BrokenPipeError passes: it is about whoever reads our output, never about a file.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as exc:
        what = f"{exc.filename or where} {problem}".rstrip()
        raise DirectoryUnusable(f"{what}: {exc.strerror or exc}", fix=fix) from None


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Have an OSError of the block name `path`, the file that is meant, and not a temporary one."""
    try:
        yield
    except OSError as exc:
        raise OSError(exc.errno, exc.strerror, str(path)) from None
