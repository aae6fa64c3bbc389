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
"""What the calls for pidfds fail with on an old kernel, and below a seccomp filter that does not know them."""


def pid_namespace() -> str | None:
    """What tells the namespace that our process ids belong to from all others, on this machine and elsewhere.

    None where the platform has none.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"  # inode numbers of namespaces begin alike everywhere
    except OSError:
        return None


def terminate(pid: int, timeout_s: float, *, is_it: Callable[[], bool], is_gone: Callable[[], bool]) -> bool:
    """Ask process `pid` to end (SIGTERM) and wait for that at most `timeout_s`; whether it came in time.

    `is_it` proves that the number is that of the process that is meant: without, nothing is signalled. It is asked
    when the process is held by a pidfd, so that another one that gets the number in between is not signalled.
    `is_gone` tells whether what it did has ended; it is waited for, and then for the process, where there are pidfds.
    Raises PermissionError when the process is someone else's.
    """
    with contextlib.ExitStack() as closing:
        handle = None
        with contextlib.suppress(ProcessLookupError):
            if (handle := _pidfd(pid)) is not None:
                closing.callback(os.close, handle)
            if is_it():
                _send_sigterm(pid, handle)
        return until(lambda: is_gone() and _has_ended(handle), Deadline(timeout_s))


def _has_ended(handle: int | None) -> bool:
    return handle is None or bool(select.select([handle], [], [], 0.0)[0])


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


def _send_sigterm(pid: int, handle: int | None) -> None:
    try:
        if handle is not None:
            signal.pidfd_send_signal(handle, signal.SIGTERM)
            return
    except OSError as exc:
        if exc.errno not in _NO_PIDFD:
            raise
    os.kill(pid, signal.SIGTERM)  # where the process itself is the reason of a refusal, this is refused, too


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
