"""Processes by their number, which means another one when theirs has ended, and nothing in another namespace."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from videodb_listen.system.clock import Deadline, until

if TYPE_CHECKING:
    import subprocess

_NO_PIDFD = (errno.ENOSYS, errno.EPERM)
"""What pidfd_open(2) fails with on an old kernel, and below a seccomp filter that does not know it."""


def has_open(pid: int, path: Path) -> bool | None:
    """Whether process `pid` has the file at `path` open.

    None when that cannot be told: there is no /proc, or the process is another user's.
    """
    try:
        wanted = path.stat()
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed since
                if os.path.samestat(descriptor.stat(), wanted):
                    return True
    except FileNotFoundError:
        return False if Path("/proc/self/fd").exists() else None
    except OSError:
        return None
    return False


def pid_namespace() -> int | None:
    """What tells the namespace that our process ids belong to from others, None where the platform has none."""
    try:
        return Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return None


def terminate(pid: int, timeout_s: float, *, is_it: Callable[[], bool], is_gone: Callable[[], bool]) -> bool:
    """Ask process `pid` to end (SIGTERM) and wait for that at most `timeout_s`; whether it came in time.

    `is_it` tells whether the number still is that of the process that is meant: nothing else is signalled. It is asked
    when the process is held by a pidfd, so that another one that gets the number in between is not. `is_gone` tells of
    the end where there are no pidfds. Raises PermissionError when the process is someone else's.
    """
    try:
        handle = _pidfd(pid)
    except ProcessLookupError:
        return is_gone()
    if handle is None:
        if is_it():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        return until(is_gone, Deadline(timeout_s))
    try:
        if is_it():
            signal.pidfd_send_signal(handle, signal.SIGTERM)
        ended, _, _ = select.select([handle], [], [], max(0.0, timeout_s))
        return bool(ended)
    finally:
        os.close(handle)


def _pidfd(pid: int) -> int | None:
    """A descriptor that stands for the process; None where there is no such thing. Raises ProcessLookupError."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError as exc:
        if exc.errno in _NO_PIDFD:
            return None
        raise


def terminate_group(pid: int) -> None:
    """Ask all processes in the group of `pid` to end (SIGTERM). None there is fine."""
    _signal_group(pid, signal.SIGTERM)


def kill_group(pid: int) -> None:
    """End all processes in the group of `pid` at once (SIGKILL). None there is fine."""
    _signal_group(pid, signal.SIGKILL)


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def start_detached(command: Sequence[str], output: int, *, keep: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    """Start a process that outlives us and our terminal: a session of its own, no stdin.

    `output` is the descriptor that its stdout and stderr go to, `keep` are those that it inherits beside them. Raises
    OSError.
    """
    import subprocess

    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        pass_fds=keep,
        start_new_session=True,
    )
