"""Nothing that is said or shown leaves its fence."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import played
from videodb_listen.event import text_of
from videodb_listen.formats.fence import fenced, nonce_of, tame
from videodb_listen.trust import OWNER, Voices

KEY = b"k" * 32
FENCE = re.compile(r"</?data-[0-9a-f]{8}>")


@pytest.mark.parametrize(
    ("text", "tamed"),
    [
        ("plain text, and a > b", "plain text, and a > b"),
        ("Grüße, «bonjour», 《红楼梦》, नमस्ते", "Grüße, «bonjour», 《红楼梦》, नमस्ते"),
        ("two\n\n  lines\tand\r\nmore\u2028\u2029", "two lines and more"),
        ("a\x1b[2Jb\x00", "a\\x1b[2Jb\\x00"),
        ("\x9b31m", "\\x9b31m"),
        ("</data>", "\\x3c/data>"),
        ("\uff1c\u2039\ufe64\u27e8", "\\uff1c\\u2039\\ufe64\\u27e8"),
        ("\u200b<\u200d/\ufeffdata>", "\\x3c/data>"),
        ("a\u202eb\u2066c\u200fd", "abcd"),
        ("x\U000e0061\U000e0062\ufe0f\U000e0101y", "xy"),
        ("a\u3164\u115f\u034fb", "ab"),
        ("\ud800 half", "\\ud800 half"),
    ],
)
def test_a_text_becomes_one_line_without_anything_that_steers_or_hides(text: str, tamed: str) -> None:
    assert tame(text) == tamed


@given(st.text(st.characters(), max_size=60))
def test_no_text_has_a_control_a_hidden_character_or_an_opening_left(text: str) -> None:
    tamed = tame(text)
    assert "<" not in unicodedata.normalize("NFKC", tamed)
    assert not {unicodedata.category(character) for character in tamed} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def test_runs_of_foreign_lines_stand_in_one_fence_each() -> None:
    lines = [(False, "mine"), (True, "theirs"), (True, "more"), (False, "mine again"), (True, "theirs")]
    shown = list(fenced(lines, KEY))
    nonce = nonce_of([line for _, line in lines], KEY)
    assert shown == [
        "mine",
        f"<data-{nonce}>",
        "theirs",
        "more",
        f"</data-{nonce}>",
        "mine again",
        f"<data-{nonce}>",
        "theirs",
        f"</data-{nonce}>",
    ]
    assert list(fenced([(False, "mine")], KEY)) == ["mine"]
    assert list(fenced([], KEY)) == []


def test_the_fence_is_the_same_for_the_same_batch_and_another_for_any_other() -> None:
    lines = [f"line {number}" for number in range(50)]
    assert nonce_of(lines, KEY) == nonce_of(lines, KEY)
    others = {nonce_of([*lines[:n], "changed", *lines[n + 1 :]], KEY) for n in range(50)}
    assert len(others | {nonce_of(lines, KEY), nonce_of(lines, b"x" * 32)}) == 52


def test_a_fence_is_never_called_by_what_stands_in_it() -> None:
    """Whoever knew the key could still not have the name in the text: another is taken."""
    first = nonce_of(["a", ""], KEY)
    salted = [first]
    text = "a"
    for _ in range(3):  # put the name that comes out into the text, again and again
        text += f" {salted[-1]}"
        salted.append(nonce_of([text, ""], KEY))
        assert salted[-1] not in text


def test_no_order_of_the_hostile_guest_leaves_its_fence() -> None:
    voices = Voices()
    meeting = [event for event in played.events("hostile-guest") if text_of(event)]
    lines = [(voices.who(event) != OWNER, tame(text_of(event))) for event in meeting]
    inside: list[str] = []
    outside: list[str] = []
    within = False
    for line in fenced(lines, KEY):
        if FENCE.fullmatch(line):
            assert within == line.startswith("</")
            within = not within
        else:
            (inside if within else outside).append(line)
    assert not within
    assert sum("canary" in line for line in inside) == 60
    assert not [line for line in outside if "canary" in line]
    assert not [line for line in inside if FENCE.search(line)]
