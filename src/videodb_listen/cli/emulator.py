"""`videodb-listen emulator`: a VideoDB realtime backend on this machine.

The server and its libraries are imported when a command runs, so that `--help` works, and stays quick, without the
extra.
"""

from __future__ import annotations

import asyncio
import difflib
import json
import logging
import signal
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from videodb_listen.errors import ConfigurationError

if TYPE_CHECKING:
    from videodb_listen.emulator.chaos import Fault
    from videodb_listen.emulator.scenario import Scenario

_TRIGGER_TIMEOUT_S = 10.0  # on loopback an answer takes milliseconds; longer means that nobody is at home
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def _positive(_context: click.Context, _parameter: click.Parameter, value: float) -> float:
    if not value > 0:  # this way round NaN is refused, too
        raise click.BadParameter(f"{value} is not more than 0.")
    return value


_port = click.option(
    "--port", type=click.IntRange(0, 65535), default=0, metavar="PORT", help="Port on 127.0.0.1.  [default: a free one]"
)
_speed = click.option(
    "--speed", type=float, default=1.0, show_default=True, callback=_positive, help="Divides every delay."
)


@click.group()
def emulator() -> None:
    """A VideoDB realtime backend on this machine, for tests and demos.

    `serve` prints VIDEO_DB_API=http://127.0.0.1:PORT; with that in its environment a listener connects here.
    """


@emulator.command()
@_port
@_speed
@click.option(
    "--scenario",
    "name",
    default="meeting",
    show_default=True,
    metavar="meeting|none|FILE",
    help="What happens once a client connects; none: hello only.",
)
@click.option("--chaos", "plan", default="", metavar="PLAN", help="What goes wrong, e.g. drop@3s,rest:500x2#2.")
def serve(port: int, speed: float, name: str, plan: str) -> None:
    """Serve a scripted capture session; any non-empty key is accepted.

    The first line on stdout is VIDEO_DB_API=http://127.0.0.1:PORT. The session starts when a client connects.

    \b
    A PLAN of faults has commas between its entries:
      drop@3s          end the TCP stream without a Close
      rst@5s           reset the TCP connection
      close:1011@4s    send a Close with this code
      freeze@6s        neither read nor send any more
      duplicate@2s     send the next event twice
      truncate@3s      send half of the next event, then end the stream
      hello-delay:15s  say the connection id this late
      rest:500x2       refuse two requests for a WebSocket URL
      rest:429:2s      the same, once, with a Retry-After
      expire-url       hand out one WebSocket URL that is expired
    @TIME counts from the moment the connection was accepted. An entry is
    for the first connection; #2 behind it: for the second, #*: for every one.
    rest and expire-url come before the connection that they are for:

    \b
      emulator serve --chaos 'drop@3s,rest:500x2#2,close:1012@5s#2'
    """
    from videodb_listen.emulator.chaos import ChaosError, parse
    from videodb_listen.emulator.scenario import ScenarioError, bundled, load

    try:
        faults = parse(plan)
    except ChaosError as error:
        raise ConfigurationError(f"--chaos: {error}", fix="see videodb-listen emulator serve --help") from error
    try:
        scenario = None if name == "none" else load(name)
    except ScenarioError as error:
        known = ", ".join([*bundled(), "none"])
        raise ConfigurationError(str(error), fix=f"give {known} or a scenario file") from error
    _run(scenario, port, speed, faults)


@emulator.command()
@click.argument("file", type=click.Path(path_type=Path))
@_port
@_speed
def replay(file: Path, port: int, speed: float) -> None:
    """Serve a recorded events file at its own pace, each frame as the server sent it.

    The replay starts when a client connects, and afterwards the connection stays open.

    \b
    videodb-listen emulator replay meeting.jsonl --speed 2
    """
    from videodb_listen.emulator.recording import parse

    try:
        scenario, skipped = parse(file.read_bytes(), source=file.name)
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}", fix="give an events file") from error
    for line in skipped:
        click.echo(f"{file}, line {line.line_number} skipped: {line.reason}", err=True)
    if not scenario.steps:
        raise ConfigurationError(f"{file} holds no event", fix="give an events file with at least one line")
    _run(scenario, port, speed)


def _run(scenario: Scenario | None, port: int, speed: float, faults: tuple[Fault, ...] = ()) -> None:
    try:
        import videodb_listen.emulator.server  # noqa: F401 - asks only whether its libraries are there
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        fix = "pip install 'videodb-listen[emulator]'"
        raise ConfigurationError(f"the emulator needs an extra ({error.name} is missing)", fix=fix) from error
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="[%(asctime)s] %(message)s", datefmt="%H:%M:%S", force=True
    )
    try:
        asyncio.run(_serve_until_signal(scenario, port, speed, faults))
    except BrokenPipeError:  # nobody reads the first line: that is click's to say, not a matter of the port
        raise
    except OSError as error:
        message = f"cannot listen on 127.0.0.1:{port}: {error.strerror}"
        raise ConfigurationError(message, fix="give another --port, or none for a free one") from error


async def _serve_until_signal(scenario: Scenario | None, port: int, speed: float, faults: tuple[Fault, ...]) -> None:
    from videodb_listen.emulator.server import running_emulator

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running_emulator(scenario, speed=speed, port=port, faults=faults) as running:
        click.echo(f"VIDEO_DB_API={running.base_url}")
        sys.stdout.flush()
        await stop.wait()


@emulator.command()
@click.argument("event")
@click.option("--set", "changes", multiple=True, metavar="PATH=VALUE", help="Change a field, e.g. data.text=hello.")
@click.option(
    "--base-url", envvar="VIDEO_DB_API", metavar="URL", help="Where the emulator is.  [default: $VIDEO_DB_API]"
)
@click.option("--connection", metavar="ID", help="Send to this connection only.  [default: every open one]")
def trigger(event: str, changes: tuple[str, ...], base_url: str | None, connection: str | None) -> None:
    """Make a running emulator send one EVENT, e.g. transcript or capture_session.exported.

    The frame sent is printed on stdout. A VALUE that is JSON is taken as JSON, anything else as text.

    \b
    videodb-listen emulator trigger transcript --set data.text='Hello from the shell'
    """
    _known(event)
    order = {"event": event, "set": dict(_change(change) for change in changes), "connection_id": connection}
    sent = _post(_trigger_url(base_url), order)
    reached = len(sent["connections"])
    if not reached:
        what = (
            f"no open connection has the id {connection}" if connection else "no connection is open, nothing was sent"
        )
        click.echo(what, err=True)
        raise click.exceptions.Exit(1)
    click.echo(sent["frame"])
    click.echo(f"sent to {reached} connection{'' if reached == 1 else 's'}", err=True)


def _known(event: str) -> None:
    from videodb_listen.emulator.templates import EVENTS

    if event in EVENTS:
        return
    near = difflib.get_close_matches(event, EVENTS, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise click.BadParameter(f"no event {event!r}.{hint} Known: {', '.join(EVENTS)}.", param_hint="EVENT")


def _change(text: str) -> tuple[str, Any]:
    path, equals, value = text.partition("=")
    if not path or not equals:
        raise click.BadParameter(f"{text!r} is not PATH=VALUE.", param_hint="--set")
    try:
        return path, json.loads(value)
    except ValueError:
        return path, value


def _trigger_url(base_url: str | None) -> str:
    if not base_url:
        raise ConfigurationError(
            "no emulator given", fix="set VIDEO_DB_API to what `emulator serve` printed, or --base-url"
        )
    parts = urllib.parse.urlsplit(base_url)
    if parts.scheme != "http" or parts.hostname not in _LOOPBACK:
        raise ConfigurationError(f"{base_url} is no emulator", fix="emulators are at http://127.0.0.1:PORT")
    return base_url.rstrip("/") + "/emulator/trigger"


def _post(url: str, order: dict[str, Any]) -> dict[str, Any]:
    """Return the `data` of the emulator's answer."""
    request = urllib.request.Request(url, json.dumps(order).encode(), {"Content-Type": "application/json"})  # noqa: S310
    # A proxy from the environment would be asked to fetch from its own loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_TRIGGER_TIMEOUT_S) as response:
            data: dict[str, Any] = json.load(response)["data"]
            return data
    except urllib.error.HTTPError as error:
        with error:
            raise ConfigurationError(_refusal(error), fix="check EVENT and --set") from error
    except OSError as error:
        reason = getattr(error, "reason", error)
        message = f"cannot reach an emulator at {url.removesuffix('/emulator/trigger')} ({reason})"
        raise ConfigurationError(message, fix="start one: videodb-listen emulator serve") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{url} answered, but not like an emulator", fix="check --base-url") from error


def _refusal(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["message"])
    except (ValueError, KeyError, TypeError, OSError):
        return f"{error.url} answered {error.code}, not like an emulator"
