"""`session`: capture sessions from the shell. The client side is imported when a command runs."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable
from typing import Any

import click
import orjson

from videodb_listen.cli.options import Parsed, directory_options, find_account, find_layout, read_dotenv
from videodb_listen.cli.output import for_stdout, write_out
from videodb_listen.settings import value_of
from videodb_listen.system import descriptors
from videodb_listen.text import visible
from videodb_listen.units import parse_duration

_KINDS = {"mic": "mic", "screen": "display", "system_audio": "system_audio"}


def _account_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What every command here takes: whose account, and where."""
    for option in (
        click.option("--api-key-file", metavar="FILE", help="Read the API key from FILE."),
        click.option("--base-url", metavar="URL", help="Address of the API. [default: $VIDEO_DB_API]"),
        click.option("--collection", metavar="ID", help="Collection of the session. [default: default]"),
    ):
        command = option(command)
    return directory_options(command)


@click.group()
def session() -> None:
    """Capture sessions: record one, look at those there are."""


@session.command()
@_account_options
@click.option("--mic", is_flag=True, help="Record the microphone.")
@click.option("--screen", is_flag=True, help="Record the screen.")
@click.option("--system-audio", is_flag=True, help="Record what the machine plays.")
@click.option("--store", is_flag=True, help="Keep the recording, and export it at the end.")
@click.option("--for", "for_s", type=Parsed(parse_duration, "TIME"), metavar="TIME", help="Stop by itself after this.")
@click.option("--transcribe", is_flag=True, help="Have what is said transcribed.")
@click.option("--describe", metavar="PROMPT", help="Have the screen described, as PROMPT asks.")
@click.option("--alert", "alerts", multiple=True, metavar="LABEL=PROMPT", help="Be told when this is on the screen.")
@click.option("--user", metavar="ID", help="Who records, in your own terms. [default: the name of the account here]")
def record(
    directory: str | None,
    cwd: str | None,
    base_url: str | None,
    collection: str | None,
    api_key_file: str | None,
    store: bool,
    for_s: float | None,
    transcribe: bool,
    describe: str | None,
    alerts: tuple[str, ...],
    user: str | None,
    **kinds: bool,
) -> None:
    """Record a session: have a listener ready, start, watch, stop, export; print where it can be seen.

    Without --mic, --screen or --system-audio, all that there is. Ctrl-C stops and waits for the export; a second one
    ends at once. The events go into the listener's file.

    \b
    videodb-listen session record --mic --screen --store --transcribe --for 30s
    """
    from videodb_listen.api.http import Api
    from videodb_listen.capturing.pipelines import Wanted
    from videodb_listen.capturing.recording import Plan, Recording, run
    from videodb_listen.cli.progress import Progress
    from videodb_listen.cli.start import connection_id

    descriptors.occupy_standard()
    wanted = Wanted(transcribe, describe, tuple(map(_alert, alerts)))
    chosen = tuple(_KINDS[kind] for kind, wish in kinds.items() if wish)
    if chosen and transcribe and not {"mic", "system_audio"} & set(chosen):
        raise click.UsageError("--transcribe needs --mic or --system-audio")
    if chosen and wanted.prompt and "display" not in chosen:
        raise click.UsageError("--describe and --alert need --screen")
    dotenv = read_dotenv(cwd)
    layout = find_layout(directory, dotenv)
    api = Api(find_account(base_url, dotenv, api_key_file))
    collection_id = value_of("collection", {"collection": collection}, os.environ)
    timeout_s = value_of("startup_timeout_s", {}, os.environ)
    plan = Plan(collection_id, chosen, store, for_s, user or getpass.getuser(), wanted)
    given = {"--cwd": cwd, "--base-url": base_url, "--collection": collection, "--api-key-file": api_key_file}
    words = [word for flag, value in given.items() if value for word in (flag, value)]
    ws_id = connection_id(layout, ["--dir", str(layout.directory), *words], timeout_s)
    progress = Progress()
    write_out([visible(run(Recording(api, layout, ws_id, plan, progress), progress)).encode() + b"\n"])


@session.command("list")
@_account_options
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
@_account_options
def show(session_id: str, **account: str | None) -> None:
    """Show one session as the API has it, as JSON.

    \b
    videodb-listen session show cap-1234 | jq .status
    """
    _show(_session(session_id, account), as_json=True)


@session.command()
@click.argument("session_id", metavar="ID")
@_account_options
@click.option(
    "--timeout",
    "timeout_s",
    type=Parsed(parse_duration, "TIME"),
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


def _connection(account: dict[str, str | None]) -> tuple[Any, str]:
    from videodb_listen.api.http import Api
    from videodb_listen.capturing.connection import Connection

    found = find_account(account["base_url"], read_dotenv(account["cwd"]), account["api_key_file"])
    return Connection(Api(found)), value_of("collection", account, os.environ)


def _session(session_id: str, account: dict[str, str | None]) -> Any:
    connection, collection_id = _connection(account)
    if not session_id.strip("."):
        raise click.BadParameter(f"{session_id!r} is not the id of a session", param_hint="ID")
    return connection.get_capture_session(session_id, collection_id)


def _show(one: Any, *, as_json: bool) -> None:
    if as_json:
        write_out([for_stdout(orjson.dumps(one.data) + b"\n")])
    else:
        write_out(
            [f"{visible(one.id):<42} {visible(one.status or '-'):<10} {visible(one.created_at or '')}\n".encode()]
        )


def _alert(text: str) -> tuple[str, str]:
    label, equals, prompt = text.partition("=")
    if not (label and equals and prompt):
        raise click.BadParameter(f"{text!r} is not LABEL=PROMPT", param_hint="--alert")
    return label, prompt
