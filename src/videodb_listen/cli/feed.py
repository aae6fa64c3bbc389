"""`feed`: what is new for a consumer, in batches that it acknowledges."""

from __future__ import annotations

import math
import shlex
from functools import partial
from typing import Any

import click
from click.core import ParameterSource

from videodb_listen.cli.filters import Filters, filter_options
from videodb_listen.cli.first_word import WORDS
from videodb_listen.cli.flags import DURATION, format_option
from videodb_listen.cli.output import is_terminal
from videodb_listen.cli.reading import with_recording
from videodb_listen.errors import NotRunning
from videodb_listen.feed import Feed, monitor
from videodb_listen.feed.show import AROUND, LEAST, AsBrief, AsJson, Show
from videodb_listen.reader import query
from videodb_listen.reader.query import ANY, Where
from videodb_listen.reader.recording import Recording
from videodb_listen.reader.secret import fence_key
from videodb_listen.system.interrupts import interrupted
from videodb_listen.trust import SYSTEM

_CHARACTERS = 24_000
"""What goes into a pipe at once: harnesses show 30,000 characters, and lose the rest."""

_WAIT = ["--wait", "100s"]
"""What is advised: harnesses end a command after two minutes."""

_OF_AN_ACK = {"name", "group", "token", "directory", "cwd"}
"""Parameters that ask for nothing beside an acknowledgement."""

_FORMS = {"brief": "for models", "json": "an object a line"}


@click.command()
@click.argument("name")
@with_recording(there=False)
@filter_options
@click.option("--wait", "wait_s", type=DURATION, metavar="TIME", help="Wait so long for something new.")
@click.option("--ack", "token", metavar="TOKEN", help="The batch of this token is done. Alone, it prints nothing.")
@click.option(
    "--max-chars",
    "max_chars",
    type=click.IntRange(min=LEAST),
    metavar="N",
    help=f"Print no more than this. [default: {_CHARACTERS}; on a terminal no limit]",
)
@click.option("--lease", "lease_s", type=DURATION, default="5m", metavar="TIME", help="Of a batch. [default: 5m]")
@click.option("--group", metavar="NAME", help="Share with others: each item goes to one of them.")
@format_option("brief", _FORMS)
@click.option("-f", "--follow", "follows", is_flag=True, help="Only tell how much is new, a line now and then.")
@click.option(
    "--lines-per-minute", "pace", type=click.FloatRange(min=0.1), default=6, help="With --follow. [default: 6]"
)
@click.pass_context
def feed(context: click.Context, /, recording: Recording, chosen: Filters, **options: Any) -> None:
    """Print what is new for NAME, in one batch that ends with the command for the next one.

    What is not acknowledged comes again: to NAME as soon as it asks, to others of its group when the lease is over.
    Gaps, new connection ids and the end of the listener are items as well. 124: nothing new within --wait. 3: nothing
    is left, and no listener runs.

    \b
    videodb-listen feed my-agent --wait 100s
    videodb-listen feed my-agent --wait 100s --ack 3f9c21aa
    videodb-listen feed my-agent --follow
    """
    feed = Feed(recording, options["name"], group=options["group"], lease_s=options["lease_s"], voices=chosen.voices)
    notices = _notices(chosen, context.params["who"])
    if options["token"]:
        feed.acknowledge(options["token"])
    if options["follows"]:
        _follow(feed, chosen.where, notices, options["pace"])
    elif not options["token"] or _asks_for_more(context):
        _next(context, feed, chosen, notices, brief=options["format"] == "brief")


def _next(context: click.Context, feed: Feed, chosen: Filters, notices: Where, *, brief: bool) -> None:
    """Print the next batch. A model is spared interim transcripts: they are said again."""
    options = context.params
    limit = options["max_chars"] or (math.inf if is_terminal() else _CHARACTERS)
    key = fence_key(feed.recording.directory)
    show: Show = AsBrief(chosen.voices, key, partial(_advice, context)) if brief else AsJson(limit)
    where = chosen.where & query.final() if brief else chosen.where
    batch = feed.next(where, notices=notices, wait_s=options["wait_s"], max_size=limit - AROUND, size=show.size)
    click.echo(show.batch(batch), nl=False)


def _follow(feed: Feed, where: Where, notices: Where, pace: float) -> None:
    """Print a line now and then, and a last one however it ends."""
    hint = f"read with videodb-listen feed {feed.name}"
    try:
        with interrupted(), feed.recording.watch() as watch:
            news = monitor.News(feed, where & query.final(), notices)
            for line in monitor.lines(
                news.look, feed.recording.is_written, watch.wait, hint=hint, lines_per_minute=pace
            ):
                click.echo(line)
    except KeyboardInterrupt:
        click.echo("no longer following")
        return
    raise NotRunning(f"no listener runs in {feed.recording.directory}", fix="start one: videodb-listen start")


def _notices(chosen: Filters, who: tuple[str, ...]) -> Where:
    """What of the journal is wanted: all of that time. It is no words of any stream, so no other filter is about it."""
    if who and SYSTEM not in who:
        return ~ANY
    since = ANY if chosen.since_s is None else query.since(chosen.since_s)
    return since if chosen.until_s is None else since & query.until(chosen.until_s)


def _asks_for_more(context: click.Context) -> bool:
    """Whether anything is there beside the acknowledgement."""
    given = (name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE)
    return bool(set(given) - _OF_AN_ACK)


def _advice(context: click.Context, token: str | None) -> str:
    """The command for the next batch: the one that was given, with this token."""
    words = list(context.meta.get(WORDS, ()))
    kept, skipped = [], False
    for word in words:
        if not skipped and word != "--ack" and not word.startswith("--ack="):
            kept.append(word)
        skipped = word == "--ack"
    if "--wait" not in kept:
        kept += _WAIT
    return "next: " + shlex.join(["videodb-listen", "feed", *kept, *(["--ack", token] if token else [])])
