"""An events file as a long run of one daemon leaves it, made in seconds.

An event every EVERY_MS, 295 bytes each on the average, one in ten of them an alert; the stamps ascend and end now. It
is made a second at a time: the lines of a second are written once, and only its number is put in afterwards.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

EVERY_MS = 50  # several pipelines on several streams

_TIME, _UNIX = b"YYYY-MM-DDThh:mm:ss", b"UUUUUUUUUU"

_TRANSCRIPT = (
    b'"channel": "transcript", "rtstream_id": "rts-0123456789abcdef01234567", "rtstream_name": "mic:default", "data": '
    b'{"text": "%b, item UUUUUUUUUU", "is_final": %b, "start": UUUUUUUUUU000, "end": UUUUUUUUUU999}'
)
_SCENE = (
    b'"channel": "scene_index", "rtstream_id": "rts-89abcdef0123456789abcdef", "rtstream_name": "display:1", "data": '
    b'{"text": "A code editor with a test run, all green, and a browser", "start": UUUUUUUUUU000, "end": UUUUUUUUUU999}'
)
_ALERT = (
    b'"channel": "alert", "rtstream_id": "rts-89abcdef0123456789abcdef", "data": {"label": "password_visible", '
    b'"triggered": true, "confidence": 0.92, "explanation": "A password manager is open on the shared screen", '
    b'"start": UUUUUUUUUU000, "end": UUUUUUUUUU999}'
)
_SAID = (
    (b"Let's ship", b"false"),
    (b"Let's schedule the meeting for Thursday", b"true"),
    (b"They agreed on the date of the release", b"true"),
)
_SAID_OF_ALERTS = (b"The dashboard shows another alert", b"true")
"""Once a second: what only looks for the word finds more than there is."""


def make(path: Path, size: int) -> int:
    """Write about `size` bytes to `path`, to the disk; how many events that is."""
    second = _second()
    seconds = max(1, size // len(second))
    end = int(time.time())
    with path.open("wb") as file:
        for unix_s in range(end - seconds, end):
            ts = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(unix_s)).encode()
            file.write(second.replace(_TIME, ts).replace(_UNIX, b"%010d" % unix_s))
        file.flush()
        os.fsync(file.fileno())  # or the kernel would write it while others are measured
    return seconds * second.count(b"\n")


def _second() -> bytes:
    """The lines of one second, without the second."""
    return b"".join(
        b'{"ts":"%b.%03dZ","unix_ts":%b.%03d,%b}\n'
        % (_TIME, number * EVERY_MS, _UNIX, number * EVERY_MS, _event(number))
        for number in range(1000 // EVERY_MS)
    )


def _event(number: int) -> bytes:
    """What the server sent as the event `number` of its second, without the outer braces."""
    if number % 10 == 0:
        return _ALERT
    if number % 10 in (3, 7):
        return _SCENE
    return _TRANSCRIPT % (_SAID_OF_ALERTS if number == 1 else _SAID[number % len(_SAID)])
