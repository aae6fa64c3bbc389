"""A disk in memory, as the kernel shows it: inodes, names, open files, locks, and room that can run out.

It outlives the processes that write to it: what was handed to write(2) is there after kill -9, what was still in the
process is not. Faults are rules: each sees every change before it is made, may refuse it with an OSError, or may kill
the process that asked for it.
"""

from __future__ import annotations

import bisect
import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

ROOT = "/simulated/"
"""Where the disks of all machines are: a path below it never reaches the real file system."""

Rule = Callable[[str, str], None]
"""Gets the name of a system call that changes something, and the path that it changes."""


def failure(number: int, path: str) -> OSError:
    """Return the OSError of this errno."""
    return OSError(number, os.strerror(number), path)


@dataclass(eq=False)
class Inode:
    """A file or a directory; `names` is None for a file."""

    number: int
    mode: int
    changed: float
    names: dict[str, Inode] | None = None
    data: bytearray = field(default_factory=bytearray)
    links: int = 1
    opened: int = 0
    synced_to: int = 0  # how many bytes a loss of power would leave
    written: list[tuple[int, float]] = field(default_factory=list)  # how far it reached, from which true time on
    locks: dict[OpenFile, int] = field(default_factory=dict)
    _status: os.stat_result | None = None  # None: something has changed

    def status(self) -> os.stat_result:
        """Return what fstat(2) says."""
        found = self._status
        if (
            found is None
            or found.st_size != len(self.data)
            or found.st_nlink != self.links
            or found.st_mode != self.mode
        ):
            at, nano = int(self.changed), int(self.changed * 1e9)
            times = (at, at, at, self.changed, self.changed, self.changed, nano, nano, nano)
            head = (self.mode, self.number, 77, self.links, os.geteuid(), os.getegid(), len(self.data))
            found = self._status = os.stat_result((*head, *times))
        return found


@dataclass(eq=False)
class OpenFile:
    """What a descriptor means; those that were duplicated share one. `owner` is the process, None for others."""

    disk: Disk
    inode: Inode
    path: str
    flags: int
    owner: Any
    offset: int = 0
    descriptors: int = 1


class Disk:
    """One machine's files, below ROOT + `name`.

    `now` gives the time of changes in unix seconds, right or wrong; `true_now` the world's time.
    """

    def __init__(self, name: str, now: Callable[[], float], true_now: Callable[[], float]) -> None:
        self.root = ROOT + name
        self.rules: list[Rule] = []
        self.free_bytes: int | None = None  # None: there is always room
        self.on_full: Callable[[str], None] = lambda _path: None  # told of each write that found no room
        self._now = now
        self._true_now = true_now
        self._inodes = 0
        self._top = self._inode(stat.S_IFDIR | 0o755)

    # -- looking, from outside of any process --

    def read(self, path: str) -> bytes:
        """Return the content of a file, b"" where there is none."""
        try:
            return bytes(self.find(path).data)
        except OSError:
            return b""

    def written(self, path: str) -> Callable[[int], float]:
        """Return a function that says when a file had reached an offset, in the world's time."""
        entries = self.find(path).written

        def at(offset: int) -> float:
            place = bisect.bisect_left(entries, (offset, -1.0))
            return entries[place][1] if place < len(entries) else 0.0

        return at

    def names(self, path: str) -> list[str]:
        """Return the names in a directory, sorted; none where there is none."""
        try:
            return sorted(self.find(path).names or ())
        except OSError:
            return []

    # -- what system calls do --

    def find(self, path: str) -> Inode:
        """Return the inode of `path`. Raises OSError."""
        inode = self._top
        for part in self._parts(path):
            if inode.names is None:
                raise failure(errno.ENOTDIR, path)
            if part not in inode.names:
                raise failure(errno.ENOENT, path)
            inode = inode.names[part]
        return inode

    def open(self, path: str, flags: int, mode: int, owner: object) -> OpenFile:
        """Open or create a file. Raises OSError."""
        names, name = self._place(path)
        inode = names.get(name) if name else self._top
        if inode is None:
            if not flags & os.O_CREAT:
                raise failure(errno.ENOENT, path)
            self.change("open", path)
            inode = names[name] = self._inode(stat.S_IFREG | (mode & 0o777))
        elif flags & os.O_CREAT and flags & os.O_EXCL:
            raise failure(errno.EEXIST, path)
        if flags & os.O_DIRECTORY and inode.names is None:
            raise failure(errno.ENOTDIR, path)
        if flags & os.O_TRUNC and inode.data:
            self.truncate(inode, path, 0)
        inode.opened += 1
        return OpenFile(self, inode, path, flags, owner)

    def write(self, file: OpenFile, data: bytes, at: int | None = None) -> int:
        """Write as much as there is room for; how much that was. Raises OSError when there is none."""
        self.change("write", file.path)
        taken = len(data)
        if self.free_bytes is not None:
            taken = min(taken, self.free_bytes)
            if taken < len(data):
                self.on_full(file.path)
            if data and not taken:
                raise failure(errno.ENOSPC, file.path)
            self.free_bytes -= taken
        inode = file.inode
        if at is None and file.flags & os.O_APPEND:
            file.offset = len(inode.data)
        start = file.offset if at is None else at
        inode.data[start : start + taken] = data[:taken]
        inode.changed = self._now()
        inode.written.append((len(inode.data), self._true_now()))
        if at is None:
            file.offset = start + taken
        return taken

    def truncate(self, inode: Inode, path: str, size: int) -> None:
        """Cut a file, or fill it with zeros."""
        self.change("truncate", path)
        self._give_back(len(inode.data) - size)
        del inode.data[size:]
        inode.data.extend(bytes(size - len(inode.data)))
        inode.synced_to = min(inode.synced_to, size)
        inode.written = [entry for entry in inode.written if entry[0] <= size]
        inode.changed = self._now()

    def sync(self, file: OpenFile) -> None:
        """Have what was written survive a loss of power."""
        self.change("sync", file.path)
        file.inode.synced_to = len(file.inode.data)

    def unlink(self, path: str) -> None:
        """Take a name away. Raises OSError."""
        names, name = self._place(path)
        if name not in names:
            raise failure(errno.ENOENT, path)
        self.change("unlink", path)
        self._lose_name(names.pop(name))

    def rename(self, source: str, target: str) -> None:
        """Give a file another name, which it takes from whatever has it. Raises OSError."""
        names, name = self._place(source)
        if name not in names:
            raise failure(errno.ENOENT, source)
        others, other = self._place(target)
        self.change("rename", target)
        if (replaced := others.get(other)) is not None and replaced is not names[name]:
            self._lose_name(replaced)
        others[other] = names.pop(name)

    def make_directory(self, path: str, mode: int) -> None:
        """Make a directory. Raises OSError."""
        names, name = self._place(path)
        if not name or name in names:
            raise failure(errno.EEXIST, path)
        self.change("mkdir", path)
        names[name] = self._inode(stat.S_IFDIR | (mode & 0o777))

    def remove_directory(self, path: str) -> None:
        """Remove an empty directory. Raises OSError."""
        names, name = self._place(path)
        if name not in names:
            raise failure(errno.ENOENT, path)
        if names[name].names:
            raise failure(errno.ENOTEMPTY, path)
        self.change("rmdir", path)
        del names[name]

    def lock(self, file: OpenFile, operation: int) -> None:
        """flock(2), which never waits here. Raises BlockingIOError when somebody else has it."""
        locks = file.inode.locks
        locks.pop(file, None)
        if operation & fcntl.LOCK_UN:
            return
        shared = bool(operation & fcntl.LOCK_SH)
        if locks and not (shared and all(kind == fcntl.LOCK_SH for kind in locks.values())):
            raise BlockingIOError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK), file.path)
        locks[file] = fcntl.LOCK_SH if shared else fcntl.LOCK_EX

    def close(self, file: OpenFile) -> None:
        """Give up one descriptor of an open file."""
        file.descriptors -= 1
        if file.descriptors == 0:
            file.inode.locks.pop(file, None)
            file.inode.opened -= 1
            self._forget(file.inode)

    def lose_power(self) -> None:
        """Forget what was never synced. Names are kept: which of them a real disk would lose nobody can say."""
        for inode in self._all(self._top):
            del inode.data[inode.synced_to :]

    def change(self, call: str, path: str) -> None:
        """Have the rules look at a change before it is made. Raises what they raise."""
        for rule in self.rules:
            rule(call, path)

    # -- inside --

    def _inode(self, mode: int) -> Inode:
        self._inodes += 1
        return Inode(self._inodes, mode, self._now(), {} if stat.S_ISDIR(mode) else None)

    def _parts(self, path: str) -> list[str]:
        assert path.startswith(self.root), f"{path} is not on {self.root}"
        return [part for part in path[len(self.root) :].split("/") if part]

    def _place(self, path: str) -> tuple[dict[str, Inode], str]:
        """The names of the directory that `path` is in, and its own; "" when it is the top."""
        directory, _, name = path.rstrip("/").rpartition("/")
        if len(directory) < len(self.root):
            return {}, ""
        names = self.find(directory).names
        if names is None:
            raise failure(errno.ENOTDIR, path)
        return names, name

    def _lose_name(self, inode: Inode) -> None:
        inode.links -= 1
        self._forget(inode)

    def _forget(self, inode: Inode) -> None:
        if not inode.links and not inode.opened:
            self._give_back(len(inode.data))

    def _give_back(self, size: int) -> None:
        if self.free_bytes is not None:
            self.free_bytes += max(0, size)

    def _all(self, inode: Inode) -> Iterator[Inode]:
        for child in (inode.names or {}).values():
            yield child
            yield from self._all(child)
