"""What a simulated process sees of the operating system: its machine's clocks and disk, and signals of its own.

`installed()` puts functions in the place of those of `os`, `time`, `signal`, `io` and `fcntl`. They act on behalf of
the process that runs (`running`); for everybody else, and for every path outside of ROOT, they are the real ones.
A process that was killed gets nothing done any more: whatever it still calls raises Off.
"""

from __future__ import annotations

import builtins
import contextlib
import errno
import fcntl
import glob
import io
import itertools
import os
import signal
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from unittest import mock

from faults.simulation.disk import ROOT, Disk, OpenFile, failure

if TYPE_CHECKING:
    from faults.simulation.machine import Machine, Process

Call = Callable[..., Any]

_FIRST = 1 << 20  # no real descriptor is as large as those of the simulation

running: Process | None = None
"""The process whose code is being run; None while the world or a test runs."""

machines: dict[str, Machine] = {}
_files: dict[int, OpenFile] = {}
_numbers = itertools.count(_FIRST + 1)


class Off(SystemExit):
    """The process does not run on from here: it was killed, or the world has to go on first.

    A SystemExit, since that alone passes through asyncio's handles and tasks at once.
    """


def leave(process: Process) -> None:
    """Close every file of a process that has ended."""
    for number in [number for number, file in _files.items() if file.owner is process]:
        _close(number)


def _disk(path: str) -> Disk:
    if running is not None and not running.alive:
        raise Off
    return machines[path[len(ROOT) :].split("/", 1)[0]].disk


def _file(number: int) -> OpenFile:
    if running is not None and not running.alive:
        raise Off
    if number not in _files:
        raise failure(errno.EBADF, str(number))
    return _files[number]


def _ours(path: Any) -> str | None:
    """`path` as text when it is on a simulated disk, else None."""
    text = path if type(path) is str else os.fspath(path) if hasattr(path, "__fspath__") else None
    return text if type(text) is str and text.startswith(ROOT) else None


def _new(file: OpenFile) -> int:
    number = next(_numbers)  # never one that was used before: a dead process must not reach another's file
    _files[number] = file
    return number


# -- system calls on paths --


def _open(path: str, flags: int, mode: int = 0o777, **_: Any) -> int:
    return _new(_disk(path).open(path, flags, mode, running))


def _stat(path: str, **_: Any) -> os.stat_result:
    return _disk(path).find(path).status()


def _rename(source: str, target: Any, **_: Any) -> None:
    _disk(source).rename(source, os.fspath(target))


def _list(path: str = ".") -> list[str]:
    inode = _disk(path).find(path)
    if inode.names is None:
        raise failure(errno.ENOTDIR, path)
    return list(inode.names)


def _chmod(path: str, mode: int, **_: Any) -> None:
    inode = _disk(path).find(path)
    inode.mode = stat.S_IFMT(inode.mode) | mode


class _Entry:
    """What scandir yields."""

    def __init__(self, directory: str, name: str) -> None:
        self.name, self.path = name, f"{directory}/{name}"

    def __fspath__(self) -> str:
        return self.path

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return stat.S_ISDIR(_stat(self.path).st_mode)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        return not self.is_dir()

    def is_symlink(self) -> bool:
        return False


@contextlib.contextmanager
def _scan(path: str = ".") -> Iterator[Iterator[_Entry]]:
    yield iter([_Entry(path, name) for name in _list(path)])


# -- system calls on descriptors --


def _read(number: int, size: int) -> bytes:
    file = _file(number)
    data = bytes(file.inode.data[file.offset : file.offset + size])
    file.offset += len(data)
    return data


def _pread(number: int, size: int, offset: int) -> bytes:
    return bytes(_file(number).inode.data[offset : offset + size])


def _write(number: int, data: bytes) -> int:
    file = _file(number)
    return file.disk.write(file, data)


def _pwrite(number: int, data: bytes, offset: int) -> int:
    file = _file(number)
    return file.disk.write(file, data, offset)


def _seek(number: int, offset: int, whence: int = os.SEEK_SET) -> int:
    file = _file(number)
    start = {os.SEEK_SET: 0, os.SEEK_CUR: file.offset, os.SEEK_END: len(file.inode.data)}[whence]
    file.offset = start + offset
    return file.offset


def _truncate(number: int, size: int) -> None:
    file = _file(number)
    file.disk.truncate(file.inode, file.path, size)


def _fchmod(number: int, mode: int) -> None:
    inode = _file(number).inode
    inode.mode = stat.S_IFMT(inode.mode) | mode


def _sync(number: int) -> None:
    file = _file(number)
    file.disk.sync(file)


def _dup(number: int) -> int:
    file = _file(number)
    file.descriptors += 1
    return _new(file)


def _close(number: int) -> None:
    file = _files.pop(number, None)
    if file is None:
        raise failure(errno.EBADF, str(number))
    file.disk.close(file)


def _flock(number: int, operation: int) -> None:
    file = _file(number)
    file.disk.lock(file, operation)


def _fcntl(number: int, command: int, argument: int = 0) -> int:
    assert command == fcntl.F_GETFL, "the simulation knows no other fcntl(2)"
    return _file(number).flags


class _Raw(io.RawIOBase):
    """A file object on a descriptor of the simulation."""

    def __init__(self, number: int, *, closes: bool) -> None:
        self._number = number
        self._closes = closes

    def fileno(self) -> int:
        return self._number

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return _seek(self._number, offset, whence)

    def readinto(self, buffer: Any, /) -> int:
        data = _read(self._number, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: Any, /) -> int:
        return _write(self._number, bytes(data))

    def close(self) -> None:
        if self._closes and not self.closed and self._number in _files:
            _close(self._number)
        super().close()


_MODES = {
    "r": os.O_RDONLY,
    "w": os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
    "a": os.O_WRONLY | os.O_CREAT | os.O_APPEND,
    "x": os.O_WRONLY | os.O_CREAT | os.O_EXCL,
}


def _open_object(
    file: Any, mode: str = "r", buffering: int = -1, encoding: str | None = None, *rest: Any, closefd: bool = True
) -> Any:
    """open(3) for a path or a descriptor of the simulation."""
    number = file if isinstance(file, int) else _open(file, _MODES[mode[0]], 0o666)
    raw = _Raw(number, closes=closefd)
    if "b" in mode and buffering == 0:
        return raw
    buffered: Any = io.BufferedReader(raw) if mode[0] == "r" else io.BufferedWriter(raw)
    return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding or "utf-8", *rest)


# -- time and signals --


def wall() -> float:
    """Unix seconds as the running process sees them, else the real ones."""
    return _real_time() if running is None else running.machine.wall()


def monotonic() -> float:
    """Monotonic seconds as the running process sees them, else the real ones."""
    return _real_monotonic() if running is None else running.machine.monotonic()


def sleep(seconds: float) -> None:
    """Block the running process, else really sleep."""
    if running is None:
        _real_sleep(seconds)
    else:
        running.block(seconds)


def _signal(number: int, handler: Any) -> Any:
    if running is None:
        return _real_signal(number, handler)
    before = running.handlers.get(number, signal.SIG_DFL)
    running.handlers[number] = handler
    return before


def _getsignal(number: int) -> Any:
    return _real_getsignal(number) if running is None else running.handlers.get(number, signal.SIG_DFL)


def _forbidden(real: Call, what: str) -> Call:
    def call(*args: Any, **options: Any) -> Any:
        assert running is None, f"a simulated process cannot have {what}: the simulation would not know of it"
        return real(*args, **options)

    return call


def _getpid() -> int:
    return _real_getpid() if running is None else running.pid


_real_time, _real_monotonic, _real_sleep, _real_getpid = time.time, time.monotonic, time.sleep, os.getpid
_real_signal, _real_getsignal = signal.signal, signal.getsignal

CLOCKS: dict[Any, Call] = {_real_time: wall, _real_monotonic: monotonic, _real_sleep: sleep}
"""What to put where one of the real ones was taken for a default argument, before `installed`."""

# -- putting it in place --

_ON_PATHS: dict[str, Call] = {
    "open": _open,
    "stat": _stat,
    "lstat": _stat,
    "listdir": _list,
    "scandir": _scan,
    "unlink": lambda path, **_: _disk(path).unlink(path),
    "remove": lambda path, **_: _disk(path).unlink(path),
    "rename": _rename,
    "replace": _rename,
    "mkdir": lambda path, mode=0o777, **_: _disk(path).make_directory(path, mode),
    "rmdir": lambda path, **_: _disk(path).remove_directory(path),
    "chmod": _chmod,
    "utime": lambda path, *_, **__: None,
}
_BY_NUMBER: dict[str, Call] = {"chmod": _fchmod}  # of those, what takes a descriptor as well
_ON_DESCRIPTORS: dict[str, Call] = {
    "read": _read,
    "pread": _pread,
    "write": _write,
    "pwrite": _pwrite,
    "lseek": _seek,
    "fstat": lambda number: _file(number).inode.status(),
    "ftruncate": _truncate,
    "fchmod": _fchmod,
    "fsync": _sync,
    "fdatasync": _sync,
    "dup": _dup,
    "close": _close,
}
_PLAIN: list[tuple[Any, str, Call]] = [
    (time, "time", wall),
    (time, "monotonic", monotonic),
    (time, "sleep", sleep),
    (signal, "signal", _signal),
    (signal, "getsignal", _getsignal),
    (os, "getpid", _getpid),
    (threading.Thread, "start", _forbidden(threading.Thread.start, "a thread")),
    (socket, "create_connection", _forbidden(socket.create_connection, "a blocking socket")),
    (socket, "getaddrinfo", _forbidden(socket.getaddrinfo, "a blocking look-up")),
]


_KEEP_SCANDIR = [kept for kept in vars(glob).values() if getattr(kept, "scandir", None) is os.scandir]
"""Where Python 3.13 and later keep what they found when they were loaded."""


def _by_path(real: Call, simulated: Call, by_number: Call | None = None) -> Call:
    def call(path: Any = ".", *args: Any, **options: Any) -> Any:
        if by_number is not None and type(path) is int and path > _FIRST:
            return by_number(path, *args, **options)
        ours = None if type(path) is int else _ours(path)
        return real(path, *args, **options) if ours is None else simulated(ours, *args, **options)

    return call


def _by_descriptor(real: Call, simulated: Call) -> Call:
    def call(number: Any, *args: Any, **options: Any) -> Any:
        ours = type(number) is int and number > _FIRST
        return simulated(number, *args, **options) if ours else real(number, *args, **options)

    return call


def _by_either(real: Call, simulated: Call) -> Call:
    by_path, by_descriptor = _by_path(real, simulated), _by_descriptor(real, simulated)

    def call(file: Any, *args: Any, **options: Any) -> Any:
        return (by_descriptor if type(file) is int else by_path)(file, *args, **options)

    return call


@contextlib.contextmanager
def installed() -> Iterator[None]:
    """Put the simulated system calls in place for the length of the block."""
    with contextlib.ExitStack() as stack:
        for name, call in _ON_PATHS.items():
            stack.enter_context(mock.patch.object(os, name, _by_path(getattr(os, name), call, _BY_NUMBER.get(name))))
        for name, call in _ON_DESCRIPTORS.items():
            if hasattr(os, name):  # macOS has no fdatasync
                stack.enter_context(mock.patch.object(os, name, _by_descriptor(getattr(os, name), call)))
        for module in (io, builtins):
            stack.enter_context(mock.patch.object(module, "open", _by_either(open, _open_object)))
        stack.enter_context(mock.patch.object(fcntl, "flock", _by_descriptor(fcntl.flock, _flock)))
        stack.enter_context(mock.patch.object(fcntl, "fcntl", _by_descriptor(fcntl.fcntl, _fcntl)))
        for keeper in _KEEP_SCANDIR:
            stack.enter_context(mock.patch.object(keeper, "scandir", staticmethod(os.scandir)))
        for module, name, simulated in _PLAIN:
            stack.enter_context(mock.patch.object(module, name, simulated))
        try:
            yield
        finally:
            machines.clear()
            _files.clear()
