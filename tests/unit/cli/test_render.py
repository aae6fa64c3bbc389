"""One event, and the marks before it, in each of the formats, on a terminal and elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from support.history import NOW_S, HandMade, line
from videodb_listen.cli import output, render
from videodb_listen.cli.render import Renderer
from videodb_listen.cli.tail import tail
from videodb_listen.paths import Layout
from videodb_listen.reader.recording import Recording

GAP = {"event": "gap", "from_unix_ts": NOW_S, "to_unix_ts": NOW_S + 0.5, "old_ws_id": "a", "new_ws_id": "b"}


@pytest.fixture
def site(tmp_path: Path) -> HandMade:
    """Two events, between which nobody listened for half a second."""
    made = HandMade(tmp_path)
    made.append(2, channel="alert", data={"label": "leak"})
    Layout(tmp_path).journal.write_text(json.dumps(GAP) + "\n")
    return made


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stdout is one, 80 columns wide."""
    for module in (output, render):
        monkeypatch.setattr(module, "is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)


def shown(site: HandMade, *words: str) -> list[str]:
    done = CliRunner().invoke(tail, ["--dir", str(site.directory), *words])
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("words", "marked"),
    [([], True), (["--json"], False), (["--json", "--marks"], True), (["--format", "csv", "--marks"], False)],
    ids=str,
)
def test_marks_stand_between_events_in_text_and_elsewhere_on_request(
    site: HandMade, words: list[str], marked: bool
) -> None:
    lines = [row for row in shown(site, *words) if not row.startswith("time,")]
    assert len(lines) == (3 if marked else 2)
    assert ("nobody listened" in lines[1] or '"event":"gap"' in lines[1]) is marked


def test_a_mark_in_json_is_one_object_with_stamps(site: HandMade) -> None:
    first, mark, second = map(json.loads, shown(site, "--json", "--marks"))
    assert first["unix_ts"] < mark["unix_ts"] < second["unix_ts"]
    assert {name: mark[name] for name in GAP} == GAP
    assert (mark["reason"], mark["duration_s"]) == ("lost", 0.5)


def test_what_is_left_out_by_filters_leaves_no_marks_alone(site: HandMade) -> None:
    assert shown(site, "--channel", "transcript") == []
    assert len(shown(site, "-n", "1")) == 1


@pytest.mark.parametrize(
    ("words", "variables", "painted"),
    [
        ([], {}, True),
        ([], {"NO_COLOR": ""}, True),
        ([], {"NO_COLOR": "1"}, False),
        ([], {"TERM": "dumb"}, False),
        (["--color", "never"], {}, False),
        (["--color", "always"], {"NO_COLOR": "1", "TERM": "dumb"}, True),
    ],
)
@pytest.mark.usefixtures("terminal")
def test_a_terminal_gets_colours_unless_it_is_told_otherwise(
    site: HandMade, words: list[str], variables: dict[str, str], painted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert any("\x1b[" in row for row in shown(site, *words)) is painted


def test_a_pipe_gets_colours_only_on_request(site: HandMade) -> None:
    assert not any("\x1b[" in row for row in shown(site))
    assert all("\x1b[" in row for row in shown(site, "--color", "always"))


def renderer(site: HandMade) -> Renderer:
    return Renderer("text", Recording(site.directory), painted=False, marked=False)


def test_the_recording_is_asked_for_names_once_and_only_when_one_is_missing(
    site: HandMade, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[None] = []

    def names(_recording: Recording) -> dict[str, str]:
        asked.append(None)
        return {"b": "display"}

    monkeypatch.setattr(Recording, "stream_names", names)
    render = renderer(site)

    def stream(event: dict[str, Any]) -> str:
        return render.event(line(0), {"unix_ts": NOW_S, **event}).decode().split()[3]

    assert stream({"rtstream_id": "a", "rtstream_name": "mic"}) == "mic"
    assert len(asked) == 1
    assert [stream({"rtstream_id": name}) for name in "abc"] == ["mic", "display", "c"]
    assert len(asked) == 1
    assert stream({"rtstream_id": "a", "rtstream_name": "spelled anew"}) == "mic"
