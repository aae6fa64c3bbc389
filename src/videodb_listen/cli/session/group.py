"""The group `session`, and its commands for sessions that are there. The client side is imported when one runs."""

from __future__ import annotations

from typing import Any

import click

from videodb_listen import environment
from videodb_listen.cli.flags import DURATION, session_options
from videodb_listen.cli.output import print_object, print_screen
from videodb_listen.cli.session.record import record
from videodb_listen.text import visible


@click.group()
def session() -> None:
    """Capture sessions: record one, look at those there are."""


session.add_command(record)


@session.command("list")
@session_options
@click.option("--status", metavar="STATE", help="Only those in this state, as in active.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object a line instead of a table.")
def list_(status: str | None, as_json: bool, **account: str | None) -> None:
    """List the sessions of the collection.

    \b
    videodb-listen session list --status active
    """
    connection, collection_id = _connection(account)
    for one in connection.list_capture_sessions(status, collection_id=collection_id):
        _show(one, as_json=as_json)


@session.command()
@click.argument("session_id", metavar="ID")
@session_options
def show(session_id: str, **account: str | None) -> None:
    """Show one session as the API has it, as JSON.

    \b
    videodb-listen session show cap-1234 | jq .status
    """
    _show(_session(session_id, account), as_json=True)


@session.command()
@click.argument("session_id", metavar="ID")
@session_options
@click.option(
    "--timeout",
    "timeout_s",
    type=DURATION,
    default=1800.0,
    metavar="TIME",
    help="Give up after this. [default: 30m]",
)
def export(session_id: str, timeout_s: float, **account: str | None) -> None:
    """Make a video of a stopped session, wait for it, and show the session as JSON.

    \b
    videodb-listen session export cap-1234 | jq -r .exported_video_id
    """
    one = _session(session_id, account)
    one.export()
    _show(one.wait_for("exported", timeout_s), as_json=True)


def _connection(options: dict[str, str | None]) -> tuple[Any, str]:
    from videodb_listen.api.http import Api
    from videodb_listen.capturing.connection import Connection

    environ = environment.read(options["cwd"])
    account = environ.account(options["base_url"], options["api_key_file"])
    return Connection(Api(account)), environ.value("collection", options)


def _session(session_id: str, options: dict[str, str | None]) -> Any:
    connection, collection_id = _connection(options)
    if not session_id.strip("."):
        raise click.BadParameter(f"{session_id!r} is not the id of a session", param_hint="ID")
    return connection.get_capture_session(session_id, collection_id)


def _show(one: Any, *, as_json: bool) -> None:
    if as_json:
        print_object(one.data)
    else:
        print_screen([f"{visible(one.id):<42} {visible(one.status or '-'):<10} {visible(one.created_at or '')}"])
