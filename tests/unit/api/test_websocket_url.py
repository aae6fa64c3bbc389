"""The URL of a WebSocket, and what of it is a secret."""

from __future__ import annotations

from videodb_listen.api.websocket_url import _secrets_in


def test_the_query_is_what_makes_a_url_a_secret() -> None:
    assert _secrets_in("wss://h/p?token=a%2Bb&x=c") == ["token=a%2Bb&x=c", "a%2Bb", "c", "a+b", "c"]
