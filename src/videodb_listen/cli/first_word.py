"""The first word decides: the table of commands, and what stands for `run`.

A command's module is imported when that command is meant, and not before: the reading commands and `--help` load
neither the network stack nor asyncio.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from videodb_listen.version import __version__

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS = {
    "run": ("run", "The daemon, in the foreground (the default command)."),
    "start": ("start", "The daemon, detached; returns when it is connected."),
    "stop": ("stop", "End the daemon and wait until it is gone."),
    "status": ("status", "Whether a listener runs and is connected."),
    "id": ("id", "The live connection id, waiting for one if need be."),
    "wait": ("wait", "Block until an event is there; print its line."),
    "tail": ("tail", "The last events, and what comes."),
    "query": ("query", "The events of a time, a channel, a stream, a session."),
    "read": ("read", "Exactly what is new since the last time."),
    "feed": ("feed", "What is new, in batches that are acknowledged: for agents."),
    "show": ("show", "One event by its id."),
    "stats": ("stats", "Counts, rates and gaps."),
    "verify": ("verify", "Whether the files are whole."),
    "export": ("export", "Subtitles (srt, vtt), a transcript (txt), a table (csv)."),
    "session": ("session", "Capture sessions: record, list, show, export."),
    "emulator": ("emulator", "A VideoDB realtime backend on this machine, without any key."),
}
"""Name of a command to its module in `cli` and what it does, in the order in which one learns them."""

IMPLICIT = "videodb_listen.implicit_run"
"""Key in `Context.meta`: `run` was not spelled out, so a bare word cannot be told from a mistyped command."""
WORDS = "videodb_listen.words"
"""Key in `Context.meta`: the words behind the command's name, as they were given."""


def meant(words: Sequence[str]) -> tuple[str | None, Sequence[str]]:
    """The command that `words` mean, and the words for it; no command, None, for a first word that means nothing."""
    first = words[0] if words else ""
    if first in COMMANDS:
        return first, words[1:]
    means_run = not first or first.startswith("-") or _is_directory_word(first)
    return "run" if means_run else None, words


class FirstWordDecides(click.Group):
    """Commands by name; without one, or with an option or a directory in its place, it is `run`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module now, and not before."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(f"videodb_listen.cli.{COMMANDS[cmd_name][0]}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `run` in front unless the first word says otherwise."""
        if args[:1] in (["--help"], ["--version"]) or (ctx.resilient_parsing and not args):
            return super().parse_args(ctx, args)  # without words a shell completes the first one
        name, words = meant(args)
        if name is None:
            raise _no_command(args[0], COMMANDS)
        ctx.meta[IMPLICIT] = len(words) == len(args)
        ctx.meta[WORDS] = words
        return super().parse_args(ctx, [name, *words])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands, and the options of `run`, which stand in their place."""
        run = self.get_command(ctx, "run")
        assert run is not None
        items = [*super().shell_complete(ctx, incomplete), *run.shell_complete(ctx, incomplete)]
        return list({item.value: item for item in items}.values())

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table: listing the commands must not import them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands first, then the options of `run`, which is what most people type."""
        super().format_options(ctx, formatter)
        run = self.get_command(ctx, "run")
        assert run is not None
        rows = [row for parameter in run.get_params(ctx) if (row := parameter.get_help_record(ctx))]
        with formatter.section("Options of run and start"):
            formatter.write_dl([row for row in rows if row[0].startswith("--") and row[0] != "--help"])


def require_directory_word(word: str) -> None:
    """Raise a usage error unless `word` can only mean a directory: it has a slash, or one of that name exists."""
    if not _is_directory_word(word):
        raise _no_command(word)


def _no_command(word: str, commands: Iterable[str] = ()) -> click.UsageError:
    import difflib

    close = difflib.get_close_matches(word, list(commands), n=1, cutoff=0.65)
    hint = f"did you mean {close[0]}? " if close else ""
    return click.UsageError(f"no command {word!r}: {hint}a directory is ./{word}")


def _is_directory_word(word: str) -> bool:
    return "/" in word or Path(word).is_dir()


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
