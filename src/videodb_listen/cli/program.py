"""The program: runs the command that the words mean, and tells its failure as one line."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from typing import Any

import click

from videodb_listen.cli.first_word import cli, meant
from videodb_listen.cli.output import take_streams
from videodb_listen.environment import log_format
from videodb_listen.errors import Bug, ListenError, Usage
from videodb_listen.text import visible

ABORTED = 130
"""128 + SIGINT, as shells count."""

_ASKING = (click.Option(["--json", "as_json"], is_flag=True), click.Option(["--log-format"]))
"""What asks for failures as JSON, also of a command that has no such option."""


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line `args` (None: that of the process) and exit with its status."""
    take_streams()
    words = list(sys.argv[1:] if args is None else args)
    try:
        status = cli.main(words, prog_name="videodb-listen", standalone_mode=False)
    except click.Abort:
        status = ABORTED
    except Exception as exc:  # noqa: BLE001  # the last resort: it becomes one line and a status
        status = _report(_error_of(exc), as_json=asks_for_json(words))
    sys.exit(status if isinstance(status, int) else 0)


def ws_listener() -> None:
    """The entry point that people know from the script of that name: the same as `videodb-listen run`."""
    main(["run", *sys.argv[1:]])


def asks_for_json(words: Sequence[str]) -> bool:
    """Whether the command line `words` wants its failures as JSON: by `--json`, `--log-format json`, or a variable.

    Words mean what they mean to their command, as far as that understands them: the value of another option asks for
    nothing.
    """
    given: dict[str, Any] = {}
    with contextlib.suppress(Exception):  # a command that cannot even be loaded has no options
        given = _understood(words)
    return bool(given.get("as_json")) or (given.get("log_format") or log_format()) == "json"


def _understood(words: Sequence[str]) -> dict[str, Any]:
    """The options of a command line, right or wrong, by click's own parser, which then neither fails nor acts."""
    name, rest = meant(words)
    command: click.Command | None = None if name is None else cli.get_command(click.Context(cli), name)
    while isinstance(command, click.Group):
        name, *rest = rest or [""]
        command = command.get_command(click.Context(command), name)
    own = [] if command is None else command.params
    asking = [option for option in _ASKING if option.name not in {parameter.name for parameter in own}]
    lenient = click.Command(None, params=[*own, *asking])
    with lenient.make_context(
        None, list(rest), resilient_parsing=True, ignore_unknown_options=True, allow_extra_args=True
    ) as context:
        return context.params


def _error_of(exc: Exception) -> ListenError:
    if isinstance(exc, ListenError):
        return exc
    if isinstance(exc, click.UsageError):
        command = exc.ctx.command_path if exc.ctx else "videodb-listen"
        return Usage(" ".join(exc.format_message().split()).rstrip("."), fix=f"see {command} --help")
    return Bug.of(exc)


def _report(error: ListenError, *, as_json: bool) -> int:
    """Print `error` as one line on stderr; its exit status."""
    if as_json:
        import orjson

        from videodb_listen.cli.logs import json_safe

        line = orjson.dumps(json_safe(error.as_dict())).decode()
    else:
        line = f"videodb-listen: {visible(str(error))}"
    click.echo(line, err=True)
    return error.status
