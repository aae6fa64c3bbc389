"""What an agent pays for ten minutes of a meeting: a token is taken for four characters."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest

from support import meeting
from support.daemon import Site


@pytest.fixture
def met(lone_site: Site) -> Site:
    """A recording of ten minutes."""
    lone_site.directory.mkdir()
    lone_site.files.events.write_bytes(b"".join(meeting.ten_minutes()))
    return lone_site


def test_the_meeting_is_the_one_that_is_spoken_of() -> None:
    events = [json.loads(line) for line in meeting.ten_minutes()]
    kinds = Counter(
        "interim" if event.get("data", {}).get("is_final") is False else event["channel"] for event in events
    )
    expected = {
        "interim": 420,
        "transcript": 86,
        "visual_index": 97,
        "audio_index": 19,
        "alert": 4,
        "capture_session": 6,
    }
    assert (len(events), kinds) == (632, expected)
    screens = [len(event["data"]["text"]) for event in events if event["channel"] == "visual_index"]
    assert 390 <= sum(screens) / len(screens) <= 405


@pytest.mark.parametrize("words", [["read", "--cursor", "a"], ["query"], ["tail", "-n", "1000"]], ids=lambda w: w[0])
async def test_ten_minutes_in_few_words_are_less_than_six_thousand_tokens(met: Site, words: list[str]) -> None:
    done = await met.run(*words, "--format", "brief")
    as_lines = await met.run("query", "--format", "json")
    assert (done.status, done.stderr) == (0, "")
    assert len(done.stdout) / 4 <= 6000 < len(as_lines.stdout) / 4 / 8
    assert done.stdout.count("! alert") == 4
    assert done.stdout.count("! capture_session.") == 6
    assert len(re.findall(r"^\d\d:\d\d:\d\d (?:mic|system_audio)  ", done.stdout, re.MULTILINE)) == 86
    assert done.stdout.splitlines()[-1] == "# 212 events"


async def test_a_gap_is_marked_between_the_events_around_it(met: Site) -> None:
    began = meeting.BEGAN_S
    gap = {
        "ts": "t",
        "unix_ts": began + 300.5,
        "event": "gap",
        "from_unix_ts": began + 290,
        "to_unix_ts": began + 300.5,
    }
    met.files.journal.write_text(json.dumps(gap) + "\n")
    done = await met.run("query", "--format", "brief")
    (mark,) = [number for number, row in enumerate(done.stdout.splitlines()) if "nobody listened for 10s" in row]
    assert 10 < mark < len(done.stdout.splitlines()) - 10
    assert done.stdout.splitlines()[-1] == "# 212 events, 1 gap"
    without = await met.run("query", "--format", "brief", "--channel", "alert", "--limit", "1")
    assert "nobody listened" not in without.stdout


async def test_the_same_recording_gives_the_same_bytes(met: Site) -> None:
    first, second = [await met.run("query", "--format", "brief") for _ in range(2)]
    assert first.stdout == second.stdout


async def test_a_meeting_by_feed_costs_few_calls_and_tokens(met: Site) -> None:
    done, calls, characters = await met.run("feed", "a"), 0, 0
    while done.status == 0:
        calls += 1
        characters += len(done.stdout)
        token = re.findall(r"--ack (\w+)$", done.stdout.splitlines()[-1])[0]
        done = await met.run("feed", "a", "--wait", "1s", "--ack", token)
    assert done.status == 3
    assert calls <= 3
    assert characters / 4 <= 6000
