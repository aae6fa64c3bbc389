"""JSON text, spelled in every way that the grammar allows."""

from __future__ import annotations

import json
from dataclasses import dataclass

from hypothesis import strategies as st

blanks = st.text(" \t\r\n", max_size=3)
numbers = st.one_of(
    st.sampled_from(
        ("-0", "-0.0", "1E5", "1e+05", "1.10", "0.1e-7", str(2**63), str(2**64), str(2**80), f"-{2**80}", "1e-400")
    ),
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)
characters = st.one_of(
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"\\'), max_size=5),
    st.sampled_from((r"\"", r"\\", r"\/", r"\b", r"\f", r"\n", r"\r", r"\t", r"\u0000", r"\u2028", r"\uD83D\uDE00")),
    st.sampled_from(("[", "]", "{", "}", ",", ":", "ts", "\u2028", "\x7f", "ä", "漢", "🎥")),
)
strings = st.lists(characters, max_size=4).map(lambda parts: f'"{"".join(parts)}"')
other_keys = st.one_of(strings, st.sampled_from(('"a"', '"channel"', '"raw"', '"source_ts"', '"TS"', '""'))).filter(
    lambda text: json.loads(text) not in ("ts", "unix_ts")
)
any_keys = st.one_of(other_keys, st.sampled_from(('"ts"', '"unix_ts"')))


@dataclass(frozen=True)
class Member:
    """One `key: value` of an object, with the white space around its parts."""

    key: str
    value: str
    gaps: tuple[str, str, str, str]

    def text(self, key: str | None = None) -> str:
        a, b, c, d = self.gaps
        return f"{a}{key or self.key}{b}:{c}{self.value}{d}"


def members(keys: st.SearchStrategy[str], values: st.SearchStrategy[str]) -> st.SearchStrategy[Member]:
    return st.builds(Member, keys, values, st.tuples(blanks, blanks, blanks, blanks))


def objects(keys: st.SearchStrategy[str], values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    full = st.lists(members(keys, values), min_size=1, max_size=4).map(
        lambda them: ",".join(one.text() for one in them)
    )
    return st.one_of(full, blanks).map(lambda inside: f"{{{inside}}}")


def arrays(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    padded = st.tuples(blanks, values, blanks).map("".join)
    return st.one_of(st.lists(padded, min_size=1, max_size=4).map(",".join), blanks).map(lambda inside: f"[{inside}]")


scalars = st.one_of(numbers, strings, st.sampled_from(("true", "false", "null")))
any_values = st.recursive(scalars, lambda inner: arrays(inner) | objects(any_keys, inner), max_leaves=8)
frames = st.tuples(blanks, objects(other_keys, any_values), blanks).map(lambda parts: "".join(parts).encode())
"""Objects without stamps of their own."""

_ODD = (
    b"",
    b" ",
    b",",
    b":",
    b'"',
    b"\\",
    b"[",
    b"]",
    b"{",
    b"}",
    b"0",
    b"1e400",
    b"NaN",
    b"\\ud800",
    b"\xff",
    b"\x01",
    b"\0",
)


@st.composite
def broken(draw: st.DrawFn, texts: st.SearchStrategy[bytes]) -> bytes:
    """Texts with something put into a place of theirs, or taken out: nearly JSON, or JSON after all."""
    text = draw(texts)
    start = draw(st.integers(0, len(text)))
    return text[:start] + draw(st.sampled_from(_ODD)) + text[start + draw(st.integers(0, 3)) :]
