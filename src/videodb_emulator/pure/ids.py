"""Made-up ids and times, each in the form that its kind was seen in.

Sources: openapi.yaml of videodb-python, answers recorded in its notebooks, docs.videodb.io.
"""

import base64
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

Entropy = Callable[[int], bytes]
"""Returns that many random bytes; `secrets.token_bytes` outside tests."""


def _uuid(entropy: Entropy) -> uuid.UUID:
    return uuid.UUID(bytes=entropy(16), version=4)


def secret(entropy: Entropy) -> str:
    """Return 43 characters that nobody guesses."""
    return base64.urlsafe_b64encode(entropy(32)).decode().rstrip("=")


_FORMS: Mapping[str, Callable[[Entropy], str]] = {
    "collection": lambda entropy: f"c-{_uuid(entropy)}",
    "session": lambda entropy: f"cap-{_uuid(entropy)}",
    "rtstream": lambda entropy: f"rts-{_uuid(entropy)}",
    "video": lambda entropy: f"m-{_uuid(entropy)}",
    "index": lambda entropy: entropy(8).hex(),
    "event": lambda entropy: f"event-{entropy(8).hex()}",
    "alert": lambda entropy: entropy(8).hex(),
    "client token": lambda entropy: f"st-{secret(entropy)}",
}


def new_id(kind: str, entropy: Entropy) -> str:
    """Return an id that was never given before, as long as `entropy` does not repeat itself."""
    return _FORMS[kind](entropy)


def iso(unix_s: float) -> str:
    """Return a time as recorded answers spell it: ISO 8601 with microseconds, UTC without saying so."""
    return datetime.fromtimestamp(unix_s, UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
