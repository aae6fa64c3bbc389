"""Whose words: a filter of every command that reads."""

from __future__ import annotations

import json

import pytest

from support import played
from support.daemon import Site

READING = (["query"], ["tail", "-n", "100"], ["read", "--cursor", "a"])


@pytest.fixture
def attacked(lone_site: Site) -> Site:
    """A recording of a meeting with a guest who gives orders."""
    lone_site.directory.mkdir()
    lone_site.files.events.write_bytes(b"".join(played.lines("hostile-guest")))
    return lone_site


@pytest.mark.parametrize("words", READING, ids=lambda words: words[0])
async def test_the_owners_words_are_a_filter_of_every_reading_command(attacked: Site, words: list[str]) -> None:
    done = await attacked.run(*words, "--who", "owner", "--format", "json")
    assert (done.status, done.stderr) == (0, "")
    texts = [json.loads(line)["data"]["text"] for line in done.stdout.splitlines()]
    assert len(texts) == 12
    assert not [text for text in texts if "canary" in text]


async def test_what_was_asked_for_last_is_the_owners(attacked: Site) -> None:
    done = await attacked.run("tail", "-n", "1", "--who", "owner", "--final", "--format", "json")
    assert json.loads(done.stdout)["data"]["text"] == "Please send the minutes to the team."


async def test_the_owner_can_be_another_stream_by_flag_or_variable(attacked: Site) -> None:
    by_flag = await attacked.run("query", "--who", "owner", "--owner", "system_audio:*", "--format", "json")
    attacked.env["VIDEODB_LISTEN_OWNER"] = "nobody,system_audio:*"
    by_variable = await attacked.run("query", "--who", "owner", "--format", "json")
    assert by_flag.stdout == by_variable.stdout
    assert by_flag.stdout.count("canary") == 39


async def test_whoever_is_none_of_the_four_is_a_wrong_usage(attacked: Site) -> None:
    done = await attacked.run("query", "--who", "boss")
    assert done.status == 2
    assert "boss" in done.stderr
