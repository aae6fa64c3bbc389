"""Frames and lines: what the server sends becomes exactly one line each.

Pure. `encode_line` is total: any bytes give one line. A JSON object is spliced, not re-encoded: orjson parses it to
prove that it is one, then the server's own bytes go into the line behind the two stamps. Decoding and encoding again
would turn integers beyond 64 bits into floats, respell numbers and merge duplicate keys; a recorder must not change
what it records.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
import time
from collections.abc import Mapping
from typing import Any

import orjson

from videodb_listen.text import visible

MAX_DEPTH = 250
"""Deepest nesting that is spliced. orjson reads 1,024 levels but writes 254 (measured with 3.13.0), and other readers
stop near 500: a deeper frame is kept as text, otherwise the file would hold lines that readers cannot take."""

MAX_CONNECTION_ID = 256

_LINE_BREAKS = bytes.maketrans(b"\r\n", b"  ")  # in valid JSON a raw CR or LF is only ever white space
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_TOKEN = re.compile(_STRING.pattern + rb"|[{}\[\],:]")
_TO_BRACES = bytes.maketrans(b"[]", b"{}")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"{}[]"))
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: nothing in it is taken for something else
_ID_EPOCH_S = 1_577_836_800  # 2020; from there on the seconds of 34 years have ids of their own
_ID_TIME, _ID_HASH = 6, 6
_ID_SECONDS = 1 << 5 * _ID_TIME
LEAST_ID = _ID_TIME + 2
_ID = re.compile(f"[{_ALPHABET}]{{{LEAST_ID},{_ID_TIME + _ID_HASH}}}")
_UNIX_TS = re.compile(rb'"unix_ts": ?(\d{1,11})[.,}]')
_CONNECTION_ID = re.compile(rf"[!-~]{{1,{MAX_CONNECTION_ID}}}")


def encode_line(frame: bytes, received_s: float) -> bytes:
    """The line for `frame`, which was read at `received_s` (unix seconds): UTF-8 JSON with one newline, at its end.

    Total: whatever the bytes are, the result is one line of strict JSON that starts with `ts` and `unix_ts`.
    """
    head = stamps(int(received_s * 1000 + 0.5))
    try:
        event = orjson.loads(frame)
    except orjson.JSONDecodeError:
        return head + b"," + _wrapped(frame)
    if type(event) is not dict or _nests_too_deep(frame):
        return head + b"," + _wrapped(frame)
    if "ts" in event or "unix_ts" in event:
        frame = _rename_keys(frame, {**_shifted(event, "ts"), **_shifted(event, "unix_ts")})
    body = frame.translate(_LINE_BREAKS).lstrip()[1:]
    return b"%b%b%b\n" % (head, b"," if event else b"", body)


@functools.lru_cache(maxsize=4)  # events come in bursts: many share their millisecond
def stamps(unix_ms: int) -> bytes:
    """`{"ts":...,"unix_ts":...`: one instant twice, without the closing brace."""
    second, millisecond = divmod(unix_ms, 1000)
    ts = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode()
    return b'{"ts":"%b.%03dZ","unix_ts":%d.%03d' % (ts, millisecond, second, millisecond)


def _wrapped(frame: bytes) -> bytes:
    """The rest of the line for a frame that is not a JSON object we may splice."""
    try:
        return b'"raw":' + orjson.dumps(frame.decode()) + b"}\n"
    except UnicodeDecodeError:
        return b'"raw_base64":"' + base64.b64encode(frame) + b'"}\n'


def _nests_too_deep(frame: bytes) -> bool:
    """Whether `frame`, valid JSON, nests more than MAX_DEPTH levels, the outermost being the first.

    Counted on the bytes: in the parsed object a duplicate key would hide the value that it replaced.
    """
    if len(frame) <= 2 * MAX_DEPTH:
        return False  # every level takes two bytes
    if frame.count(b"{") + frame.count(b"[") <= MAX_DEPTH:
        return False  # so few brackets cannot nest deeper
    brackets = _STRING.sub(b"", frame).translate(_TO_BRACES, _NOT_BRACKETS)
    for _ in range(MAX_DEPTH):
        if not brackets:
            return False
        brackets = brackets.replace(b"{}", b"")  # one level of leaves: what this uncovers is not scanned again
    return bool(brackets)


def _shifted(event: Mapping[str, Any], key: str) -> dict[str, str]:
    """New names that free `key`: it becomes `source_<key>`, and so on along the chain, so that no two ever collide."""
    renames: dict[str, str] = {}
    while key in event:
        renames[key] = key = f"source_{key}"
    return renames


def _rename_keys(frame: bytes, renames: Mapping[str, str]) -> bytes:
    """`frame`, a valid JSON object, with its top-level keys renamed and every other byte as it was."""
    parts: list[bytes] = []
    copied = depth = 0
    before = b""
    for token in _TOKEN.finditer(frame):
        text = token[0]
        if text in b"{[":
            depth += 1
        elif text in b"}]":
            depth -= 1
        elif depth == 1 and before in (b"{", b",") and (name := orjson.loads(text)) in renames:
            parts += frame[copied : token.start()], orjson.dumps(renames[name])
            copied = token.end()
        before = text
    return b"".join([*parts, frame[copied:]])


def id_of(line: bytes) -> str:
    """The id of the event in `line`: its second, then a hash of the line, so that ids ascend and are found by time.

    Of a line without our stamp the second is 0. Equal lines have equal ids. Any beginning that is at least
    LEAST_ID characters long stands for the id.
    """
    found = _UNIX_TS.search(line)
    second = int(found[1]) - _ID_EPOCH_S if found else 0
    hashed = int.from_bytes(hashlib.blake2b(line, digest_size=8).digest())
    return _base32(second % _ID_SECONDS, _ID_TIME) + _base32(hashed, _ID_HASH)


def seconds_in(id: str) -> list[int] | None:
    """The unix seconds, one of which is that of the event with this id; None for what is no id, or too short."""
    if not _ID.fullmatch(id.lower()):
        return None
    second = sum(_ALPHABET.index(digit) << 5 * place for place, digit in enumerate(reversed(id.lower()[:_ID_TIME])))
    rounds = (second + _ID_EPOCH_S + number * _ID_SECONDS for number in range(-2, 3))  # clocks can be wrong by decades
    return [unix_s for unix_s in rounds if unix_s >= 0]


def _base32(number: int, digits: int) -> str:
    return "".join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(digits)))


def hello_id(frame: bytes) -> str | None:
    """The connection id that `frame` announces, None when it is no hello (then it is an event).

    The hello is an object with a non-empty string `connection_id` (docs.videodb.io, collections/get_websocket).
    Raises ValueError when the id is not printable ASCII without blanks, at most 256 characters: it goes into a file
    and through shells.
    """
    try:
        event = orjson.loads(frame)
    except orjson.JSONDecodeError:
        return None
    connection_id = event.get("connection_id") if type(event) is dict else None
    if type(connection_id) is not str or not connection_id:
        return None
    if not _CONNECTION_ID.fullmatch(connection_id):
        raise ValueError(f"connection id {visible(connection_id[:80])!r} is not printable ASCII without blanks")
    return connection_id


def decode_frame(frame: bytes) -> dict[str, Any]:
    """The event in `frame`, for a program that takes it at once; one that is no JSON object is wrapped as in a line."""
    try:
        event = orjson.loads(frame)
    except orjson.JSONDecodeError:
        event = None
    return event if type(event) is dict else decode_line(b"{" + _wrapped(frame))


def decode_line(line: bytes) -> dict[str, Any]:
    """The event in `line`. Raises ValueError when it is not a JSON object: damage, or a line still being written."""
    event = orjson.loads(line)
    if type(event) is not dict:
        raise ValueError("a line of the events file is a JSON object")
    return event
