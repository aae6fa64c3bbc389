"""The command line: parse, call, print. One file a group of commands; this one finds the command and reports errors.

Everything that costs start-up time is imported by the command that needs it: the reading commands and `--help` load
neither the network stack nor asyncio.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from videodb_listen.errors import Bug, ListenError, Usage
from videodb_listen.text import visible
from videodb_listen.version import __version__

_COMMANDS = {
    "run": ("videodb_listen.cli.run", "The daemon, in the foreground (the default command)."),
    "start": ("videodb_listen.cli.start", "The daemon, detached; returns when it is connected."),
    "stop": ("videodb_listen.cli.control", "End the daemon and wait until it is gone."),
    "status": ("videodb_listen.cli.control", "Whether a listener runs and is connected."),
    "id": ("videodb_listen.cli.control", "The live connection id, waiting for one if need be."),
    "wait": ("videodb_listen.cli.wait", "Block until an event is there; print its line."),
    "tail": ("videodb_listen.cli.tail", "The last events, and what comes."),
    "query": ("videodb_listen.cli.query", "The events of a time, a channel, a stream, a session."),
    "read": ("videodb_listen.cli.read", "Exactly what is new since the last time."),
    "stats": ("videodb_listen.cli.stats", "Counts, rates and gaps."),
    "verify": ("videodb_listen.cli.verify", "Whether the files are whole."),
    "export": ("videodb_listen.cli.export", "Subtitles (srt, vtt), a transcript (txt), a table (csv)."),
    "session": ("videodb_listen.cli.session", "Capture sessions: record, list, show, export."),
    "emulator": ("videodb_listen.cli.emulator", "A VideoDB realtime backend on this machine, without any key."),
}
IMPLICIT = "videodb_listen.implicit_run"
"""Key in `Context.meta`: `run` was not spelled out, so a bare word cannot be told from a mistyped command."""
WORDS = "videodb_listen.words"
"""Key in `Context.meta`: the words behind the command's name, as they were given."""


class FirstWordDecides(click.Group):
    """Commands by name; without one, or with an option or a directory in its place, it is `run`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which one learns them."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module now, and not before."""
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(importlib.import_module(_COMMANDS[cmd_name][0]), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `run` in front unless the first word says otherwise."""
        if ctx.resilient_parsing and not args:
            return super().parse_args(ctx, args)  # a shell completes the first word
        first = args[0] if args else ""
        if first not in _COMMANDS and first not in ("--help", "--version"):
            if first and not first.startswith("-"):
                require_directory_word(first, _COMMANDS)
            ctx.meta[IMPLICIT] = True
            args = ["run", *args]
        ctx.meta[WORDS] = args[1:]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands, and the options of `run`, which stand in their place."""
        run = self.get_command(ctx, "run")
        assert run is not None
        items = [*super().shell_complete(ctx, incomplete), *run.shell_complete(ctx, incomplete)]
        return list({item.value: item for item in items}.values())

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table above: listing the commands must not import them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands first, then the options of `run`, which is what most people type."""
        super().format_options(ctx, formatter)
        run = self.get_command(ctx, "run")
        assert run is not None
        rows = [row for parameter in run.get_params(ctx) if (row := parameter.get_help_record(ctx))]
        with formatter.section("Options of run and start"):
            formatter.write_dl([row for row in rows if row[0].startswith("--") and row[0] != "--help"])


def require_directory_word(word: str, commands: Iterable[str] = ()) -> None:
    """Raise a usage error unless `word` can only mean a directory: it has a slash, or one of that name exists."""
    if "/" in word or Path(word).is_dir():
        return
    close = difflib.get_close_matches(word, list(commands), n=1, cutoff=0.65)
    hint = f"did you mean {close[0]}? " if close else ""
    raise click.UsageError(f"no command {word!r}: {hint}a directory is ./{word}")


@click.command(cls=FirstWordDecides, context_settings={"max_content_width": 100})
@click.version_option(__version__, prog_name="videodb-listen", message="%(prog)s %(version)s")
def cli() -> None:
    """Keep the VideoDB event WebSocket open and append every event to a file.

    \b
    videodb-listen start --clear                 record in the background
    WS_ID=$(videodb-listen id)                   the id that sessions report to
    videodb-listen wait capture_session.active   block until it happens
    videodb-listen tail -f                       see what comes
    videodb-listen stop

    Without a command it is run: videodb-listen --clear, videodb-listen ./out.
    """


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line `args` (None: that of the process) and exit with its status."""
    words = list(sys.argv[1:] if args is None else args)
    try:
        status = cli.main(words, prog_name="videodb-listen", standalone_mode=False)
    except ListenError as exc:
        status = report(exc, as_json=_wants_json(words))
    except click.UsageError as exc:
        command = exc.ctx.command_path if exc.ctx else "videodb-listen"
        usage = Usage(" ".join(exc.format_message().split()).rstrip("."), fix=f"see {command} --help")
        status = report(usage, as_json=_wants_json(words))
    except click.Abort:
        status = 130  # 128 + SIGINT, as shells count
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115  # or Python complains once more while it exits
        status = 0
    except Exception as exc:  # noqa: BLE001  # the last resort: it becomes one line and status 70
        status = report(Bug.of(exc), as_json=_wants_json(words))
    sys.exit(status if isinstance(status, int) else 0)


def ws_listener() -> None:
    """The entry point that people know from the script of that name: the same as `videodb-listen run`."""
    main(["run", *sys.argv[1:]])


def report(error: ListenError, *, as_json: bool) -> int:
    """Print `error` as one line on stderr; its exit status."""
    if as_json:
        import orjson

        from videodb_listen.cli.logs import json_safe

        line = orjson.dumps(json_safe(error.as_dict())).decode()
    else:
        line = f"videodb-listen: {visible(str(error))}"
    click.echo(line, err=True)
    return error.status


def _wants_json(words: Sequence[str]) -> bool:
    joined = " ".join(words).replace("--log-format=", "--log-format ")
    chosen = "--json" in words or "--log-format json" in joined
    return chosen or os.environ.get("VIDEODB_LISTEN_LOG_FORMAT") == "json"
