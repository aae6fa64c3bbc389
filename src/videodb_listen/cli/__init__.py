"""The command line: parse, call, print. One file a command; `first_word` finds it, `program` runs it."""

from videodb_listen.cli.first_word import cli
from videodb_listen.cli.program import main, ws_listener

__all__ = ["cli", "main", "ws_listener"]
