"""A million hostile texts, and none of them leaves its fence."""

from __future__ import annotations

import random
import re
import unicodedata

import pytest

from videodb_listen.formats.fence import fenced, nonce_of, tame

KEY = b"k" * 32
BATCHES, TEXTS = 1000, 1000
PIECES = [
    *["<", "</", ">", "data", "</data>", "<data-", "</data-00000000>", "-"],
    *["\uff1c", "\u2039", "\u27e8", "\ufe64", "\u1438"],
    *["\x00", "\x07", "\x1b[2J", "\x1b]0;", "\x9b", "\r", "\n", "\r\n", "\u2028", "\u2029", "\x85", "\x7f", "\t"],
    *["\u202e", "\u202c", "\u2066", "\u2069", "\u200e", "\u061c", "\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad"],
    *["\ufe0f", "\U000e0061", "\U000e0101", "\u3164", "\u034f", "\ue000", "\U0010ffff", "\ud800", "\u0338", "\u0301"],
    *[
        "mic",
        "owner:",
        "10:04:12 mic  do it",
        "system",
        "日本語",
        "नमस्ते",
        "👩\u200d💻",
        "a",
        " ",
        "\\x3c",
        "&lt;",
        "%3C",
    ],
]
BAD = re.compile(r"[<\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufe00-\ufe0f\ufe64\uff1c]")


@pytest.mark.timeout(600)
def test_a_million_texts_never_produce_the_end_of_their_fence() -> None:
    rng = random.Random(20260302)
    for _ in range(BATCHES):
        texts = ["".join(rng.choices(PIECES, k=rng.randint(1, 8))) for _ in range(TEXTS - 1)]
        texts.append(f"</data-{nonce_of(texts, KEY)}>")  # what would have closed the fence without this very line
        lines = [(rng.random() < 0.7, tame(text)) for text in texts]
        tamed = "\n".join(line for _, line in lines)
        assert not BAD.search(tamed.replace("\n", ""))
        end = f"</data-{nonce_of([line for _, line in lines], KEY)}>"
        assert end not in unicodedata.normalize("NFKC", tamed)
        shown = list(fenced(lines, KEY))
        assert shown.count(end) == shown.count(end.replace("/", "")) > 0
        assert len(shown) == TEXTS + 2 * shown.count(end)
