"""`videodb-listen emulator`: a VideoDB realtime backend on this machine.

The server and its libraries are imported when a command runs, so that `--help` works, and stays quick, without the
extra.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from videodb_emulator.pure.chaos import EXAMPLES, ChaosError, parse, seconds
from videodb_emulator.pure.dialect import (
    ALERT_SHAPES,
    LARGEST_PAGE,
    RANGES,
    REBINDS,
    RECORD_ORDERS,
    TIME_UNITS,
    VISUAL_CHANNELS,
    Dialect,
)
from videodb_listen import environment
from videodb_listen.cli.flags import Parsed
from videodb_listen.cli.recorder import recorder
from videodb_listen.cli.trigger import trigger
from videodb_listen.errors import ConfigurationError

if TYPE_CHECKING:
    from videodb_emulator.pure.chaos import Fault
    from videodb_emulator.pure.scenario import Scenario

Command = Callable[..., Any]


def _speed_in(text: str) -> float:
    if not (speed := float(text)) > 0:  # this way round NaN is refused, too
        raise ValueError(f"{text} is not more than 0")
    return speed


def _lag_in(text: str) -> float:
    return -seconds(text[1:]) if text.startswith("-") else seconds(text)


_port = click.option(
    "--port", type=click.IntRange(0, 65535), default=0, metavar="PORT", help="Port on 127.0.0.1.  [default: a free one]"
)
_speed = click.option(
    "--speed", type=Parsed(_speed_in, "FLOAT"), default=1.0, show_default=True, help="Divides every delay."
)


def _dialect_option(name: str, known: Iterable[str], text: str) -> Callable[[Command], Command]:
    choices = list(known)
    return click.option(name, type=click.Choice(choices), default=choices[0], show_default=True, help=text)


@click.group()
def emulator() -> None:
    """A VideoDB realtime backend on this machine, for tests and demos.

    `serve` prints VIDEO_DB_API=http://127.0.0.1:PORT; with that in its environment a listener connects here.
    """


_ENTRIES = "\n".join(f"  {example:<17}{meaning}" for example, meaning in EXAMPLES.items())
_SERVE = f"""Serve a scripted capture session and the API around it; any non-empty key is accepted.

The first line on stdout is VIDEO_DB_API=http://127.0.0.1:PORT. The scripted session starts when a client connects.

\b
A PLAN of faults has commas between its entries:
{_ENTRIES}
@TIME counts from the moment the connection was accepted. An entry is
for the first connection; #2 behind it: for the second, #*: for every one.
rest and expire-url come before the connection that they are for, api
comes from then until the next one:

\b
  emulator serve --chaos 'drop@3s,rest:500x2#2,close:1012@5s#2'
"""


@emulator.command(help=_SERVE)
@_port
@_speed
@click.option(
    "--scenario",
    "name",
    default="meeting",
    show_default=True,
    metavar="meeting|hostile-guest|none|FILE",
    help="What happens once a client connects; none: hello only.",
)
@click.option("--chaos", "plan", default="", metavar="PLAN", help="What goes wrong, e.g. drop@3s,rest:500x2#2.")
@_dialect_option("--time-unit", TIME_UNITS, "Of the times in events of streams that were started over REST.")
@_dialect_option("--visual-channel", VISUAL_CHANNELS, "What their visual indexes call themselves.")
@_dialect_option("--alert-shape", ALERT_SHAPES, "Which of the documented forms their alerts have.")
@_dialect_option("--rebind", REBINDS, "What a second start of a transcript does with its connection.")
@click.option(
    "--active-after",
    "active_after_s",
    default="1s",
    show_default=True,
    type=Parsed(seconds, "TIME"),
    help="From the recorder's start until its session is active.",
)
@_dialect_option("--record-order", RECORD_ORDERS, "Of records over REST; mixed: of indexes the newest first.")
@_dialect_option("--range-by", RANGES, "Which part of a record must lie between `start` and `end`.")
@click.option(
    "--record-lag",
    "record_lag_s",
    default="0",
    show_default=True,
    type=Parsed(_lag_in, "TIME"),
    help="From a live event until its record is there, e.g. 5s; -2s: the record is there before the event.",
)
@click.option(
    "--page-cap",
    type=click.IntRange(1, LARGEST_PAGE),
    default=LARGEST_PAGE,
    show_default=True,
    metavar="N",
    help="The most records on a page, whatever is asked for.",
)
@click.option(
    "--other-streams",
    type=click.IntRange(0, 1000),
    default=0,
    show_default=True,
    metavar="N",
    help="How many streams of another owner are listed.",
)
def serve(port: int, speed: float, name: str, plan: str, **dialect: Any) -> None:
    """Serve a scripted capture session and the API around it."""
    from videodb_emulator.pure.scenario import ScenarioError
    from videodb_emulator.scenarios.files import bundled, load

    try:
        faults = parse(plan)
    except ChaosError as error:
        raise ConfigurationError(f"--chaos: {error}", fix="see videodb-listen emulator serve --help") from error
    try:
        scenario = None if name == "none" else load(str(environment.path(name)) if name.startswith("~") else name)
    except ScenarioError as error:
        known = ", ".join([*bundled(), "none"])
        raise ConfigurationError(str(error), fix=f"give {known} or a scenario file") from error
    _run(scenario, port, speed, faults, Dialect(**dialect))


@emulator.command()
@click.argument("file", type=Parsed(environment.path, "FILE"))
@_port
@_speed
def replay(file: Path, port: int, speed: float) -> None:
    """Serve a recorded events file at its own pace, each frame as the server sent it.

    The replay starts when a client connects, and afterwards the connection stays open.

    \b
    videodb-listen emulator replay meeting.jsonl --speed 2
    """
    from videodb_emulator.pure.recording import parse

    try:
        scenario, skipped = parse(file.read_bytes(), source=file.name)
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}", fix="give an events file") from error
    for line in skipped:
        click.echo(f"{file}, line {line.line_number} skipped: {line.reason}", err=True)
    if not scenario.steps:
        raise ConfigurationError(f"{file} holds no event", fix="give an events file with at least one line")
    _run(scenario, port, speed)


def _run(
    scenario: Scenario | None,
    port: int,
    speed: float,
    faults: tuple[Fault, ...] = (),
    dialect: Dialect | None = None,
) -> None:
    try:
        import videodb_emulator.http.server  # noqa: F401 - asks only whether its libraries are there
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        fix = "pip install 'videodb-listen[emulator]'"
        raise ConfigurationError(f"the emulator needs an extra ({error.name} is missing)", fix=fix) from error
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="[%(asctime)s] %(message)s", datefmt="%H:%M:%S", force=True
    )
    try:
        asyncio.run(_serve_until_signal(scenario, speed=speed, port=port, faults=faults, dialect=dialect))
    except OSError as error:
        message = f"cannot listen on 127.0.0.1:{port}: {error.strerror}"
        raise ConfigurationError(message, fix="give another --port, or none for a free one") from error


async def _serve_until_signal(scenario: Scenario | None, **options: Any) -> None:
    from videodb_emulator.http.server import running_emulator
    from videodb_listen.system.signals import SIGINT, SIGTERM, handled

    stop = asyncio.Event()
    with handled({SIGINT: stop.set, SIGTERM: stop.set}):
        async with running_emulator(scenario, **options) as running:
            click.echo(f"VIDEO_DB_API={running.base_url}")
            sys.stdout.flush()
            await stop.wait()


for _command in (trigger, recorder):
    emulator.add_command(_command)
