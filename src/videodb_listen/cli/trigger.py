"""`videodb-listen emulator trigger`: one event, now."""

from __future__ import annotations

import difflib
import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import click

from videodb_listen.errors import ConfigurationError

_TIMEOUT_S = 10.0  # on loopback an answer takes milliseconds; longer means that nobody is at home
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@click.command()
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
    from videodb_emulator.pure.templates import EVENTS

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
        with opener.open(request, timeout=_TIMEOUT_S) as response:
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
