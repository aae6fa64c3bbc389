"""The product as a real process: how to start it, what it says, what it leaves in its directory.

`Site` is one listener's directory with the environment that its commands get; `site.daemon(...)` is a process that runs
until its `async with` ends, `await site.run(...)` a command that ends by itself.

VIDEODB_LISTEN_PYTHON names another interpreter to run the product with, for example one with the built wheel installed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, Self

from support.backend import Backend
from support.waiting import LIMIT_S, Changes, saying
from support.watching import file_gone, file_matches, lines_written

ROOT = Path(__file__).resolve().parents[2]
PYTHON = os.environ.get("VIDEODB_LISTEN_PYTHON", sys.executable)
INSTALLED = "VIDEODB_LISTEN_PYTHON" in os.environ

Entry = Literal["run", "bare", "console", "ws_listener", "script"]
ENTRIES: tuple[Entry, ...] = ("run", "bare", "console", "ws_listener", "script")

_MAIN = {"console": "main", "ws_listener": "ws_listener"}


def console_script(name: str) -> Path | None:
    """Return the installed command beside the interpreter; None when the package is not installed there."""
    path = Path(PYTHON).parent / name
    return path if path.exists() else None


def command_of(entry: Entry) -> list[str]:
    """Return how a shell would start the product through this entry point."""
    if entry == "script":
        return [PYTHON, str(ROOT / "scripts" / "ws_listener.py")]
    if entry in _MAIN:
        name = "videodb-listen" if entry == "console" else entry
        installed = console_script(name)
        # Otherwise the tree is not installed: call what the console script would call.
        code = f"import sys; from videodb_listen.cli import {_MAIN[entry]} as main; sys.exit(main())"
        return [str(installed)] if installed else [PYTHON, "-c", code]
    return [PYTHON, "-m", "videodb_listen", *(["run"] if entry == "run" else [])]


@dataclass(frozen=True)
class Files:
    """Every file in one listener's directory."""

    directory: Path

    @property
    def events(self) -> Path:
        """One event a line."""
        return self.directory / "videodb_events.jsonl"

    @property
    def ws_id(self) -> Path:
        """The live connection id."""
        return self.directory / "videodb_ws_id"

    @property
    def pid(self) -> Path:
        """The process id."""
        return self.directory / "videodb_ws_pid"

    @property
    def state(self) -> Path:
        """The state object."""
        return self.directory / "videodb_ws_state.json"

    @property
    def journal(self) -> Path:
        """The connection journal."""
        return self.directory / "videodb_ws_connections.jsonl"

    @property
    def lock(self) -> Path:
        """Whose lock decides who owns the directory."""
        return self.directory / "videodb_ws.lock"

    @property
    def log(self) -> Path:
        """What a detached daemon says."""
        return self.directory / "videodb_ws.log"

    def torn(self) -> list[Path]:
        """Fragments that a crash left."""
        return sorted(self.directory.glob("videodb_events.torn.*"))


@dataclass(frozen=True)
class Completed:
    """A command that has ended."""

    status: int
    stdout: str
    stderr: str


@dataclass
class Site:
    """One listener's directory, and the environment of the commands that work on it."""

    home: Path
    backend: Backend | None = None
    key: str = field(default_factory=lambda: f"sk-{secrets.token_hex(16)}")
    env: dict[str, str | None] = field(default_factory=dict)
    """Changes of the clean environment; None takes a variable out."""
    directory: Path = Path()
    """Where the events go; `events` below `home` unless given."""

    def __post_init__(self) -> None:
        if self.directory == Path():
            self.directory = self.home / "events"

    @property
    def files(self) -> Files:
        """Paths of the files in the directory."""
        return Files(self.directory)

    def environment(self) -> dict[str, str]:
        """Return the whole environment of a command: nothing of ours gets through unless it is named here."""
        kept = {k: v for k, v in os.environ.items() if k.startswith(("COVERAGE_", "COV_CORE_"))}
        env = {"PATH": os.environ["PATH"], "HOME": str(self.home), "LANG": "C.UTF-8", **kept}
        if not INSTALLED:
            env["PYTHONPATH"] = str(ROOT / "src")
        env["VIDEO_DB_API_KEY"] = self.key
        env["RES_OPTIONS"] = "timeout:1 attempts:1"  # a machine without a name server answers soon
        if self.backend is not None:
            env["VIDEO_DB_API"] = self.backend.url
        return {name: value for name, value in (env | self.env).items() if value is not None}

    def arguments(self, entry: Entry, args: tuple[str, ...], directory: Path | None) -> list[str]:
        """Return the command line; the directory is an option where there are options, else the argument."""
        if directory is None:
            return [*command_of(entry), *args]
        place = ["--dir", str(directory)] if entry in {"run", "bare", "console"} else [str(directory)]
        return [*command_of(entry), *place, *args]

    def daemon(self, *args: str, **how: Any) -> Daemon:
        """Return a daemon on this directory, to be entered with `async with`."""
        return Daemon(self, *args, **how)

    async def run(self, *args: str, **how: Any) -> Completed:
        """Run a command (`status`, `--json`, ...) on this directory to its end."""
        command, *rest = args
        return await self.run_bare(command, "--dir", str(self.directory), *rest, **how)

    async def run_bare(self, *args: str, **how: Any) -> Completed:
        """Run a command line to its end, without naming the directory."""
        daemon = Daemon(self, *args, entry=how.pop("entry", "bare"), directory=None, **how)
        async with daemon:
            status = await daemon.exit_status()
        return Completed(status, daemon.stdout, daemon.stderr)

    # -- what is in the directory --

    def lines(self) -> list[bytes]:
        """Return the lines of the events file; the last one must be whole."""
        data = self.files.events.read_bytes()
        assert not data or data.endswith(b"\n"), f"torn tail: {data[-80:]!r}"
        return data.split(b"\n")[:-1]

    def records(self) -> list[dict[str, Any]]:
        """Return the events as objects."""
        return [json.loads(line) for line in self.lines()]

    def journal(self, event: str | None = None) -> list[dict[str, Any]]:
        """Return the entries of the connection journal, all or of one kind."""
        if not self.files.journal.exists():
            return []
        entries = [json.loads(line) for line in self.files.journal.read_bytes().splitlines()]
        return [entry for entry in entries if event in (None, entry["event"])]

    def state(self) -> dict[str, Any]:
        """Return the state object."""
        state: dict[str, Any] = json.loads(self.files.state.read_bytes())
        return state

    def contents(self) -> dict[str, bytes]:
        """Return every file in the directory with its bytes."""
        found = {}
        for path in self.directory.rglob("*"):
            with contextlib.suppress(FileNotFoundError, IsADirectoryError):  # a temporary name that was just renamed
                found[str(path.relative_to(self.directory))] = path.read_bytes()
        return found

    def modes(self) -> dict[str, int]:
        """Return the permission bits of every file."""
        modes = {}
        for path in self.directory.iterdir():
            with contextlib.suppress(FileNotFoundError):  # a temporary name that was just renamed
                modes[path.name] = path.lstat().st_mode & 0o7777
        return modes

    async def written(self, count: int) -> list[dict[str, Any]]:
        """Wait until the events file has `count` lines, and return them as objects."""
        await lines_written(self.files.events, count)
        return self.records()

    async def phase(self, phase: str) -> dict[str, Any]:
        """Wait until the state file names this phase, and return the state."""
        await file_matches(self.files.state, lambda data: json.loads(data)["phase"] == phase)
        return self.state()

    async def id_published(self, connection_id: str) -> None:
        """Wait until the id file holds this id."""
        await file_matches(self.files.ws_id, lambda data: data == connection_id.encode())

    async def id_removed(self) -> None:
        """Wait until there is no id file."""
        await file_gone(self.files.ws_id)

    async def journalled(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until the journal has `count` entries of this kind, and return them."""
        await file_matches(self.files.journal, lambda _: len(self.journal(event)) >= count)
        return self.journal(event)

    def kill_stray(self) -> None:
        """Kill a detached daemon of this site. Its key in the environment proves that it is ours."""
        with contextlib.suppress(OSError, ValueError):
            if not self.files.pid.is_file():
                return  # otherwise a FIFO that a test has put there would hold us for ever
            pid = int(self.files.pid.read_text())
            if self.key in Path(f"/proc/{pid}/environ").read_text(errors="replace"):
                os.kill(pid, signal.SIGKILL)


class _Output(asyncio.Protocol):
    """Collects what comes out of one pipe."""

    def __init__(self, changes: Changes) -> None:
        self.data = bytearray()
        self.ended = False
        self._changes = changes

    def data_received(self, data: bytes) -> None:
        self.data += data
        self._changes.tell()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        self._changes.tell()

    def lines(self) -> list[str]:
        """Return the whole lines so far."""
        return self.data.decode(errors="surrogateescape").split("\n")[:-1]


class Daemon:
    """One process of the product, killed and reaped when its `async with` ends."""

    def __init__(
        self,
        site: Site,
        *args: str,
        entry: Entry = "run",
        command: list[str] | None = None,
        directory: Path | Literal["site"] | None = "site",
        cwd: Path | None = None,
        umask: int = -1,
        stdin: int | IO[bytes] | None = subprocess.DEVNULL,
        stdout: int | IO[bytes] = subprocess.PIPE,
        stderr: int | IO[bytes] = subprocess.PIPE,
        sigint_ignored: bool = False,
    ) -> None:
        where = site.directory if directory == "site" else directory
        self.site = site
        self.command = [*command, *args] if command is not None else site.arguments(entry, args, where)
        self._cwd = cwd or site.home
        self._umask = umask
        self._streams = (stdin, stdout, stderr)
        self._sigint_ignored = sigint_ignored
        self._changes = Changes()
        self._out = _Output(self._changes)
        self._err = _Output(self._changes)
        self._ids_taken = 0
        self._status: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._transports: list[asyncio.ReadTransport] = []
        self._pidfd = -1

    def __repr__(self) -> str:
        return f"{' '.join(self.command)!r} status={self._status} stdout={self.stdout!r} stderr={self.stderr!r}"

    async def __aenter__(self) -> Self:
        self._process = process = self._spawn()
        loop = asyncio.get_running_loop()
        self._pidfd = os.pidfd_open(process.pid)
        loop.add_reader(self._pidfd, self._exited)
        for pipe, output in ((process.stdout, self._out), (process.stderr, self._err)):
            if pipe is None:
                output.ended = True
            else:
                transport, _ = await loop.connect_read_pipe(lambda output=output: output, pipe)  # type: ignore[misc]
                self._transports.append(transport)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is None:
            self.signal(signal.SIGKILL)
        with contextlib.suppress(AssertionError):
            await self._changes.until(lambda: self._status is not None, "the end of a killed process")
        if self._pidfd >= 0:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
        for transport in self._transports:
            transport.close()
        await self._changes.until(lambda: not self._transports or (self._out.ended and self._err.ended), "closed pipes")
        if error is not None and not isinstance(error, GeneratorExit):
            error.add_note(repr(self))

    def _spawn(self) -> subprocess.Popen[bytes]:
        stdin, stdout, stderr = self._streams
        with sigint_of_children(ignored=self._sigint_ignored):
            return subprocess.Popen(
                self.command,
                env=self.site.environment(),
                cwd=self._cwd,
                umask=self._umask,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
            )

    def _exited(self) -> None:
        assert self._process is not None
        asyncio.get_running_loop().remove_reader(self._pidfd)
        self._status = self._process.wait()
        self._changes.tell()

    # -- what it says --

    @property
    def pid(self) -> int:
        """Process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._status is None

    @property
    def stdout(self) -> str:
        """Everything it has written to stdout so far."""
        return self._out.data.decode(errors="surrogateescape")

    @property
    def stderr(self) -> str:
        """Everything it has written to stderr so far."""
        return self._err.data.decode(errors="surrogateescape")

    @property
    def stdout_bytes(self) -> bytes:
        """Everything it has written to stdout so far, undecoded."""
        return bytes(self._out.data)

    @property
    def stderr_bytes(self) -> bytes:
        """Everything it has written to stderr so far, undecoded."""
        return bytes(self._err.data)

    async def ws_id(self) -> str:
        """Wait for the next `WS_ID=` line of stdout, and return its id."""
        index = self._ids_taken

        def ids() -> list[str]:
            return [line.removeprefix("WS_ID=") for line in self._out.lines() if line.startswith("WS_ID=")]

        await self._until(lambda: len(ids()) > index, f"WS_ID= line number {index}")
        self._ids_taken += 1
        return ids()[index]

    async def stdout_line(self, containing: str) -> str:
        """Wait for a line of stdout that contains this, and return the first."""
        return await self._line(self._out, containing, "stdout")

    async def stderr_line(self, containing: str) -> str:
        """Wait for a line of stderr that contains this (whatever the case), and return the first."""
        return await self._line(self._err, containing, "stderr")

    async def _line(self, output: _Output, containing: str, name: str) -> str:
        def found() -> list[str]:
            return [line for line in output.lines() if containing.lower() in line.lower()]

        await self._until(lambda: bool(found()), f"{containing!r} on {name}")
        return found()[0]

    async def _until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for something that only a living process can say."""

        def settled() -> bool:
            return condition() or (self._status is not None and self._out.ended and self._err.ended)

        with saying(lambda: f"{what} from {self!r}"):
            await self._changes.until(settled, f"{what} from {self!r}")
        assert condition(), f"ended without {what}: {self!r}"

    # -- what is done to it --

    def signal(self, number: int) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stand still for the length of the block: what is done in it happens between two of the product's steps."""
        self.signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    async def exit_status(self, *, limit_s: float = LIMIT_S) -> int:
        """Wait for its end and the end of its output; a negative status is a signal."""
        with saying(lambda: f"the end of {self!r}"):
            await self._changes.until(
                lambda: self._status is not None and self._out.ended and self._err.ended,
                f"the end of {self.command}",
                limit_s=limit_s,
            )
        assert self._status is not None
        return self._status

    async def stop(self) -> int:
        """Send SIGTERM and wait for the end."""
        self.signal(signal.SIGTERM)
        return await self.exit_status()

    async def kill(self) -> None:
        """Send SIGKILL and wait for the end."""
        self.signal(signal.SIGKILL)
        assert await self.exit_status() == -signal.SIGKILL


@contextmanager
def sigint_of_children(*, ignored: bool) -> Iterator[None]:
    """Decide what a child started in this block inherits for SIGINT, whatever we inherited ourselves.

    SIGQUIT is heard: a shell's background jobs ignore both.
    """
    before = signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.default_int_handler)
    before_quit = signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        signal.signal(signal.SIGQUIT, before_quit)
