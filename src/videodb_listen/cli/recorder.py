"""`videodb-listen emulator recorder`: what an SDK would start in place of the real recorder."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from videodb_listen.environment import variables
from videodb_listen.errors import ConfigurationError
from videodb_listen.paths import cache_directory

_FLAGS = {
    "no-permission": "Deny the microphone and the screen.",
    "no-display": "Have no display.",
    "camera": "Have a camera.",
    "silent": "Never answer.",
    "garbage": "Say noise between the lines.",
    "both-spellings": "Say recording:started, too, after recording-started.",
}


def _flags(command: Callable[..., Any]) -> Callable[..., Any]:
    for name, text in reversed(_FLAGS.items()):
        command = click.option(f"--{name}", is_flag=True, help=text)(command)
    return command


@click.command()
@_flags
@click.option("--crash-after", metavar="TIME", help="Die so long after a recording started, e.g. 2s.")
@click.option(
    "--plan",
    envvar="VIDEODB_RECORDER_PLAN",
    show_envvar=True,
    default="",
    metavar="PLAN",
    help="All that in one word, e.g. no-display,crash-after:2s.",
)
@click.option(
    "--base-url", envvar="VIDEO_DB_API", show_envvar=True, default="", metavar="URL", help="Unless the SDK says."
)
def recorder(crash_after: str | None, plan: str, base_url: str, **flags: bool) -> None:
    """Stand in for an SDK's recorder: record nothing, and drive a session of the emulator.

    It reads commands from stdin and answers on stdout, one line each; it ends with `shutdown`, or with stdin. A second
    one says that another is running, and exits with 2. An SDK gives its recorder no arguments, so the PLAN comes from
    the environment.

    \b
    VIDEODB_RECORDER='videodb-listen emulator recorder --no-display' videodb-listen session record
    """
    from videodb_emulator.pure.recorder import PlanError, parse
    from videodb_emulator.recorder import run

    entries = [plan, *(name.replace("_", "-") for name, given in flags.items() if given)]
    if crash_after is not None:
        entries.append(f"crash-after:{crash_after}")
    try:
        parsed = parse(",".join(entries))
    except PlanError as error:
        raise ConfigurationError(f"--plan: {error}", fix="see videodb-listen emulator recorder --help") from error
    lock = cache_directory(variables()) / "videodb-emulator" / "recorder.lock"
    sys.exit(run(parsed, base_url, sys.stdin.buffer, _write, lock))


def _write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()  # the SDK waits for it
