"""What a line of the events file must look like, said once and independently of the product."""

from __future__ import annotations

import json
import re

STAMPS = re.compile(rb'\{"ts":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","unix_ts":\d+(?:\.\d+)?')


def after_stamps(line: bytes) -> bytes:
    """Return the object that follows the two stamps, exactly as it stands."""
    head = STAMPS.match(line)
    assert head is not None, f"no stamps: {line[:120]!r}"
    rest = line[head.end() :]
    assert rest[:1] in {b",", b"}"}, f"not an object behind the stamps: {line[:120]!r}"
    return b"{" + rest.removeprefix(b",")


def raw_line(frame: bytes) -> bytes:
    """Return what follows the stamps for a frame that is text but not an acceptable object."""
    return json.dumps({"raw": frame.decode()}).encode()
