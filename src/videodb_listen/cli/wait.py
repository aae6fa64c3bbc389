"""`wait`: block until an event is in the file."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import click
import orjson

from videodb_listen import presence
from videodb_listen.cli.files import readable, write_out
from videodb_listen.cli.filters import MOMENT, content_options, filters_of
from videodb_listen.cli.options import Parsed, directory_options, find_layout, read_dotenv
from videodb_listen.cli.render import for_stdout
from videodb_listen.errors import NotRunning, SessionFailed, TimedOut
from videodb_listen.paths import Layout
from videodb_listen.reader import query
from videodb_listen.reader.history import History
from videodb_listen.reader.reader import Block, Reader
from videodb_listen.reader.seek import Run, read_since
from videodb_listen.reader.wait import Awaited, Verdict
from videodb_listen.system.watch import Watch
from videodb_listen.text import visible, visible_json
from videodb_listen.units import format_duration, parse_duration

_PUBLISHED_WITHIN_S = 2.0  # a listener that has just taken the lock needs a moment to say when it began
_LOOK_AGAIN_S = 0.02


def _from(text: str) -> str | float:
    return text if text in ("start", "now") else float(MOMENT.convert(text, None, None))


@click.command()
@click.argument("events_wanted", metavar="[EVENT]...", nargs=-1)
@directory_options
@content_options
@click.option(
    "--from",
    "begin",
    type=Parsed(_from, "start|now|WHEN"),
    metavar="start|now|WHEN",
    default="start",
    help="Which events count: those since the listener's start, since now, or since then. [default: start]",
)
@click.option("--timeout", "timeout_s", type=Parsed(parse_duration, "TIME"), metavar="TIME", help="Give up after this.")
@click.option("--print", "path", metavar="PATH", help="Print this field of the event only, as in data.rtstreams.")
def wait(
    events_wanted: tuple[str, ...],
    directory: str | None,
    cwd: str | None,
    begin: str | float,
    timeout_s: float | None,
    path: str | None,
    **options: Any,
) -> None:
    """Block until one of these events is in the file, and print its line.

    Events since the listener's start count, so it does not matter which of the two is faster. An EVENT is a name as in
    capture_session.exported, or a channel as in transcript. Lifecycle events mean the newest session, unless --session
    names one; 1: that session failed. 3: no listener runs, or it ended. 124: timed out.

    \b
    videodb-listen wait capture_session.active --timeout 2m --print data.rtstreams
    videodb-listen wait --channel transcript --grep budget
    """
    session = options["sessions"][-1] if options["sessions"] else None
    layout = find_layout(directory, read_dotenv(cwd))
    with readable(layout.directory):
        chosen = filters_of(options, History(layout.directory))
    if not events_wanted and chosen.where is query.ANY:
        raise click.UsageError("name an event to wait for, or a filter")
    wait_for(layout, Awaited(events_wanted, chosen.where, session), begin, timeout_s, found=partial(_print, path))


def wait_for(
    layout: Layout,
    awaited: Awaited,
    begin: str | float,
    timeout_s: float | None,
    *,
    found: Callable[[Verdict], None] = lambda _: None,
) -> None:
    """Return when the event is there. `begin` is `start`, `now` or unix seconds; `timeout_s` None: for ever.

    `found` gets the event at once: to stop watching the files can take longer than all the rest.
    Raises NotRunning, TimedOut, and an error of status 1 when the session failed.
    """
    deadline = float("inf") if timeout_s is None else time.monotonic() + timeout_s
    history = History(layout.directory)
    with (
        readable(layout.directory),
        Watch(layout.directory, [layout.events.name, layout.pid.name]) as watch,
        Reader(history) as reader,
    ):
        held = presence.is_held(layout)
        since_s, run = _beginning(layout, begin, held=held)
        blocks, live = read_since(reader, run, since_s), False
        wanted = query.since(since_s) & awaited.needed
        while True:
            for block in blocks:
                _feed(awaited, block, wanted, live=live)
            if awaited.verdict is not None:
                found(_checked(awaited.verdict))
                return
            if not held:
                raise NotRunning(
                    f"the event is not there, and no listener runs in {layout.directory}",
                    fix="start one: videodb-listen start",
                )
            if (left_s := deadline - time.monotonic()) <= 0:
                raise TimedOut(f"no such event within {format_duration(timeout_s or 0)}", fix="see videodb-listen tail")
            watch.wait(left_s)
            held = presence.is_held(layout)  # before the file is read: what came until then is in it
            blocks, live = reader.blocks(), True


def _feed(awaited: Awaited, block: Block, wanted: query.Where, *, live: bool) -> None:
    for line, event in query.select(block.data, wanted):
        awaited.take(line, event, live=live)


def _beginning(layout: Layout, begin: str | float, *, held: bool) -> tuple[float, Run | None]:
    """The time from which events count, unix seconds, and the run in which to look for it."""
    state = presence.read_state(layout)
    if begin == "start" and held:
        deadline = time.monotonic() + _PUBLISHED_WITHIN_S
        while not _is_of_the_holder(state, layout) and time.monotonic() < deadline:
            time.sleep(_LOOK_AGAIN_S)
            state = presence.read_state(layout)
    run = Run.of(state)
    if begin == "start":
        return (state.started_unix_ts or 0.0 if state else 0.0), run
    return (time.time() if begin == "now" else float(begin)), run


def _is_of_the_holder(state: presence.State | None, layout: Layout) -> bool:
    return state is not None and presence.is_of_holder(state, layout)


def _checked(verdict: Verdict) -> Verdict:
    if verdict.failed:
        error = verdict.event.get("data", {})
        raise SessionFailed(
            f"the session failed: {visible(orjson.dumps(error).decode())}", fix="see its line: videodb-listen tail"
        )
    return verdict


def _print(path: str | None, verdict: Verdict) -> None:
    write_out([for_stdout(verdict.line) if path is None else _field(verdict.event, path).encode() + b"\n"])


def _field(event: dict[str, Any], path: str) -> str:
    """The field at the dotted `path`: text as it is, anything else as JSON, `null` where there is none."""
    value: Any = event
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return visible(value) if isinstance(value, str) else visible_json(orjson.dumps(value).decode())
