"""`session`: capture sessions from the shell."""

from videodb_listen.cli.session.group import session

__all__ = ["session"]
