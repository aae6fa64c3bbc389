"""A text in pieces is what it is as a whole."""

from __future__ import annotations

import gc
import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from support.spelled import any_keys, any_values, broken, objects
from videodb_listen.pieces import MAX_DEPTH, PIECE_BYTES, Piece, nests_too_deep, pieces

SIZES = st.sampled_from((16, 17, 19, 24, 40))

texts = objects(any_keys, any_values).map(str.encode)
long_texts = st.sampled_from(
    [
        b'{"a":"' + b"\\u00e9\\ud83d\\ude00\\n\\\\" * 5 + b'"}',
        '{"a":"x漢🎥é漢🎥é漢🎥é漢🎥é","漢🎥é漢🎥é漢🎥é":1}'.encode(),
        b"[" + b"[],{}," * 9 + b"0]",
        b"[" * 30 + b"]" * 30,
        b'{"":' * 30 + b"1" + b"}" * 30,
        b'{"a":1' + b" " * 50 + b',"b"' + b"\n" * 50 + b":" + b"1" * 50 + b"}",
        b'["' + b'","' * 20 + b'"]',
        b'{"a":"' + b'\\"' * 20 + b'","b":"' + b"\\\\" * 20 + b'"}',
    ]
)


def whole(text: bytes) -> bool:
    """Whether a parser takes it as a whole, and it nests no deeper than we take."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return not nests_too_deep(text)


def in_pieces(text: bytes, size: int) -> list[Piece] | None:
    try:
        return [piece for piece, _ in pieces(text, lambda _: None, size)]
    except ValueError:
        return None


@given(st.one_of(texts, broken(texts), long_texts, broken(long_texts), broken(broken(long_texts)), st.binary()), SIZES)
@example(b'{"a":[1,2]},{"b":["123456"]}', 16)
@example(b'["123456789012345",]', 16)
@example(b'[,"123456789012345"]', 16)
@example(b'{"123456789012":,"b":1}', 16)
@example(b'{"a":["1234567890"}]', 16)
@example(b'["1234567890123\\ud83d","\\ude00"]', 16)
@example(b'["12345678901\\ud83d\\ude00"]', 16)
@example(b'["12345678901234\xe6","\xbc\xa2"]', 16)
@example(b'["12345678901234\\","a"]', 16)
@example(b'{"a":"' + b"\x80" * 40 + b'"}', 16)
@example(b'["0123456789012",[' + b" " * 14 + b',1],"0123456789"]', 16)
@example(b'["0123456789012",{' + b" " * 14 + b',"a":1},"0123456789"]', 16)
@example(b'{"0123456789":1,"a":' + b" " * 14 + b',"b":1,"0123456789":2}', 16)
@example(b"", 16)
@example(b"1", 16)
@example(b"1 2", 16)
def test_it_is_valid_exactly_if_all_its_pieces_are(text: bytes, size: int) -> None:
    assert (in_pieces(text, size) is not None) == whole(text)


@given(st.one_of(texts, long_texts), SIZES)
def test_pieces_follow_one_another_and_none_is_empty(text: bytes, size: int) -> None:
    found = in_pieces(text, size) or []
    starts = [piece.start for piece in found]
    assert [*starts, len(text)] == [0, *(piece.end for piece in found)]
    assert all(piece.start < piece.end for piece in found)


@given(st.one_of(texts, long_texts), SIZES)
def test_a_key_is_in_one_piece(text: bytes, size: int) -> None:
    keys = {""}
    json.loads(text, object_pairs_hook=lambda members: keys.update(key for key, _ in members))

    def names(document: Any) -> set[str]:
        inner = document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
        return set(document if isinstance(document, dict) else ()).union(*map(names, inner))

    for _, found in pieces(text, names, size):
        assert found <= keys


def test_a_key_that_is_longer_than_any_name_is_cut() -> None:
    text = b'{"' + b"k" * (1 << 20) + b'":1}'
    lengths = [piece.end - piece.start for piece in in_pieces(text, PIECE_BYTES) or []]
    assert max(lengths) < 1 << 19


@pytest.mark.parametrize("opener", [b"[", b'{"":'])
@pytest.mark.parametrize(("levels", "fits"), [(MAX_DEPTH, True), (MAX_DEPTH + 1, False), (300, False), (2000, False)])
def test_nesting_is_taken_down_to_the_limit(opener: bytes, levels: int, fits: bool) -> None:
    closer = b"]" if opener == b"[" else b"}"
    text = opener * levels + b'"' + b"x" * 90 + b'"' + closer * levels
    assert (in_pieces(text, 48) is not None) == fits


def test_what_is_seen_of_a_piece_is_a_document_in_the_same_place() -> None:
    text = b'{"a":[1,{"b":"' + b"c" * 30 + b'"}],"g":2}'
    assert [document for _, document in pieces(text, lambda document: document, 20)] == [
        {"a": [1, {"b": "cccccc"}]},
        {"": [{"": "c" * 20}]},
        {"": [{"": "cccc"}], "g": 2},
    ]


@pytest.mark.parametrize("collects", [True, False])
@pytest.mark.parametrize("text", [b'{"a":1}', b"{"])
def test_the_garbage_collector_is_left_as_it_was(text: bytes, *, collects: bool) -> None:
    was = gc.isenabled()
    try:
        (gc.enable if collects else gc.disable)()
        in_pieces(text, 16)
        assert gc.isenabled() is collects
    finally:
        (gc.enable if was else gc.disable)()
