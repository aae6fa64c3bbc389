"""A number is believed to be a process only as long as it can be nobody else."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.someone_else import as_nobody, in_child, needs_root
from videodb_listen.system import processes

LIMIT_S = 20.0

linux = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="/proc says who has what open")


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        process.kill()


def no_such_call(*_: int) -> int:
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


def refused(*_: int) -> int:
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


WAYS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "by pidfd": lambda _: None,
    "where the platform has none": lambda patch: patch.delattr(os, "pidfd_open", raising=False),
    "on an old kernel": lambda patch: patch.setattr(os, "pidfd_open", no_such_call),
    "below an old filter": lambda patch: patch.setattr(os, "pidfd_open", refused),
    "where one can be had and not used": lambda patch: patch.setattr(signal, "pidfd_send_signal", no_such_call),
    "below a filter that refuses to use it": lambda patch: patch.setattr(signal, "pidfd_send_signal", refused),
}


@pytest.fixture(params=WAYS)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    WAYS[request.param](monkeypatch)


@pytest.mark.usefixtures("_way")
def test_a_process_that_is_proven_to_be_it_is_asked_to_end(process: subprocess.Popen[bytes]) -> None:
    is_gone = lambda: process.poll() is not None  # noqa: E731  # poll reaps it: as a child of ours it would stay a zombie
    assert processes.terminate(process.pid, LIMIT_S, is_it=lambda: True, is_gone=is_gone)
    assert process.wait(LIMIT_S) == -15


def test_it_has_not_ended_while_what_it_did_goes_on_nor_while_it_is_there(process: subprocess.Popen[bytes]) -> None:
    assert not processes.terminate(process.pid, 0.05, is_it=lambda: False, is_gone=lambda: True)
    assert not processes.terminate(process.pid, 0.05, is_it=lambda: True, is_gone=lambda: False)
    assert process.wait(LIMIT_S) == -15


@pytest.mark.usefixtures("_way")
def test_a_number_that_has_become_somebody_else_s_is_not_signalled(process: subprocess.Popen[bytes]) -> None:
    assert not processes.terminate(process.pid, 0.05, is_it=lambda: False, is_gone=lambda: False)
    assert process.poll() is None


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("gone", [False, True])
def test_a_number_that_nobody_has_any_more_is_no_error(process: subprocess.Popen[bytes], gone: bool) -> None:
    process.kill()
    process.wait()
    assert processes.terminate(process.pid, 0.05, is_it=lambda: True, is_gone=lambda: gone) is gone


@needs_root
@pytest.mark.usefixtures("_way")
def test_a_process_of_someone_else_cannot_be_asked(process: subprocess.Popen[bytes]) -> None:
    def work() -> str:
        as_nobody()
        try:
            processes.terminate(process.pid, 0.05, is_it=lambda: True, is_gone=lambda: False)
        except PermissionError as exc:
            return str(exc.strerror)
        return "asked"

    assert in_child(work) == "Operation not permitted"


@linux
def test_processes_of_one_namespace_agree_on_it() -> None:
    code = "from videodb_listen.system import processes; print(processes.pid_namespace())"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == str(processes.pid_namespace())


@linux
def test_a_namespace_of_another_machine_is_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = processes.pid_namespace()
    monkeypatch.setattr(Path, "read_text", lambda _: "another boot")
    assert processes.pid_namespace() not in (None, ours)


def test_a_detached_process_has_a_session_of_its_own_and_only_what_it_is_handed(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    other = os.open(os.devnull, os.O_RDONLY)
    code = (
        "import os, sys; print(os.getsid(0) == os.getpid(), sys.stdin.read() == '');"
        f"os.write({writing}, b'here'); os.fstat({other})"
    )
    with (tmp_path / "log").open("wb") as log:
        process = processes.start_detached([sys.executable, "-c", code], log.fileno(), keep=[writing])
    os.close(writing)
    with open(reading, "rb") as pipe:  # noqa: PTH123  # a descriptor, not a path
        assert pipe.read() == b"here"
    assert process.wait(LIMIT_S) == 1
    os.close(other)
    said = (tmp_path / "log").read_text()
    assert said.startswith("True True")
    assert "Bad file descriptor" in said


def test_a_group_ends_with_all_its_processes_and_one_that_is_gone_is_no_error(tmp_path: Path) -> None:
    command = ["sh", "-c", "sleep 1000 & echo started; wait"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        processes.kill_group(process.pid)
        assert process.stdout.read() == b""  # the pipe ends when the last of them does
        assert process.wait(LIMIT_S) == -9
    processes.kill_group(process.pid)
    processes.terminate_group(process.pid)
