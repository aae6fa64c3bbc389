"""Text from elsewhere, made fit to show: nothing that steers a terminal, no secret.

Whatever the server says (transcripts, error messages, close reasons) can hold escape sequences that clear a screen,
write the clipboard or forge a log line. The events file keeps them as they came; a terminal or a log gets `visible()`.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0, DEL, C1: escape sequences, bells, line breaks
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidi controls reorder what a reader sees
    "\u2028\u2029"  # line and paragraph separators end a line in some viewers
    "\ud800-\udfff]"  # lone surrogates cannot be encoded at all
)


def visible(text: str) -> str:
    r"""`text` with every control character written out as `\xNN` or `\uNNNN`: one line, safe on a terminal."""
    if text.isascii() and text.isprintable():
        return text  # nearly every text, many times faster
    return _UNSAFE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def shorten(text: str, columns: int) -> str:
    """The first `columns` terminal columns of `text`, ending in `…` where something was cut."""
    if text.isascii():
        return text if len(text) <= columns else text[: columns - 1] + "…"
    widths = [2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text]
    if sum(widths) <= columns:
        return text
    kept = sum(1 for used in itertools.accumulate(widths) if used < columns)  # the last column is for the ellipsis
    return text[:kept] + "…"


def redact(text: str, secrets: Iterable[str]) -> str:
    """`text` without any of `secrets`; an empty secret hides nothing."""
    longest_first = sorted(filter(None, secrets), key=len, reverse=True)  # a part must not spoil the whole
    pattern = "|".join(map(re.escape, longest_first))
    return re.sub(pattern, "[secret]", text) if pattern else text


class Secrets:
    """What must never be shown; neither does its repr."""

    def __init__(self, *values: str) -> None:
        self._values = values

    def redact(self, text: str) -> str:
        """`text` without any of them."""
        return redact(text, self._values)


def one_line(exc: BaseException) -> str:
    """What `exc` says, as one safe line; its class name when it says nothing."""
    return visible(str(exc).strip() or type(exc).__name__)
