"""Whatever happens to the events file, in any order: its whole lines are what was taken, in order, once.

A state machine drives the real Sink on real files through bursts, short writes, a full disk, rotation, `--clear`,
crashes and restarts, and holds what is on the disk against a list of lines. It looks after every single write(2), as
a reader that follows the file would. That it can fail is shown too: sinks with a seeded bug are handed to it.

300 examples, always the same ones. HYPOTHESIS_PROFILE=faults: 3,000, and new ones every time unless CI is set.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from videodb_listen import settings as ours
from videodb_listen.errors import DirectoryUnusable, SinkError
from videodb_listen.listener import repair
from videodb_listen.listener.sink import RETRY_S, Sink
from videodb_listen.paths import Layout

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="tells files apart through /proc")

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "faults"
PROFILE = settings(
    max_examples=3000 if THOROUGH else 300,
    derandomize=not THOROUGH or "CI" in os.environ,
    stateful_step_count=25,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
SIZES = st.lists(st.sampled_from([0, 1, 9, 40, 70_000]), min_size=1, max_size=4)  # the last: more than one repair block
keep_fragment = repair._keep_fragment
BYTES = st.one_of(st.integers(0, 60), st.integers(0, 150_000))


def refusal(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def is_below(directory: Path, descriptor: int) -> bool:
    return Path(f"/proc/self/fd/{descriptor}").readlink().parent == directory


class Disk:
    """os.write(2) for the files below one directory: it can take less than it is given, or refuse."""

    def __init__(self, directory: Path, wrote: Callable[[], None]) -> None:
        self.script: list[int | OSError] = []
        """What the next writes do: a number is how much is taken at most."""
        self.full = False
        self.refused = 0
        self.last_write = 0
        """How many bytes the last write put into a file."""
        self._directory = directory
        self._wrote = wrote
        self._patch = pytest.MonkeyPatch()
        self._real = os.write
        self._patch.setattr(os, "write", self._write)
        self._patch.setattr(os, "fsync", lambda _: None)  # a power loss is not among the rules
        self._patch.setattr(os, "fdatasync", self._refuse_if_full)

    def remove(self) -> None:
        self._patch.undo()

    def _refuse_if_full(self, _: int = -1) -> None:
        if self.full:
            self.refused += 1
            raise refusal(errno.ENOSPC)

    def _write(self, descriptor: int, data: bytes) -> int:
        if not is_below(self._directory, descriptor):
            return self._real(descriptor, data)
        then = self.script.pop(0) if self.script else len(data)
        if isinstance(then, OSError):
            self.refused += 1
            raise then
        self._refuse_if_full()
        self.last_write = self._real(descriptor, data[: max(1, then)])
        self._wrote()
        return self.last_write


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its time passes only when told to, and it has no threads: every run of an example is the same."""

    def __init__(self, now_s: float) -> None:
        self.now_s = now_s
        super().__init__()

    def time(self) -> float:
        return self.now_s

    def run_in_executor(self, _: Any, function: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        done = self.create_future()
        try:
            done.set_result(function(*args))
        except OSError as error:
            done.set_exception(error)
        return done


async def turns(count: int) -> None:
    """Let the loop run what is due, and what follows from that."""
    for _ in range(count):
        await asyncio.sleep(0)


class Recording(RuleBasedStateMachine):
    """The Sink, and beside it the list of lines that it has to keep."""

    kind: ClassVar[type[Sink]] = Sink

    def __init__(self) -> None:
        super().__init__()
        self.temporary = tempfile.TemporaryDirectory(prefix="sink-")
        self.layout = Layout(Path(self.temporary.name))
        self.disk = Disk(self.layout.directory, self.look)
        self.now_s = 1772446530.0
        self.problems: list[str] = []
        self.loop = self.new_loop()
        self.failures: list[SinkError] = []
        self.sink: Sink | None = None
        self.path = self.layout.events  # where the file is that the sink writes to
        self.lines: list[bytes] = []  # what must be in that file, or may still come
        self.size = 0  # how far a reader has come in it
        self.left: dict[Path, bytes] = {}  # files that are no longer written to
        self.count = 0
        logging.disable(logging.CRITICAL)

    def new_loop(self) -> VirtualLoop:
        loop = VirtualLoop(self.now_s)
        loop.set_exception_handler(lambda _, context: self.problems.append(str(context)))
        return loop

    def teardown(self) -> None:
        if self.sink is not None:
            self.abandon()
        self.disk.remove()
        self.loop.close()
        self.temporary.cleanup()
        logging.disable(logging.NOTSET)

    # -- what a reader sees --

    def content(self) -> bytes:
        return self.path.read_bytes() if self.path.exists() else b""

    def look(self) -> None:
        """Read the file as a follower does; what is wrong with it is raised after the rule, outside of the sink."""
        content = self.content()
        *whole, tail = content.splitlines(keepends=True) or [b""]
        if tail.endswith(b"\n"):
            whole, tail = [*whole, tail], b""
        if whole != self.lines[: len(whole)]:
            self.problems.append(f"not a prefix of what was taken: {[line[:40] for line in whole]}")
        elif tail and not (self.lines[len(whole) :] or [b""])[0].startswith(tail):
            self.problems.append(f"the tail is not the beginning of the next line: {tail[:40]!r}")
        if len(content) < self.size:
            self.problems.append(f"{self.size} bytes became {len(content)}: a follower has read what is gone")
        self.size = len(content)

    def settle(self) -> None:
        """Let the loop run what is due, and see whether the sink has gone on to a new file."""
        self.run(turns(12))
        self.see()

    def see(self) -> None:
        new = set(self.layout.directory.glob("videodb_events.2*.jsonl")) - set(self.left)
        if new:
            assert self.path == self.layout.events, "it set another file aside than the one it wrote to"
            (self.path,) = new
        if self.path != self.layout.events and (new or self.layout.events.exists()):
            self.leave()
        self.look()
        assert self.problems == []

    def leave(self) -> None:
        """The sink has left a file: only ever at the end of a line."""
        content = self.content()
        assert not content or content.endswith(b"\n"), f"left in the middle of a line: {content[-40:]!r}"
        self.look()
        self.left[self.path] = content
        self.path, self.lines = self.layout.events, self.lines[content.count(b"\n") :]
        self.size = self.unwanted = 0

    def call(self, action: Callable[[], None]) -> None:
        """Call what expects to be called from the loop, and let the loop run what follows."""

        async def called() -> None:
            action()

        self.run(called())
        self.settle()

    def pass_time(self, seconds: float) -> None:
        self.now_s += seconds
        self.loop.now_s = self.now_s

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    @invariant()
    def what_was_left_stays_as_it_was(self) -> None:
        assert {path: path.read_bytes() for path in self.left} == self.left

    @invariant()
    def nothing_waits_for_a_disk_that_takes_everything(self) -> None:
        if self.running and not (self.held or self.waits):
            assert self.content() == b"".join(self.lines), "a line that was taken is not there"

    @property
    def running(self) -> bool:
        return self.sink is not None and not self.failures

    # -- starting and ending --

    @initialize(
        damage=st.sampled_from([b"", b'{"old":1}\n', b'{"old":1}\n{"torn', b'{"old":1}\n{"whole":2}', b"{"]),
        rotate=st.sampled_from([None, 60, 200]),
    )
    def the_first_start_finds_a_file(self, damage: bytes, rotate: int | None = None) -> None:
        self.rotate_size_bytes = rotate
        self.layout.events.write_bytes(damage)
        self.lines = damage.splitlines(keepends=True)
        if self.lines and not damage.endswith(b"\n"):
            self.lines[-1] += b"\n" if damage.endswith(b"}") else b'":1}\n'
        self.start(held=False)

    def start(self, *, held: bool) -> None:
        """Start on what is there; a tail must be a line afterwards, or aside, and nowhere else."""
        content = self.content()
        end = content.rfind(b"\n") + 1
        tail = content[end:]
        mended = bool(tail) and self.lines[content.count(b"\n") :][:1] == [tail + b"\n"]
        self.failures.clear()
        try:
            self.sink = self.run(self.opened(held))
        except DirectoryUnusable:
            assert self.disk.refused, "it refused a directory that is all right"
            assert self.content() == content, "a start that failed changed the file"
            return
        aside = [path.read_bytes() for path in self.layout.directory.glob("videodb_events.torn.*")]
        assert self.content() == (content + b"\n" if mended else content[:end]), "not repaired as promised"
        assert not tail or mended or tail in aside, f"lost: {tail[:40]!r}"
        self.lines = self.lines[: content.count(b"\n") + mended]
        self.size = len(self.content())
        self.held, self.waits = held, False

    async def opened(self, held: bool) -> Sink:
        self.pass_time(1.0)
        sink = self.kind(
            self.layout,
            ours.Disk(fsync="never"),
            ours.Rotation(rotate_size_bytes=self.rotate_size_bytes, rotate_keep=1_000_000),
            shared=False,
            now=lambda: self.now_s,
            on_full=lambda: None,
            on_failure=self.failures.append,
        )
        await sink.open(held=held)
        return sink

    def ended(self) -> None:
        """The process is gone, whichever way."""
        self.abandon()
        self.disk.last_write, self.size = 0, len(self.content())
        self.disk.script.clear()
        if self.path != self.layout.events:
            # Moved away by somebody else: no start knows that name, and what is torn there stays torn.
            self.left[self.path] = self.content()
            self.path, self.lines, self.size = self.layout.events, [], 0

    def abandon(self) -> None:
        """What a crash does: nothing more is run, and the kernel closes the file."""
        self.sink = None
        while asyncio.all_tasks(self.loop):
            self.run(turns(12))  # what closes files that were given up: a kernel would do that, too
        self.loop.close()
        self.loop = self.new_loop()
        for entry in list(Path("/proc/self/fd").iterdir()):
            with contextlib.suppress(FileNotFoundError):  # the one that listed the others
                if is_below(self.layout.directory, int(entry.name)):
                    os.close(int(entry.name))

    @precondition(lambda self: self.sink is not None)
    @rule(cut=BYTES)
    def crash(self, cut: int) -> None:
        """Also in the middle of the last write: any number of its bytes may be missing."""
        content = self.content()
        content = content[: len(content) - min(cut, self.disk.last_write, len(content))]
        if self.path.exists():
            os.truncate(self.path, len(content))
        self.ended()

    @precondition(lambda self: self.sink is None)
    @rule(held=st.booleans(), short=BYTES, number=st.sampled_from([None, None, *PASSING]))
    def restart(self, held: bool, short: int, number: int | None) -> None:
        """Also on a disk that refuses while a torn tail is repaired."""
        self.disk.refused = 0
        self.disk.script = [] if number is None else [short, refusal(number)] if short else [refusal(number)]
        self.start(held=held)
        self.disk.script.clear()
        self.disk.last_write = 0

    @precondition(lambda self: self.sink is not None)
    @rule()
    def close(self) -> None:
        assert self.sink is not None
        self.disk.refused = 0
        try:
            self.run(self.sink.close())
        except SinkError:
            assert self.failures or self.disk.refused, "it says that lines are left over, and nobody refused them"
        else:
            assert not self.failures
            self.see()
            assert self.content() == b"".join(self.lines), "closed without a word, and lines are missing"
        self.see()
        self.ended()

    # -- what happens while it runs --

    @precondition(lambda self: self.sink is not None)
    @rule(sizes=SIZES)
    def append(self, sizes: list[int]) -> None:
        self.take(sizes)
        self.settle()

    @precondition(lambda self: self.sink is not None)
    @rule(sizes=SIZES, short=BYTES, number=st.sampled_from([*PASSING, *PASSING, errno.EIO]), stays=st.booleans())
    def a_short_write_then_an_error(self, sizes: list[int], short: int, number: int, *, stays: bool) -> None:
        """The compound that two rules would hardly ever meet: half of it is in the file, then no more."""
        self.disk.script = [short, refusal(number)] if short else [refusal(number)]
        self.take(sizes)
        self.settle()
        self.disk.full = self.disk.full or stays

    def take(self, sizes: list[int]) -> None:
        assert self.sink is not None
        for size in sizes:
            self.count += 1
            line = b'{"n":%d,"x":"%b"}\n' % (self.count, b"x" * size)
            self.lines.append(line)
            self.sink.append(line)
        self.waits = self.waits or self.disk.full or bool(self.disk.script)

    @rule(full=st.booleans())
    def the_disk_is_full(self, full: bool) -> None:
        self.disk.full = full

    @precondition(lambda self: self.running)
    @rule()
    def a_moment_passes(self) -> None:
        self.disk.script.clear()
        self.pass_time(2 * RETRY_S)
        self.settle()
        self.waits = self.waits and self.disk.full

    @precondition(lambda self: self.sink is not None and self.path == self.layout.events)
    @rule()
    def the_file_is_moved_away(self) -> None:
        self.path = self.layout.directory / f"moved.{self.count}.{len(self.left)}"
        self.layout.events.rename(self.path)

    @precondition(lambda self: self.sink is not None)
    @rule()
    def reopen(self) -> None:
        assert self.sink is not None
        self.call(self.sink.reopen)

    @precondition(lambda self: self.sink is not None and self.path == self.layout.events)
    @rule()
    def rotate(self) -> None:
        """What logrotate does; as one rule, since a torn tail in between is rare enough."""
        self.the_file_is_moved_away()
        self.reopen()

    @precondition(lambda self: self.running)
    @rule()
    def the_name_is_looked_at(self) -> None:
        """What the daemon does once a second."""
        assert self.sink is not None
        self.call(self.sink.follow_name)

    @precondition(lambda self: self.running and self.path == self.layout.events and not self.is_torn())
    @rule(before=SIZES, after=SIZES)
    def the_file_is_deleted(self, before: list[int], after: list[int]) -> None:
        """By somebody who wants none of it. What came after the last look at the name is not meant to go with it."""
        assert self.sink is not None
        self.disk.script.clear()
        self.the_name_is_looked_at()
        self.unwanted = self.content().count(b"\n")
        self.append(before)
        self.layout.events.unlink()
        self.lines, self.size = self.lines[self.unwanted :], 0
        self.waits = self.waits or self.disk.full
        self.take(after)
        self.run(turns(1))
        self.call(self.sink.follow_name)

    def is_torn(self) -> bool:
        return not (self.content() or b"\n").endswith(b"\n")

    @precondition(lambda self: self.running and self.held)
    @rule()
    def clear(self) -> None:
        """Hello: the file is emptied, then the held lines follow."""
        assert self.sink is not None
        self.call(self.sink.follow_name)  # as clearing does itself: a file that was moved away is not emptied
        self.held = False
        kept = self.content().count(b"\n")
        self.size, self.lines = 0, self.lines[kept:]
        self.waits = self.waits or self.disk.full or bool(self.disk.script)
        self.call(self.sink.clear)

    held = waits = False
    unwanted = 0  # how many lines of the file were there when the name was last looked at
    rotate_size_bytes: int | None = None


@pytest.mark.timeout(900)
def test_lines_survive_every_order_of_faults() -> None:
    run_state_machine_as_test(Recording, settings=PROFILE)


# -- examples that have a name ---------------------------------------------------------------------------------------


@pytest.fixture
def recording() -> Iterator[Recording]:
    machine = Recording()
    machine.the_first_start_finds_a_file(b'{"old":1}\n')
    yield machine
    machine.teardown()


def check(machine: Recording) -> None:
    machine.what_was_left_stays_as_it_was()
    machine.nothing_waits_for_a_disk_that_takes_everything()


def test_a_crash_at_any_byte_of_the_last_write_leaves_whole_lines() -> None:
    for cut in range(50):
        machine = Recording()
        machine.the_first_start_finds_a_file(b"")
        machine.append([0])
        machine.append([1, 9])
        machine.crash(cut)
        machine.restart(held=False, short=0, number=None)
        machine.append([1])
        check(machine)
        machine.teardown()


def test_a_line_that_a_crash_took_only_the_newline_of_is_kept(recording: Recording) -> None:
    recording.append([3])
    written = recording.content()
    recording.crash(1)
    recording.restart(held=False, short=0, number=None)
    assert recording.content() == written


def test_a_file_that_is_moved_with_a_torn_tail_gets_the_rest_of_its_line(recording: Recording) -> None:
    recording.a_short_write_then_an_error([9, 9], short=30, number=errno.ENOSPC, stays=True)
    recording.the_file_is_moved_away()
    recording.reopen()
    assert not recording.layout.events.exists()  # not yet: half a line is still owed to the other one
    recording.append([9])
    recording.the_disk_is_full(False)
    recording.a_moment_passes()
    recording.append([9])
    check(recording)
    assert [content.count(b"\n") for content in recording.left.values()] == [4]
    assert recording.content().count(b"\n") == 1


@pytest.mark.parametrize("cut", [0, 1, 8])
@pytest.mark.parametrize("short", [0, 1, 4])
def test_a_repair_that_finds_no_room_changes_nothing_and_the_next_one_loses_nothing(
    recording: Recording, cut: int, short: int
) -> None:
    recording.append([5, 5])
    recording.crash(cut)
    for number in (errno.ENOSPC, errno.EDQUOT):
        recording.restart(held=True, short=short, number=number)
        if recording.sink is not None:
            recording.crash(0)
    recording.restart(held=False, short=0, number=None)
    recording.append([5])
    check(recording)


def test_a_start_with_clear_that_never_gets_its_hello_destroys_nothing(recording: Recording) -> None:
    recording.append([5])
    before = recording.content()
    recording.close()
    recording.restart(held=True, short=0, number=None)
    recording.append([5])
    recording.crash(0)
    assert recording.content() == before


def test_a_file_that_is_deleted_with_a_torn_tail_takes_no_half_line_into_the_next(recording: Recording) -> None:
    assert recording.sink is not None
    recording.a_short_write_then_an_error([9], short=4, number=errno.ENOSPC, stays=False)
    recording.sink.follow_name()  # looks while half a line is there
    recording.layout.events.unlink()
    recording.lines, recording.size = recording.lines[-1:], 0
    recording.a_moment_passes()  # the other half goes where the first one went
    recording.call(recording.sink.follow_name)
    assert recording.content() in (b"", recording.lines[-1])


# -- and it can fail -------------------------------------------------------------------------------------------------


class ForgetsTheRest(Sink):
    """After a short write it goes on with the next line."""

    def _refused(self, exc: OSError) -> None:
        if self._partial:
            _, _, others = b"".join(self._waiting).partition(b"\n")
            self._waiting = [others] if others else []
        super()._refused(exc)


class StartsAgain(Sink):
    """After a short write it writes all of it again."""

    def _write(self) -> None:
        everything = b"".join(self._waiting)
        try:
            super()._write()
        except OSError:
            self._waiting = [everything]
            raise


class TakesBack(Sink):
    """After a short write it cuts the fragment off, to write the whole line later."""

    def _refused(self, exc: OSError) -> None:
        if self._partial:
            content = os.pread(self._file._descriptor, 1 << 24, 0)
            end = content.rfind(b"\n") + 1
            os.ftruncate(self._file._descriptor, end)
            self._waiting = [content[end:], *self._waiting]
            self._partial = b""
        super()._refused(exc)


class RotatesInTheMiddle(Sink):
    """It sets a file aside that still lacks the rest of a line."""

    def _refused(self, exc: OSError) -> None:
        super()._refused(exc)
        self._file.rotate_if_due()


class ReopensInTheMiddle(Sink):
    """It goes on to another file and leaves the beginning of a line behind."""

    def flush(self) -> None:
        super().flush()
        self._partial = b""


class GivesUpEarly(Sink):
    """What did not fit at once is gone when it is closed, and nobody is told."""

    async def close(self) -> None:
        self._waiting = []
        await super().close()


def cut_first(descriptor: int, start: int, end: int, path: Path, **how: Any) -> Path:
    fragment = os.pread(descriptor, end - start, start)
    os.ftruncate(descriptor, start)
    path.write_bytes(fragment)
    return path


def never_whole(_: bytes) -> dict[str, Any]:
    raise ValueError


Change = tuple[object, str, object]
SEEDED: dict[str, tuple[type[Sink], list[Change], str]] = {
    "forgets the rest of a short write": (
        ForgetsTheRest,
        [],
        "not a prefix|not the beginning|is not there|closed without",
    ),
    "writes everything again after a short write": (StartsAgain, [], "not a prefix|not the beginning"),
    "truncates while it runs": (TakesBack, [], "a follower has read what is gone"),
    "reopens in the middle of a line": (ReopensInTheMiddle, [], "left in the middle of a line"),
    "rotates in the middle of a line": (RotatesInTheMiddle, [], "left in the middle of a line"),
    "drops what waits when it is closed": (GivesUpEarly, [], "closed without a word"),
    "moves a line aside that only lacks its newline": (
        Sink,
        [(repair, "decode_beginning", never_whole)],
        "not repaired",
    ),
    "loses the fragment": (Sink, [(repair, "_keep_fragment", lambda *_, **__: "nowhere")], "lost: |changed the file"),
    "cuts before it has set aside": (Sink, [(repair, "_keep_fragment", cut_first)], "changed the file|what is gone"),
}


@pytest.mark.timeout(300)  # most are found within a few examples; the first find ends the search
@pytest.mark.parametrize("bug", SEEDED)
def test_a_seeded_bug_is_found(bug: str, monkeypatch: pytest.MonkeyPatch, record_property: Callable[..., None]) -> None:
    seeded, changes, verdict = SEEDED[bug]
    for where, name, value in changes:
        monkeypatch.setattr(where, name, value, raising=False)
    examples = 0

    class Wrong(Recording):
        kind = seeded

        def __init__(self) -> None:
            nonlocal examples
            examples += 1
            super().__init__()

    until_found = settings(PROFILE, max_examples=3000, derandomize=True, phases=[Phase.generate])
    with pytest.raises(AssertionError, match=verdict):
        run_state_machine_as_test(Wrong, settings=until_found)
    record_property("examples", examples)
    print(f"{bug}: found in {examples} examples")
