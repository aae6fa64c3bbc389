"""A table has a row for every event, whatever is in it."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given

from support.transcripts import OBJECTS
from videodb_listen.formats.csv import COLUMNS, header, row


def cells(event: dict[str, Any]) -> dict[str, str]:
    """The row of `event` as a reader of CSV has it."""
    (found,) = csv.DictReader(io.StringIO(header() + row(event), newline=""))
    return {name: value for name, value in found.items() if value}


def test_the_header_names_the_columns() -> None:
    assert header() == ",".join(COLUMNS) + "\n"


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        ({}, {"channel": "event", "event": "event"}),
        (
            {"unix_ts": 1772446530.123, "event": "capture_session.active", "capture_session_id": "cap-1"},
            {
                "time": "2026-03-02T10:15:30.123Z",
                "channel": "capture_session",
                "event": "capture_session.active",
                "session": "cap-1",
                "text": "capture_session.active",
            },
        ),
        (
            {
                "channel": "transcript",
                "rtstream_name": "mic",
                "data": {"text": 'a "b", c', "is_final": False, "start": 0},
            },
            {
                "channel": "transcript",
                "event": "transcript",
                "stream_name": "mic",
                "text": 'a "b", c',
                "start": "1970-01-01T00:00:00.000Z",
                "final": "false",
            },
        ),
        ({"unix_ts": 1e11}, {"time": "5138-11-16T09:46:40.000Z", "channel": "event", "event": "event"}),
        ({"unix_ts": -1e11}, {"time": "-100000000000.0", "channel": "event", "event": "event"}),
    ],
)
def test_what_an_event_says_is_in_its_column_and_the_rest_is_empty(
    event: dict[str, Any], shown: dict[str, str]
) -> None:
    assert cells(event) == shown


@pytest.mark.parametrize("text", ["a\rb", "a\nb", "a\r\nb", "a\r"])
def test_line_breaks_in_a_text_are_no_rows(text: str) -> None:
    assert cells({"data": {"text": text}})["text"] == text


BREAKS = [chr(code) for code in range(0x3000) if len(f"a{chr(code)}b".splitlines()) > 1]


@pytest.mark.parametrize("character", BREAKS)
def test_whatever_any_reader_may_take_for_the_end_of_a_line_is_quoted(character: str) -> None:
    assert f'"a{character}b"' in row({"data": {"text": f"a{character}b"}})


def test_what_an_alert_says_is_in_its_row() -> None:
    found = cells({"channel": "alert", "data": {"label": "fire", "explanation": "smoke"}})
    assert (found["label"], found["text"]) == ("fire", "fire: smoke")


@given(OBJECTS)
def test_every_event_is_a_row_of_all_columns(event: dict[str, Any]) -> None:
    (found,) = csv.reader(io.StringIO(row(event), newline=""))
    assert len(found) == len(COLUMNS)
