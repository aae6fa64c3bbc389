"""One text goes to a terminal, into a pipe and into a file, and is fit for each of them."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from support.daemon import PYTHON, Site
from videodb_listen.line import encode_line

NOW_S = 1_772_446_530.0
HEBREW = "\u200f(\u05e9\u05dc\u05dd)\u200f 12%"
STEERING = "\x1b\x7f\x9b\u200f\u202e\u2028"


@pytest.fixture
def recorded(lone_site: Site) -> Site:
    """A directory whose file has texts that read from the right and texts that mean harm."""
    lone_site.directory.mkdir(mode=0o700)
    events = [
        {"channel": "transcript", "rtstream_name": "mic", "data": {"text": HEBREW, "is_final": True}},
        {"channel": "alert", "data": {"label": STEERING, "context": [STEERING, {STEERING: STEERING}]}},
    ]
    lines = (encode_line(json.dumps(event).encode(), NOW_S + number) for number, event in enumerate(events))
    lone_site.files.events.write_bytes(b"".join(lines))
    return lone_site


def words(site: Site, command: str, *args: str) -> list[str]:
    return [PYTHON, "-m", "videodb_listen", command, "--dir", str(site.directory), *args]


def piped(site: Site, command: str, *args: str) -> str:
    """What the command writes into a pipe."""
    done = subprocess.run(words(site, command, *args), env=site.environment(), capture_output=True, check=True)
    return done.stdout.decode()


def shown(site: Site, command: str, *args: str) -> str:
    """What the command writes to a terminal, which adds a CR to each line."""
    output, terminal = pty.openpty()
    subprocess.run(words(site, command, *args), stdout=terminal, env=site.environment(), check=True)
    os.close(terminal)
    data = b""
    with contextlib.suppress(OSError), open(output, "rb", buffering=0) as file:  # noqa: PTH123
        while more := file.read(4096):
            data += more
    return data.decode().replace("\r\n", "\n")


def steers(text: str) -> bool:
    return any(character in text for character in STEERING)


@pytest.mark.parametrize("format", ["srt", "vtt", "txt", "csv"])
def test_direction_marks_are_in_a_file_and_in_a_pipe_as_they_were_said(recorded: Site, format: str) -> None:
    assert HEBREW in piped(recorded, "export", format)
    target = Path(recorded.directory, f"out.{format}")
    piped(recorded, "export", format, "-o", str(target))
    assert HEBREW in target.read_text("utf-8")


@pytest.mark.parametrize("format", ["srt", "vtt", "txt", "csv"])
def test_on_a_terminal_the_same_text_steers_nothing(recorded: Site, format: str) -> None:
    screen = shown(recorded, "export", format)
    assert not steers(screen)
    assert HEBREW.replace("\u200f", "\\u200f") in screen
    assert len(screen.splitlines()) == len(piped(recorded, "export", format).split("\n")[:-1])


@pytest.mark.parametrize("print_to", [piped, shown])
def test_an_object_is_printed_as_json_that_steers_no_terminal(recorded: Site, print_to: object) -> None:
    assert callable(print_to)
    printed = print_to(recorded, "wait", "alert", "--from", "start", "--print", "data")
    assert not steers(printed)
    assert json.loads(printed) == {"label": STEERING, "context": [STEERING, {STEERING: STEERING}]}


def test_an_export_into_the_home_directory_needs_no_shell(recorded: Site) -> None:
    recorded.home.mkdir(exist_ok=True)
    piped(recorded, "export", "txt", "-o", "~/said.txt")
    assert HEBREW in (recorded.home / "said.txt").read_text("utf-8")


def test_an_alert_is_found_by_all_that_it_says(recorded: Site) -> None:
    event = {"channel": "alert", "data": {"label": "fire", "explanation": "smoke", "context": "kitchen"}}
    with recorded.files.events.open("ab") as file:
        file.write(encode_line(json.dumps(event).encode(), NOW_S + 9))
    for pattern in ("fire", "smoke", "kitchen", "^fire: smoke"):
        assert json.loads(piped(recorded, "query", "--grep", pattern, "--format", "json"))["data"] == event["data"]
    assert "alert - fire: smoke; kitchen" in piped(recorded, "query", "--grep", "kitchen")


@pytest.mark.parametrize("digits", [0, 3, 6, 9])
def test_a_moment_is_understood_in_every_unit(recorded: Site, digits: int) -> None:
    moment = f"{int(NOW_S) + 1}{'0' * digits}"
    assert piped(recorded, "query", "--since", moment, "--format", "json").count("\n") == 1


def test_a_byte_order_mark_loses_no_event(recorded: Site) -> None:
    whole = recorded.files.events.read_bytes()
    recorded.files.events.write_bytes(b"\xef\xbb\xbf" + whole)
    since = str(int(NOW_S) - 1)
    for command in (["query"], ["query", "--since", since], ["tail"], ["read", "--cursor", "a"]):
        lines = piped(recorded, *command, "--format", "json").encode().removeprefix(b"\xef\xbb\xbf")
        assert lines == whole
    assert HEBREW in piped(recorded, "export", "txt")
    piped(recorded, "verify")
