"""Log records for people (`[HH:MM:SS] message`, dated in a file) or for collectors (one JSON object a line)."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

import orjson

from videodb_listen.errors import ListenError
from videodb_listen.system import descriptors
from videodb_listen.text import visible


class TextFormatter(logging.Formatter):
    """`[HH:MM:SS] message`, local time, `dated` with the day in front; the traceback only where there is one."""

    def __init__(self, *, dated: bool = False) -> None:
        super().__init__()
        self._form = "%Y-%m-%d %H:%M:%S" if dated else "%H:%M:%S"

    def format(self, record: logging.LogRecord) -> str:
        """One safe line, followed by the traceback if there is one."""
        clock = time.strftime(self._form, time.localtime(record.created))
        line = f"[{clock}] {visible(record.getMessage())}"
        return f"{line}\n{_traceback(self, record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """`{"unix_ts","level","message"}`; an error that ends the program is exactly its `as_dict()`."""

    def format(self, record: logging.LogRecord) -> str:
        """One JSON object."""
        if isinstance(record.msg, ListenError):
            return orjson.dumps(json_safe(record.msg.as_dict())).decode()
        fields = {
            "unix_ts": round(record.created, 3),
            "level": record.levelname.lower(),
            "message": visible(record.getMessage()),
        }
        if record.exc_info:
            fields["traceback"] = _traceback(self, record.exc_info)
        return orjson.dumps(fields).decode()


def json_safe(fields: Mapping[str, Any]) -> dict[str, Any]:
    """`fields` with every text made visible.

    A path need not be UTF-8, and JSON has no place for the lone surrogates that stand for such bytes in Python.
    """
    return {name: visible(value) if isinstance(value, str) else value for name, value in fields.items()}


def configure(handler: logging.Handler, *, level: str, format: str) -> None:
    """Send our records of at least `level` to `handler`; other libraries stay silent: their records hold URLs.

    Who looks at a terminal or a pipe knows the day; a file is read later.
    """
    dated = descriptors.is_regular(descriptors.STDERR)
    handler.setFormatter(JsonFormatter() if format == "json" else TextFormatter(dated=dated))
    ours = logging.getLogger("videodb_listen")
    ours.handlers[:] = [handler]
    ours.setLevel(level.upper())
    ours.propagate = False
    logging.getLogger().addHandler(logging.NullHandler())
    logging.raiseExceptions = False


def _traceback(formatter: logging.Formatter, exc_info: Any) -> str:
    return "\n".join(map(visible, formatter.formatException(exc_info).split("\n")))
