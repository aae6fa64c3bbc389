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

from videodb_listen.system import interrupts
from videodb_listen.version import __version__

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

GROUPS = {
    "Record": {
        "run": "The daemon, in the foreground (the default command).",
        "start": "The daemon, detached; returns when it is connected.",
        "stop": "End the daemon and wait until it is gone.",
        "status": "Whether a listener runs and is connected.",
        "id": "The live connection id, waiting for one if need be.",
    },
    "Read": {
        "tail": "The last events, and what comes.",
        "query": "The events of a time, a channel, a stream, a session.",
        "read": "Exactly what is new since the last time.",
        "feed": "What is new, in batches that are acknowledged: for agents.",
        "show": "One event by its id.",
        "wait": "Block until an event is there; print its line.",
        "stats": "Counts, rates and gaps.",
        "verify": "Whether the files are whole.",
        "export": "Subtitles (srt, vtt), a transcript (txt), a table (csv).",
    },
    "Capture": {"session": "Capture sessions: record, list, show, export."},
    "Try out": {"emulator": "A VideoDB realtime backend on this machine, without any key."},
}
"""By what one wants: the name of each command, which is that of its module in `cli`, and what it does."""

COMMANDS = {name: text for commands in GROUPS.values() for name, text in commands.items()}

IMPLICIT = "videodb_listen.implicit_run"
"""Key in `Context.meta`: `run` was not spelled out, so a bare word cannot be told from a mistyped command."""
WORDS = "videodb_listen.words"
"""Key in `Context.meta`: the words behind the command's name, as they were given."""

GROUPED = ("session", "emulator")  # they have commands of their own
_OF_THE_PROGRAM = ("-h", "--help", "-V", "--version")
_PLACES = ("--dir", "--cwd")


def meant(words: Sequence[str]) -> tuple[str | None, Sequence[str]]:
    """The command that `words` mean, and the words for it; "": the program itself, None: the first word means nothing.

    --dir and --cwd may stand before the command. `help` asks for the help of what follows.
    """
    places, rest = _split(words)
    first = rest[0] if rest else ""
    if first == "help":
        return meant([*places, *rest[1:], "--help"])
    if first in _OF_THE_PROGRAM:
        return "", [first]
    if first in COMMANDS:
        own = 2 if first in GROUPED else 1
        placed = places if len(rest) >= own and not rest[own - 1].startswith("-") else []
        return first, [*rest[1:own], *placed, *rest[own:]]
    means_run = not first or first.startswith("-") or _is_directory_word(first)
    return ("run", words) if means_run else (None, rest)


def _split(words: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """The places that stand in front of `words`, with their values, and the other words."""
    count = 0
    while count < len(words) and words[count].partition("=")[0] in _PLACES:
        count += 1 if "=" in words[count] else 2
    return words[:count], words[count:]


class FirstWordDecides(click.Group):
    """Commands by name; without one, or with an option or a directory in its place, it is `run`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module now, and not before."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(f"videodb_listen.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the command in front that is meant."""
        name, words = meant(args)
        if ctx.resilient_parsing and not _split(args)[1]:  # a shell completes the first word
            name, words = "", []
        if name is None:
            raise _no_command(words[0], COMMANDS)
        if not name:
            return super().parse_args(ctx, list(words))
        ctx.meta[IMPLICIT] = len(words) == len(args)
        ctx.meta[WORDS] = words
        return super().parse_args(ctx, [name, *words])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """From now on Ctrl-C interrupts the command, which is loaded; `run` it ends until there is a listener."""
        name, command, rest = super().resolve_command(ctx, args)
        if name != "run":
            interrupts.be_raised()
        return name, command, rest

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands, and the options of `run`, which stand in their place."""
        run = self.get_command(ctx, "run")
        assert run is not None
        items = [*super().shell_complete(ctx, incomplete), *run.shell_complete(ctx, incomplete)]
        return list({item.value: item for item in items}.values())

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table: listing the commands must not import them."""
        for title, commands in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl(list(commands.items()))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands first, then the options of `run`, which is what most people type."""
        super().format_options(ctx, formatter)
        run = self.get_command(ctx, "run")
        assert run is not None
        rows = [row for parameter in run.get_params(ctx) if (row := parameter.get_help_record(ctx))]
        with formatter.section("Options of run and start"):
            formatter.write_dl([row for row in rows if row[0].startswith("--")])


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


@click.command(cls=FirstWordDecides, context_settings={"max_content_width": 100, "help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="videodb-listen", message="%(prog)s %(version)s")
def cli() -> None:
    """Keep the VideoDB event WebSocket open and append every event to a file.

    \b
    videodb-listen start --clear                 record in the background
    WS_ID=$(videodb-listen id)                   the id that sessions report to
    videodb-listen wait capture_session.active   block until it happens
    videodb-listen tail -f                       see what comes
    videodb-listen stop

    Without a command it is run: videodb-listen --clear, videodb-listen ./out. --dir and --cwd may stand before a
    command; help COMMAND and COMMAND --help show what it takes.
    """
