"""Records for people and for collectors: one safe line each."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest

from videodb_listen.cli.logs import JsonFormatter, TextFormatter, configure, json_safe
from videodb_listen.errors import Usage
from videodb_listen.system import descriptors


def record(message: object, exc: Exception | None = None) -> logging.LogRecord:
    exc_info = None if exc is None else (type(exc), exc, None)
    return logging.LogRecord("videodb_listen", logging.WARNING, "", 0, message, (), exc_info)


def test_a_line_for_people_has_the_time_and_nothing_that_moves_the_cursor() -> None:
    assert re.fullmatch(r"\[\d\d:\d\d:\d\d\] a\\x1bb", TextFormatter().format(record("a\x1bb")))


def test_a_line_in_a_file_has_the_day_as_well(monkeypatch: pytest.MonkeyPatch, ours: logging.Logger) -> None:
    told = io.StringIO()
    monkeypatch.setattr(descriptors, "is_regular", lambda _: True)
    configure(logging.StreamHandler(told), level="info", format="text")
    ours.warning("a")
    assert re.fullmatch(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] a\n", told.getvalue())


def test_a_traceback_follows_line_by_line() -> None:
    shown = TextFormatter().format(record("a", KeyError("\x1b")))
    assert shown.splitlines()[1:] == ["KeyError: '\\x1b'"]


def test_a_line_for_collectors_is_one_object() -> None:
    told = json.loads(JsonFormatter().format(record("a\x1b\nb", KeyError("x"))))
    assert (told["level"], told["message"], told["traceback"]) == ("warning", "a\\x1b\\x0ab", "KeyError: 'x'")


def test_the_error_that_ends_the_program_is_what_json_prints_elsewhere() -> None:
    error = Usage("what happened", fix="what to do")
    assert json.loads(JsonFormatter().format(record(error))) == error.as_dict()


def test_a_path_that_is_no_text_has_a_place_in_json() -> None:
    assert json_safe({"directory": "/d\udcff", "pid": 1}) == {"directory": "/d\\udcff", "pid": 1}


@pytest.fixture
def ours() -> Iterator[logging.Logger]:
    root, ours = logging.getLogger(), logging.getLogger("videodb_listen")
    before = (root.handlers[:], ours.handlers[:], ours.level, ours.propagate, logging.raiseExceptions)
    yield ours
    root.handlers[:], ours.handlers[:], ours.level, ours.propagate, logging.raiseExceptions = before


def test_records_of_other_libraries_are_not_told(ours: logging.Logger) -> None:
    told = io.StringIO()
    configure(logging.StreamHandler(told), level="warning", format="text")
    logging.getLogger("websockets").error("wss://host/?token=secret")
    logging.getLogger("videodb_listen.cli").warning("ours")
    logging.getLogger("videodb_listen.cli").info("too little")
    assert [line.split("] ")[1] for line in told.getvalue().splitlines()] == ["ours"]
