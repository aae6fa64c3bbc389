"""Frames and lines: what the server sends becomes exactly one line each.

Pure. `encode_line` is total: any bytes give one line. A JSON object is spliced, not re-encoded: orjson parses it to
prove that it is one, then the server's own bytes go into the line behind the two stamps. Decoding and encoding again
would turn integers beyond 64 bits into floats, respell numbers and merge duplicate keys; a recorder must not change
what it records.

A large frame is looked at in pieces, see `pieces`: it gives the line that it would give as a whole, in time that grows
with its length alone, and in no more memory than four times its size.
"""

from __future__ import annotations

import base64
import codecs
import functools
import hashlib
import re
import time
from collections.abc import Container, Generator, Mapping
from io import BytesIO
from typing import Any

import orjson

from videodb_listen.pieces import (
    BORDER,
    IN_KEY,
    IN_VALUE,
    LATER_IN_KEY,
    MARKED,
    PIECE_BYTES,
    Piece,
    depths_of_marks,
    nests_too_deep,
    pieces,
)
from videodb_listen.text import visible

MAX_CONNECTION_ID = 256

MAX_HELLO_BYTES = 1 << 16
"""A hello is some hundred bytes; what is larger is an event, whatever it holds."""

LARGE_BYTES = 1 << 18
"""Up to this size a frame is parsed as a whole: what that can cost, 12 MiB and some milliseconds, is no harm."""

BYTE_ORDER_MARK = codecs.BOM_UTF8
"""Some programs write it in front of JSON; a reader may pass over it (RFC 8259, 8.1). orjson does not."""

_STAMPS = ("ts", "unix_ts")
_LINE_BREAKS = bytes.maketrans(b"\r\n", b"  ")  # in valid JSON a raw CR or LF is only ever white space
_ESCAPED_SHORT = b'"\\\b\t\n\f\r'  # by a backslash; other controls as six characters
_ESCAPED_LONG = bytes(set(range(0x20)) - set(_ESCAPED_SHORT))
_OBJECT = re.compile(rb"[ \t\r\n]*+\{")
_EMPTY = re.compile(_OBJECT.pattern + rb"[ \t\r\n]*+\}")
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: nothing in it is taken for something else
_ID_EPOCH_S = 1_577_836_800  # 2020; from there on the seconds of 34 years have ids of their own
_ID_TIME, _ID_HASH = 6, 6
_ID_SECONDS = 1 << 5 * _ID_TIME
LEAST_ID = _ID_TIME + 2
_ID = re.compile(f"[{_ALPHABET}]{{{LEAST_ID},{_ID_TIME + _ID_HASH}}}")
_UNIX_TS = re.compile(rb'"unix_ts": ?(\d{1,11})[.,}]')
_CONNECTION_ID = re.compile(rf"[!-~]{{1,{MAX_CONNECTION_ID}}}")


_OWN_STAMP = re.compile(r"(?:source_)*+(?:unix_)?ts")
_BEGUN = {IN_KEY: b',"', LATER_IN_KEY: b'"', IN_VALUE: b'"'}  # in front of a piece that begins inside of a string


def encode_line(frame: bytes, received_s: float) -> bytes:
    """The line for `frame`, which was read at `received_s` (unix seconds): UTF-8 JSON with one newline, at its end.

    Total: whatever the bytes are, the result is one line of strict JSON that starts with `ts` and `unix_ts`.
    """
    if len(frame) > LARGE_BYTES:
        return _result_of(encode_in_steps(frame, received_s))
    head = stamps(int(received_s * 1000 + 0.5))
    try:
        event = orjson.loads(frame)
    except orjson.JSONDecodeError:
        return head + b"," + _wrapped(frame)
    if type(event) is not dict or nests_too_deep(frame):
        return head + b"," + _wrapped(frame)
    if "ts" in event or "unix_ts" in event:
        renamed, rest = _renamed(frame, Piece(0, len(frame), 0, BORDER), 0, _new_names(event))
        frame = renamed + frame[rest:]
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


# -- an object's own stamps --


@functools.cache
def _own_key(*, escaped: bool) -> re.Pattern[bytes]:
    r"""What stands before the name of a stamp, and the name; `escaped`: each letter may be written as \uNNNN.

    In valid JSON this is a key, or a value in an array.
    """

    def spelled(word: str) -> bytes:
        return "".join(rf"(?:{letter}|(?i:\\u{ord(letter):04x}))" if escaped else letter for letter in word).encode()

    return re.compile(
        rb'([{,][ \t\r\n]*+")((?:%b)*+(?:%b)?%b)(?=")' % (spelled("source_"), spelled("unix_"), spelled("ts"))
    )


def _new_names(own: Container[str]) -> dict[str, str]:
    """New names that free `ts` and `unix_ts` where `own` holds an object's keys.

    Each becomes `source_<key>`, and so on along the chain, so that no two ever collide.
    """
    names: dict[str, str] = {}
    for stamp in _STAMPS:
        key = stamp
        while key in own:
            names[key] = key = f"source_{key}"
    return names


def _renamed(text: bytes, piece: Piece, copied: int, names: Mapping[str, str]) -> tuple[bytes, int]:
    """`text`, a valid JSON object, from `copied` to the last string of `piece`, its keys renamed; and where that ends.

    Every byte but those of the keys is as it was. Behind the last string there is no key, however far it is.
    """
    end = text.rfind(b'"', copied, piece.end - 1) + 1
    if end == 0:
        return b"", copied
    begun = _BEGUN.get(piece.place, b"")
    window = begun + text[piece.start : end]
    escaped = b"\\u" in window
    parts = _own_key(escaped=escaped).split(window)
    spelled = parts[2::3]
    parts[2::3] = [MARKED] * len(spelled)
    depths = depths_of_marks(b"".join(parts), piece.depth)
    meant = [orjson.loads(b'"%b"' % name).encode() for name in spelled] if escaped else spelled
    new = {name.encode(): other.encode() for name, other in names.items()}
    parts[2::3] = [
        new.get(name, as_it_was) if depth == 1 else as_it_was
        for name, as_it_was, depth in zip(meant, spelled, depths, strict=True)
    ]
    return b"".join(parts)[len(begun) + copied - piece.start :], end


# -- large frames --


def encode_in_steps(frame: bytes, received_s: float) -> Generator[None, None, bytes]:
    """`encode_line` for a caller that has other things to do: a step takes some milliseconds.

    Of frames over LARGE_BYTES: a text that escapes would more than double is kept as `raw_base64`.
    """
    line = BytesIO()  # grows in place, and gives its content away without a copy
    line.write(stamps(int(received_s * 1000 + 0.5)))
    proven = yield from _proven(frame)
    if proven is not None:
        yield from _write_object(line, frame, *proven)
    elif (yield from _doubles(frame)) or not (yield from _write_text(line, frame)):
        yield from _write_base64(line, frame)
    return line.getvalue()


def _result_of(steps: Generator[None, None, bytes]) -> bytes:
    try:
        while True:
            next(steps)
    except StopIteration as done:
        line: bytes = done.value
        return line


def _proven(text: bytes) -> Generator[None, None, tuple[set[str], list[Piece]] | None]:
    """The stamps of its own that `text` has, and the pieces with them; None when it is no object we may splice."""
    if not _OBJECT.match(text):
        return None
    own: set[str] = set()
    places: list[Piece] = []
    try:
        for piece, found in pieces(text, _own_stamps):
            if found:
                own |= found
                places.append(piece)
            yield
    except ValueError:
        return None
    return own, places


def _own_stamps(document: Mapping[str, Any]) -> set[str]:
    return {key for key in document if key.endswith("ts") and _OWN_STAMP.fullmatch(key)}


def _write_object(line: BytesIO, text: bytes, own: set[str], places: list[Piece]) -> Generator[None, None, None]:
    names = _new_names(own)
    if not _EMPTY.match(text):
        line.write(b",")
    copied = text.index(b"{") + 1
    for piece in places if names else ():
        yield from _copy(line, text, copied, piece.start)
        renamed, copied = _renamed(text, piece, max(copied, piece.start), names)
        line.write(renamed.translate(_LINE_BREAKS))
        yield
    yield from _copy(line, text, copied, len(text))
    line.write(b"\n")


def _copy(line: BytesIO, text: bytes, start: int, end: int) -> Generator[None, None, None]:
    for at in range(start, end, PIECE_BYTES):
        line.write(text[at : min(at + PIECE_BYTES, end)].translate(_LINE_BREAKS))
        yield


def _doubles(frame: bytes) -> Generator[None, None, bool]:
    """Whether escapes would more than double `frame`, were it text."""
    added = 0
    for at in range(0, len(frame), PIECE_BYTES):
        block = frame[at : at + PIECE_BYTES]
        added += len(block) - len(block.translate(None, _ESCAPED_SHORT))
        added += 5 * (len(block) - len(block.translate(None, _ESCAPED_LONG)))
        yield
    return added > len(frame)


def _write_text(line: BytesIO, frame: bytes) -> Generator[None, None, bool]:
    """Whether `frame` is UTF-8, and was written; otherwise `line` is as it was."""
    begin = line.tell()
    line.write(b',"raw":"')
    decode = codecs.getincrementaldecoder("utf-8")().decode
    for at in range(0, len(frame), PIECE_BYTES):
        try:
            text = decode(frame[at : at + PIECE_BYTES], at + PIECE_BYTES >= len(frame))
        except UnicodeDecodeError:
            line.seek(begin)
            line.truncate()
            return False
        line.write(orjson.dumps(text)[1:-1])
        yield
    line.write(b'"}\n')
    return True


def _write_base64(line: BytesIO, frame: bytes) -> Generator[None, None, None]:
    line.write(b',"raw_base64":"')
    for at in range(0, len(frame), PIECE_BYTES):
        line.write(base64.b64encode(frame[at : at + PIECE_BYTES]))
        yield
    line.write(b'"}\n')


# -- reading --


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
    event = _parsed(frame) if len(frame) <= MAX_HELLO_BYTES else None
    connection_id = event.get("connection_id") if type(event) is dict else None
    if type(connection_id) is not str or not connection_id:
        return None
    if not _CONNECTION_ID.fullmatch(connection_id):
        raise ValueError(f"connection id {visible(connection_id[:80])!r} is not printable ASCII without blanks")
    return connection_id


def decode_frame(frame: bytes) -> dict[str, Any]:
    """The event in `frame`, for a program that takes it at once; one that is no JSON object is wrapped as in a line."""
    event = _parsed(frame)
    return event if type(event) is dict else decode_line(b"{" + _wrapped(frame))


def decode_line(line: bytes) -> dict[str, Any]:
    """The event in `line`. Raises ValueError when it is not a JSON object: damage, or a line still being written.

    A byte order mark hides none: neither one that an editor put in front of the line, nor one that a server put in
    front of an object, which therefore is kept as `raw`.
    """
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:
        if not line.startswith(BYTE_ORDER_MARK):
            raise
        event = orjson.loads(line.removeprefix(BYTE_ORDER_MARK))
    if type(event) is not dict:
        raise ValueError("a line of the events file is a JSON object")
    raw = event.get("raw")
    return _unwrapped(event, raw) if type(raw) is str and raw.startswith("\ufeff") else event


def decode_beginning(line: bytes) -> dict[str, Any]:
    """The event in `line`; of one over LARGE_BYTES what its first PIECE_BYTES say, a longer text being cut there.

    Raises ValueError when that is no JSON object, or no beginning of one.
    """
    if len(line) <= LARGE_BYTES:
        return decode_line(line)
    _, event = next(pieces(line, lambda document: document))
    if type(event) is not dict:
        raise ValueError("a line of the events file is a JSON object")
    return event


def _parsed(frame: bytes) -> Any:
    """The JSON in `frame`, behind a byte order mark or not; None when it is none."""
    try:
        return orjson.loads(frame.removeprefix(BYTE_ORDER_MARK))
    except orjson.JSONDecodeError:
        return None


def _unwrapped(event: dict[str, Any], raw: str) -> dict[str, Any]:
    """The object behind the byte order mark in `raw`, as if it had none; `event` when there is no object."""
    found = _parsed(raw.encode())
    if type(found) is not dict:
        return event
    own: dict[str, Any] = found
    names = _new_names(own)
    stamps = {key: event[key] for key in _STAMPS if key in event}
    return stamps | {names.get(key, key): value for key, value in own.items()}
