"""`session record`: one recording, from the listener that it needs to the video that it becomes."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING, Any

import click

from videodb_listen import environment, service
from videodb_listen.cli.flags import DURATION, session_options
from videodb_listen.cli.output import write_out
from videodb_listen.paths import Layout
from videodb_listen.text import visible

if TYPE_CHECKING:
    from videodb_listen.capturing.recording import Plan

_KINDS = {"mic": "mic", "screen": "display", "system_audio": "system_audio"}
"""What a kind of channel is called on the command line, and by the recorder."""


@click.command()
@session_options
@click.option("--mic", is_flag=True, help="Record the microphone.")
@click.option("--screen", is_flag=True, help="Record the screen.")
@click.option("--system-audio", is_flag=True, help="Record what the machine plays.")
@click.option("--store", is_flag=True, help="Keep the recording, and export it at the end.")
@click.option("--for", "for_s", type=DURATION, metavar="TIME", help="Stop by itself after this.")
@click.option("--transcribe", is_flag=True, help="Have what is said transcribed.")
@click.option("--describe", metavar="PROMPT", help="Have the screen described, as PROMPT asks.")
@click.option("--alert", "alerts", multiple=True, metavar="LABEL=PROMPT", help="Be told when this is on the screen.")
@click.option("--user", metavar="ID", help="Who records, in your own terms. [default: the name of the account here]")
def record(**options: Any) -> None:
    """Record a session: have a listener ready, start, watch, stop, export; print where it can be seen.

    Without --mic, --screen or --system-audio, all that there is. Ctrl-C stops and waits for the export; a second one
    ends at once. The events go into the listener's file.

    \b
    videodb-listen session record --mic --screen --store --transcribe --for 30s
    """
    from videodb_listen.api.http import Api
    from videodb_listen.capturing.recording import Recording
    from videodb_listen.cli.progress import ProgressLines
    from videodb_listen.cli.session.foreground import run

    environ = environment.read(options["cwd"])
    plan = _plan(options, environ.value("collection", options))
    layout = environ.layout(options["directory"])
    api = Api(environ.account(options["base_url"], options["api_key_file"]))
    timeout_s = environ.value("startup_timeout_s", {})
    words = _words_for_run(layout, options)
    ws_id = service.start(layout, words, timeout_s, key=lambda: environ.file_key(options["api_key_file"]))
    progress = ProgressLines()
    write_out([visible(run(Recording(api, layout, ws_id, plan, progress), progress)).encode() + b"\n"])


def _plan(options: dict[str, Any], collection: str) -> Plan:
    """What the options ask for. Raises a usage error when it means nothing."""
    from videodb_listen.capturing.pipelines import Wanted
    from videodb_listen.capturing.recording import Plan

    wanted = Wanted(options["transcribe"], options["describe"], tuple(map(_alert, options["alerts"])))
    kinds = tuple(kind for name, kind in _KINDS.items() if options[name])
    if kinds and wanted.transcribe and not {"mic", "system_audio"} & set(kinds):
        raise click.UsageError("--transcribe needs --mic or --system-audio")
    if kinds and wanted.prompt and "display" not in kinds:
        raise click.UsageError("--describe and --alert need --screen")
    return Plan(collection, kinds, options["store"], options["for_s"], options["user"] or _user(), wanted)


def _user() -> str:
    """The name of who runs this, or the number where there is none, as in many a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _alert(text: str) -> tuple[str, str]:
    label, equals, prompt = text.partition("=")
    if not (label and equals and prompt):
        raise click.BadParameter(f"{text!r} is not LABEL=PROMPT", param_hint="--alert")
    return label, prompt


def _words_for_run(layout: Layout, options: dict[str, Any]) -> list[str]:
    flags = {
        "--dir": str(layout.directory),
        "--cwd": options["cwd"],
        "--base-url": options["base_url"],
        "--collection": options["collection"],
    }
    return [word for flag, value in flags.items() if value for word in (flag, value)]
