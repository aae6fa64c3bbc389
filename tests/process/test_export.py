"""The meeting that the emulator plays, exported by the real command."""

from __future__ import annotations

import contextlib
import csv
import fcntl
import gzip
import json
import os
import pty
import random
import shutil
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest

from support.daemon import PYTHON, ROOT, Site
from videodb_emulator.pure.templates import Cast, fill
from videodb_listen.line import encode_line

MEETING = ROOT / "src" / "videodb_emulator" / "scenarios" / "meeting.json"
NOW_S = 1_772_446_530.0
HEAVY = ("asyncio", "websockets", "httpx2", "tenacity", "ssl")


def meeting() -> list[bytes]:
    """The lines that a listener writes of it."""
    cast, now_s, lines = Cast(random.Random(1).randbytes), NOW_S, []
    for step in json.loads(MEETING.read_bytes())["steps"]:
        now_s += step["after_s"]
        if "frame" in step:
            lines.append(encode_line(json.dumps(fill(step["frame"], cast, now_s)).encode(), now_s))
    return lines


@pytest.fixture
def recorded(lone_site: Site) -> Site:
    """A directory in which a listener has recorded the meeting."""
    lone_site.directory.mkdir()
    lone_site.files.events.write_bytes(b"".join(meeting()))
    return lone_site


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A name in a directory of its own."""
    path = tmp_path / "out" / "meeting.srt"
    path.parent.mkdir()
    return path


def command(site: Site, *words: str) -> list[str]:
    return [PYTHON, "-m", "videodb_listen", "export", "--dir", str(site.directory), *words]


def export(site: Site, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, with pipes for its output."""
    return subprocess.run(command(site, *words), capture_output=True, text=True, env=site.environment(), check=False)


def names_in(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


@pytest.mark.parametrize(("format", "codec"), [("srt", "subrip"), ("vtt", "webvtt")])
def test_a_player_accepts_the_subtitles(recorded: Site, tmp_path: Path, format: str, codec: str) -> None:
    if (ffprobe := shutil.which("ffprobe")) is None:
        pytest.skip("ffprobe is not installed")
    file = tmp_path / f"meeting.{format}"
    assert export(recorded, format, "-o", str(file)).returncode == 0
    entries = ["-show_entries", "stream=codec_name:packet=pts_time,duration_time"]
    words = [ffprobe, "-v", "error", "-of", "json", *entries, str(file)]
    found = subprocess.run(words, capture_output=True, text=True, check=True)
    assert found.stderr == ""
    probed = json.loads(found.stdout)
    assert [stream["codec_name"] for stream in probed["streams"]] == [codec]
    assert len(probed["packets"]) == file.read_text().count(" --> ") >= 16
    assert min(float(packet["duration_time"]) for packet in probed["packets"]) > 0


def test_the_transcript_says_what_was_said_and_nothing_else(recorded: Site) -> None:
    done = export(recorded, "txt")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("[00:00:00] mic:default: Morning Jürgen, can you see my screen?")
    assert done.stdout.count("Did anyone look at it over the weekend?") == 1
    assert "system_audio:default: Of course it was the clock." in done.stdout
    assert "Same time. Bis morgen!" in done.stdout
    assert "release board" not in done.stdout
    assert "Capture system_audio" not in done.stdout


def test_a_table_has_a_row_for_every_event(recorded: Site) -> None:
    done = export(recorded, "csv")
    header, *rows = csv.reader(done.stdout.splitlines())
    assert (done.returncode, done.stderr, header[0]) == (0, "", "time")
    assert len(rows) == len(meeting())


def test_every_file_of_the_history_is_exported(recorded: Site) -> None:
    first, second = meeting()[:20], meeting()[20:]
    rotated = recorded.directory / "videodb_events.20260302T101600.000Z.jsonl.gz"
    whole = export(recorded, "srt").stdout
    rotated.write_bytes(gzip.compress(b"".join(first)))
    recorded.files.events.write_bytes(b"".join(second))
    assert export(recorded, "srt").stdout == whole


# -- which events --


def test_one_stream_alone_can_be_exported(recorded: Site) -> None:
    done = export(recorded, "vtt", "--stream", "mic:default")
    assert done.stdout.count("<v mic:default>") == done.stdout.count(" --> ") == 8
    assert "<v system" not in done.stdout


def test_an_export_can_begin_later_and_then_begins_at_zero(recorded: Site) -> None:
    done = export(recorded, "txt", "--since", str(NOW_S + 30), "--grep", "thursday")
    assert done.stdout.splitlines() == [
        "[00:00:00] system_audio:default: Then what about the date, Thursday or Friday?",
        "[00:00:02] mic:default: Thursday. Never on a Friday.",
    ]


def test_a_table_takes_the_filters_too(recorded: Site) -> None:
    done = export(recorded, "csv", "--channel", "alert")
    assert {row["channel"] for row in csv.DictReader(done.stdout.splitlines())} == {"alert"}


def test_nothing_said_is_a_valid_file_and_a_word_on_stderr(recorded: Site, target: Path) -> None:
    done = export(recorded, "vtt", "--channel", "alert", "-o", str(target))
    assert (done.returncode, done.stdout, target.read_text()) == (0, "", "WEBVTT\n\n")
    assert done.stderr == "videodb-listen: no transcript among the events that match; see videodb-listen stats\n"


def test_damaged_lines_are_counted_in_one_line(recorded: Site) -> None:
    with recorded.files.events.open("ab") as file:
        file.write(b'{"channel":"transcript",\n\x00\x00transcript\n')
    done = export(recorded, "srt")
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert "2 damaged lines" in done.stderr
    assert "videodb-listen verify" in done.stderr


# -- where to --


def test_a_file_is_private_whole_and_alone_in_its_directory(recorded: Site, target: Path) -> None:
    printed = export(recorded, "srt")
    done = export(recorded, "srt", "-o", str(target))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert target.read_text() == printed.stdout
    assert target.stat().st_mode & 0o777 == 0o600
    assert names_in(target.parent) == [target.name]


def test_a_file_that_is_there_is_replaced(recorded: Site, target: Path) -> None:
    target.write_text("old")
    target.chmod(0o644)
    assert export(recorded, "txt", "-o", str(target)).returncode == 0
    assert target.read_text().startswith("[00:00:00]")
    assert target.stat().st_mode & 0o777 == 0o600


def test_an_export_that_fails_leaves_the_old_file(recorded: Site, target: Path) -> None:
    target.write_text("old")
    recorded.files.events.rename(recorded.directory / "aside")
    recorded.files.events.mkdir()  # it is there, and cannot be read
    done = export(recorded, "csv", "-o", str(target))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (73, "", 1)
    assert "videodb_events.jsonl" in done.stderr
    assert (target.read_text(), names_in(target.parent)) == ("old", [target.name])


@pytest.mark.parametrize("kind", ["missing", "directory", "fifo", "link"])
def test_what_is_no_file_of_its_own_is_refused(recorded: Site, target: Path, kind: str) -> None:
    make: dict[str, Any] = {
        "missing": target.parent.rmdir,
        "directory": target.mkdir,
        "fifo": lambda: os.mkfifo(target),
        "link": lambda: target.symlink_to(recorded.files.events),
    }
    make[kind]()
    before = recorded.contents()
    done = export(recorded, "srt", "-o", str(target))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (73, "", 1)
    assert str(target) in done.stderr
    assert recorded.contents() == before
    assert kind == "missing" or names_in(target.parent) == [target.name]


def test_the_recording_itself_is_never_replaced(recorded: Site) -> None:
    before = recorded.contents()
    done = export(recorded, "csv", "-o", str(recorded.directory / ".." / "events" / "videodb_events.jsonl"))
    assert done.returncode == 2
    assert recorded.contents() == before


def test_a_full_disk_is_said(recorded: Site) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command(recorded, "csv"), stdout=full, stderr=subprocess.PIPE, env=recorded.environment(), check=False
        )
    assert (done.returncode, done.stderr.count(b"\n")) == (73, 1)
    assert b"No space left" in done.stderr


def test_a_closed_stdout_is_said(recorded: Site) -> None:
    words = ["sh", "-c", '"$@" >&-', "sh", *command(recorded, "srt")]
    done = subprocess.run(words, capture_output=True, text=True, env=recorded.environment(), check=False)
    assert (done.returncode, done.stderr.count("\n")) == (73, 1)
    assert "standard output cannot be written" in done.stderr


def test_a_reader_that_has_seen_enough_is_no_failure(recorded: Site) -> None:
    recorded.files.events.write_bytes(b"".join(meeting()) * 20)  # more than a pipe holds
    ours, theirs = os.pipe()
    process = subprocess.Popen(
        command(recorded, "csv"), stdout=theirs, stderr=subprocess.PIPE, env=recorded.environment()
    )
    os.close(theirs)
    assert os.read(ours, 5) == b"time,"
    os.close(ours)
    assert (process.communicate()[1], process.returncode) == (b"", 0)


@pytest.mark.parametrize("format", ["srt", "vtt", "txt"])
def test_a_pipe_gets_no_escape_sequences(recorded: Site, format: str) -> None:
    line = encode_line(b'{"channel":"transcript","text":"a\\u001b[31mb\\u0007"}', NOW_S)
    recorded.files.events.write_bytes(line)
    done = export(recorded, format)
    assert "a\\x1b[31mb\\x07" in done.stdout
    assert done.stdout.replace("\n", "").isprintable()
    assert done.stderr == ""


# -- on a terminal --


@pytest.mark.parametrize(("to_file", "bar"), [(True, True), (False, False)])
def test_only_a_file_with_a_terminal_to_watch_has_a_progress_bar(
    recorded: Site, target: Path, to_file: bool, bar: bool
) -> None:
    rotated = recorded.directory / "videodb_events.20260302T101600.000Z.jsonl.gz"
    rotated.write_bytes(gzip.compress(recorded.files.events.read_bytes()))
    output, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    words = command(recorded, "csv", *(["-o", str(target)] if to_file else []))
    subprocess.run(words, stdout=subprocess.DEVNULL, stderr=terminal, env=recorded.environment(), check=True)
    os.close(terminal)
    shown = _everything(output)
    assert ("100%" in shown, shown == "") == (bar, not bar)


def _everything(descriptor: int) -> str:
    """What was written to a terminal whose other end is closed."""
    data = b""
    with contextlib.suppress(OSError), open(descriptor, "rb", buffering=0) as file:
        while more := file.read(4096):
            data += more
    return data.decode()


# -- what it costs, and what goes wrong --


def test_no_events_file_at_all_is_said(lone_site: Site, target: Path) -> None:
    done = export(lone_site, "srt", "-o", str(target))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (73, "", 1)
    assert str(lone_site.files.events) in done.stderr
    assert names_in(target.parent) == []


def test_it_loads_no_network() -> None:
    code = f"import sys, videodb_listen.cli.export; print(*[name for name in {HEAVY} if name in sys.modules])"
    env = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert done.stdout.strip() == ""
