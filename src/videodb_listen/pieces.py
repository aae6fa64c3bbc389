"""JSON of any size, a piece at a time: in linear time, and in the memory that one piece takes.

A parser builds an object for all that it reads: a legal text of 31 MiB took 1.5 GiB. Here the text is cut, and each
piece is parsed as a document of its own: what is open where it begins is opened in front of it, what is open where it
ends is closed behind it.

    {"a":[1,{"b":"cd  |  ef"}],"g":2  |  ,"h":3}
    {"a":[1,{"b":"cd"}]}     {"":[0,{"":"ef"}],"g":2,"":0}     {"":0,"h":3}

The text is valid exactly if every document is. A cut stands in front of a comma, where both sides must have a value,
or between two characters of a string, where both must be inside of one. What is put around a piece is accepted in that
one state of the parser: a cut in a wrong place would make a document invalid, never a bad text good.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterator
from itertools import accumulate, compress
from typing import Any, NamedTuple, TypeVar

import orjson

MAX_DEPTH = 250
"""Deepest nesting that is taken. orjson reads 1,024 levels but writes 254 (measured with 3.13.0), and other readers
stop near 500."""

PIECE_BYTES = 3 << 14
"""Small enough for a processor's cache; parsed, it takes 50 times as much. Divisible by 3, for base64."""

_MARK = b"\x01"  # in valid JSON this byte never is
MARKED = b'"' + _MARK + b'"'
"""What `depths_of_marks` finds, in the place of a string without its quotes."""

_LONGEST_KEY = 1 << 18
"""A key up to this length is never cut, so that its name can be told."""

Place = str
"""Where a piece begins or ends: one of these."""

BORDER = "an end of the text"
COMMA, IN_VALUE = "in front of a comma", "in a string that is a value"
IN_KEY, LATER_IN_KEY = "behind the quote that begins a key", "later in a key, which is a very long one"

_OPENED = {
    (COMMA, b"["): b"[0",
    (COMMA, b"{"): b'{"":0',
    (IN_VALUE, b"["): b'["',
    (IN_VALUE, b"{"): b'{"":"',
    (IN_KEY, b"{"): b'{"',
    (LATER_IN_KEY, b"{"): b'{"-',  # so that its end is not taken for a key of its own
}
_CLOSED = {
    (COMMA, b"["): b",0",
    (COMMA, b"{"): b',"":0',
    (IN_VALUE, b"["): b'"',
    (IN_VALUE, b"{"): b'"',
    (IN_KEY, b"{"): b'":0',
    (LATER_IN_KEY, b"{"): b'-":0',
}
_IN_STRINGS = (IN_VALUE, IN_KEY, LATER_IN_KEY)

_SPACE = b" \t\r\n"
_TO_CLOSERS = bytes.maketrans(b"[{", b"]}")
_STEPS = bytes.maketrans(b"[{]}" + _MARK, b"\x01\x01\xff\xff\x00")  # as signed bytes: what each adds to the depth
_ONLY_MARKS = bytes(byte == ord(_MARK) for byte in range(256))
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}" + _MARK))
_NOT_STRUCTURE = bytes(set(_NOT_BRACKETS) - set(b'"'))
_STRING = re.compile(rb'"[^"]*+"')
_END_OF_TOKENS = re.compile(rb"[^][{}: \t\r\n0-9a-zA-Z.+-]")
_UNFINISHED = re.compile(rb"(?:\\u[dD][89abAB]..)?(?:\\(?:u.{0,3})?)?\Z", re.DOTALL)
_LONGEST_ESCAPE = 12  # a pair of surrogates

Seen = TypeVar("Seen")


class Piece(NamedTuple):
    """`text[start:end]`, which begins `depth` levels deep at a `place` of that kind."""

    start: int
    end: int
    depth: int
    place: Place


def pieces(text: bytes, look: Callable[[Any], Seen], size: int = PIECE_BYTES) -> Iterator[tuple[Piece, Seen]]:
    """The pieces of `text`, each with what `look` sees in its document. Most have `size` bytes; it must exceed 15.

    Raises ValueError at the first piece that shows that `text` is no JSON, or nests deeper than MAX_DEPTH.
    """
    view = memoryview(text)
    start, stack, place = 0, b"", BORDER
    while True:
        end, below, there = _cut(text, start, size, stack, place)
        document = b"".join((_opening(stack, place), view[start:end], _closing(below, there)))
        yield Piece(start, end, len(stack), place), _parsed(document, look)
        if there == BORDER:
            return
        start, stack, place = end, below, there


def depths_of_marks(text: bytes, depth: int) -> bytes:
    """How deep each MARKED stands that was put into `text`, a part of valid JSON that begins outside of strings."""
    outside = _outside(_without_escapes(text))
    return bytes(compress(_depths(depth, outside), outside.translate(_ONLY_MARKS)))


def nests_too_deep(text: bytes) -> bool:
    """Whether `text`, valid JSON, nests more than MAX_DEPTH levels, the outermost being the first.

    Counted on the bytes: in the parsed object a duplicate key would hide the value that it replaced.
    """
    if len(text) <= 2 * MAX_DEPTH or text.count(b"{") + text.count(b"[") <= MAX_DEPTH:
        return False  # every level takes two bytes, and a bracket that opens it
    brackets = _outside(_without_escapes(text))
    if len(brackets.replace(b"[]", b"").replace(b"{}", b"")) <= 2 * (MAX_DEPTH - 2):
        return False  # without up to two innermost levels
    try:
        _descend(b"", brackets)
    except ValueError:
        return True
    return False


# -- where to cut --


def _cut(text: bytes, start: int, size: int, stack: bytes, place: Place) -> tuple[int, bytes, Place]:
    """Where the piece that begins at `start` ends, what is open there (outermost first), and which place that is."""
    plain = _without_escapes(text[start : start + size])
    inside = place in _IN_STRINGS
    if (plain.count(b'"') + inside) % 2 and start + size < len(text):
        if place == IN_KEY and size < _LONGEST_KEY and b'"' not in plain:
            return _cut(text, start, 2 * size, stack, place)
        stack = _descend(stack, _outside(b'"' * inside + plain))
        length, there = _cut_string(plain, stack, place)
        for _ in range(3):  # not between the bytes of a character
            length -= 0x80 <= text[start + length] < 0xC0
        return start + length, stack, there
    found = _END_OF_TOKENS.search(text, start + size)
    end = found.start() if found else len(text)
    stack = _descend(stack, _outside(b'"' * inside + plain) + text[start + size : end].translate(None, _NOT_BRACKETS))
    if found is None:
        return end, stack, BORDER
    if found[0] == b'"':
        return end + 1, stack, _kind_of_string(text[start:end], stack)
    return end, stack, COMMA  # or something that has no place there


def _cut_string(plain: bytes, stack: bytes, place: Place) -> tuple[int, Place]:
    """The length of a piece whose `plain` text ends inside of a string, and whether that is a key or a value."""
    quote = plain.rfind(b'"')
    if quote >= 0:
        there = _kind_of_string(plain[:quote], stack)
        if there == IN_KEY:
            return quote + 1, there
    else:
        there = LATER_IN_KEY if place == IN_KEY else place
    unfinished = _UNFINISHED.search(plain, max(0, len(plain) - _LONGEST_ESCAPE))
    return len(plain) - len(unfinished[0] if unfinished else b""), there


def _kind_of_string(before: bytes, stack: bytes) -> Place:
    """Whether a string is a key or a value, by what stands `before` it."""
    return IN_KEY if stack[-1:] == b"{" and before.rstrip(_SPACE)[-1:] in (b"{", b",") else IN_VALUE


def _without_escapes(text: bytes) -> bytes:
    """`text`, of the same length, in which every quote begins or ends a string."""
    return text.replace(rb"\\", b"__").replace(rb"\"", b"__")


# -- what is open there --


def _outside(plain: bytes) -> bytes:
    """The brackets and marks in `plain` that stand outside of its strings; the last string may lack its end."""
    kept = plain.translate(None, _NOT_STRUCTURE)
    kept = (kept + b'"' * (kept.count(b'"') % 2)).replace(b'""', b"")  # strings without brackets, or side by side
    return _STRING.sub(b"", kept)


def _depths(depth: int, brackets: bytes) -> bytes:
    """The depth in front of each of `brackets`, and behind the last one. Raises ValueError below 0 and above 255."""
    return bytes(accumulate(memoryview(brackets.translate(_STEPS)).cast("b"), initial=depth))


def _descend(stack: bytes, brackets: bytes) -> bytes:
    """What is open behind `brackets` where `stack` was open before them.

    Raises ValueError when they close more than that or nest too deep. Whether one closes its own kind is not looked at.
    """
    depths = _depths(len(stack), brackets)
    if MAX_DEPTH + 1 in depths:
        raise ValueError(f"nested more than {MAX_DEPTH} levels deep")
    shallowest = len(stack)
    while shallowest and shallowest - 1 in depths:
        shallowest -= 1
    return stack[:shallowest] + bytes(brackets[depths.rindex(depth)] for depth in range(shallowest, depths[-1]))


# -- documents --


def _opening(stack: bytes, place: Place) -> bytes:
    return b"" if place == BORDER else stack[:-1].replace(b"{", b'{"":') + _OPENED[place, stack[-1:]]


def _closing(stack: bytes, place: Place) -> bytes:
    if place == BORDER:
        return b""
    if not stack:
        raise ValueError("something follows the end")
    return _CLOSED[place, stack[-1:]] + stack[::-1].translate(_TO_CLOSERS)


def _parsed(document: bytes, look: Callable[[Any], Seen]) -> Seen:
    """What `look` sees in `document`. No cycles are made; to look for them took as long as all the rest."""
    collects = gc.isenabled()
    gc.disable()
    try:
        return look(orjson.loads(document))
    finally:
        if collects:
            gc.enable()
