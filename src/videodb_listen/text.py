"""Text from elsewhere, made fit for where it goes.

Whatever the server says (transcripts, error messages, close reasons) can hold escape sequences that clear a screen,
write the clipboard or forge a log line, and a secret that it was sent. The events file keeps it as it came.

| goes to | made fit by | what becomes of it |
|---|---|---|
| a terminal, a log, a message of ours | `visible` | one line; whatever steers a terminal is written out |
| a terminal, as JSON | `visible_json` | the same JSON, in one line, with escapes of its own |
| a file for people and programs | `for_file` | one line; controls are written out, all other Unicode stays as it is |
| any of them, from a server that knows a secret | `Secrets` | the secret is hidden, however it is spelled |
"""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections.abc import Iterator

_CONTROLS = "\x00-\x1f\x7f-\x9f"  # C0, DEL, C1: escape sequences, bells, line breaks
_BREAKS = "\u2028\u2029"  # line and paragraph separators end a line in some viewers
_SURROGATES = "\ud800-\udfff"  # alone they cannot be encoded at all
_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidi controls reorder what a reader sees

_UNFIT_FOR_FILE = f"[{_CONTROLS}{_BREAKS}{_SURROGATES}]"
_UNSAFE = re.compile(f"[{_CONTROLS}{_BREAKS}{_SURROGATES}{_BIDI}]")
_SPACE_IN_JSON = str.maketrans("\t\r\n", "   ")  # between tokens; in a string JSON has escapes for them

SAID_COLUMNS = 200
"""What of a server's words fits into a message."""

_LONGEST_SAID = 1 << 16
"""Characters of them that are looked at; what is shown is far shorter."""


def visible(text: str) -> str:
    r"""`text` with every character that steers a terminal written out as `\xNN` or `\uNNNN`: one line."""
    if text.isascii() and text.isprintable():
        return text  # nearly every text, many times faster
    return _UNSAFE.sub(_escape, text)


def visible_json(text: str) -> str:
    r"""The JSON in `text`, unchanged in meaning, with every such character as `\uNNNN`: one line."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text.translate(_SPACE_IN_JSON))


def for_file(text: str) -> str:
    """`text` as one line of a file: of what `visible` writes out only controls, line breaks and lone surrogates.

    Direction marks and embeddings stay: without them Arabic and Hebrew are read in a wrong order.
    """
    return re.sub(_UNFIT_FOR_FILE, _escape, text)


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


def one_line(exc: BaseException) -> str:
    """What `exc` says, as one safe line; its class name when it says nothing."""
    return visible(str(exc).strip() or type(exc).__name__)


# -- secrets --

_HIDDEN = "[secret]"

_LAYERS = 4
"""JSON in JSON in a URL: so often an escape may be escaped."""

_LEAST_ENCODED = 8
"""Of a shorter spelling in hex or base64 ordinary words would be taken for it."""

_SPELLED = (
    r"\\+(?:u(?P<json>[0-9a-f]{4})|x(?P<byte>[0-9a-f]{2})|(?P<escaped>[^\w\s\\]))"
    r"|%(?P<percent>[0-9a-f]{2})"
    r"|&(?P<entity>(?:#[0-9]{1,8}|#x[0-9a-f]{1,8});?|[a-z]{2,8};)"
)  # compiled when it is used: most commands have no secret
_URL_SAFE = str.maketrans("+/", "-_")


class Secrets:
    """What must never be shown; neither does its repr. An empty one hides nothing.

    A server that repeats a secret may spell it in another way: with the escapes of JSON, of URLs or of HTML, in base64,
    in hex, in capitals. All of that is hidden.
    """

    def __init__(self, *values: str) -> None:
        self._values = [value for value in values if value]

    def redact(self, text: str) -> str:
        """`text` without any of them."""
        parts, end = [], 0
        for start, stop in sorted(self._places_in(text)):
            if start >= end:
                parts += [text[end:start], _HIDDEN]
            end = max(end, stop)
        return "".join([*parts, text[end:]])

    def said(self, text: str, columns: int = SAID_COLUMNS) -> str:
        """What a server says, fit for a message: one line of at most `columns`, without any of them."""
        text = text.strip()
        if len(text) > _LONGEST_SAID:
            text = text[:_LONGEST_SAID].rpartition(" ")[0]  # no secret has a blank, so none is cut
        return shorten(visible(self.redact(text)), columns)

    def _places_in(self, text: str) -> Iterator[tuple[int, int]]:
        """Where in `text` any of them stands, in any spelling; a place may come more than once."""
        if self._pattern is None:
            return
        meant, at = text, list(range(len(text) + 1))  # `at` says where in `text` each character is written
        for _ in range(_LAYERS):
            yield from ((at[found.start()], at[found.end()]) for found in self._pattern.finditer(meant))
            meant, inner = _decoded(meant)
            at = [at[place] for place in inner]

    @functools.cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        meant = {form for value in self._values for form in (value, _decoded(value)[0])}
        forms = {form for value in meant for form in (value, *_encoded(value))}
        longest_first = sorted(forms, key=len, reverse=True)  # a part must not spoil the whole
        return re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE) if forms else None


def _encoded(secret: str) -> Iterator[str]:
    """What is found of `secret` in hex, and in base64 of whatever it stands in: three ways, by its place there."""
    import base64

    data = secret.encode(errors="surrogatepass")
    forms = [data.hex()]
    for shift in range(3):
        text = base64.b64encode(bytes(shift) + data).decode()
        own = text[-(-shift * 8 // 6) : (shift + len(data)) * 8 // 6]
        forms += [own, own.translate(_URL_SAFE)]
    return (form for form in forms if len(form) >= _LEAST_ENCODED)


def _decoded(text: str) -> tuple[str, list[int]]:
    """`text` without one layer of escapes, and where in it each character is written, and where it ends."""
    parts: list[str] = []
    at: list[int] = []
    end = 0
    for found in re.finditer(_SPELLED, text, re.IGNORECASE):
        character = _meaning(found)
        parts += [text[end : found.start()], character]
        at += [*range(end, found.start()), *[found.start()] * len(character)]
        end = found.end()
    return "".join([*parts, text[end:]]), [*at, *range(end, len(text) + 1)]


def _meaning(found: re.Match[str]) -> str:
    import html

    kind = found.lastgroup or ""
    if kind == "escaped":
        return found[kind]
    return html.unescape(f"&{found[kind]}") if kind == "entity" else chr(int(found[kind], 16))
