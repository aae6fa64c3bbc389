"""The URL of a WebSocket: what is asked, what a refusal means, and what of it is a secret."""

from __future__ import annotations

import pytest

from support.recording import RecordingServer, Told, good
from videodb_listen.api.http import Api
from videodb_listen.api.websocket_url import EventsOf, _secrets_in, request_websocket_url
from videodb_listen.errors import ConfigurationError, CredentialsRejected, ListenError, Unavailable

URL = "wss://ws.example/socket?token=hush"


async def test_a_url_comes_with_what_must_not_be_shown(server: RecordingServer, api: Api) -> None:
    server.replies = [good({"websocket_url": URL})]
    url, secrets = await request_websocket_url(EventsOf(api, "c/1"))
    assert url == URL
    assert secrets.redact("hush, sk-secret: token=hush") == "[secret], [secret]: [secret]"
    assert [(one.method, one.path) for one in server.asked] == [("GET", "/collection/c%2F1/websocket")]


@pytest.mark.parametrize(
    ("told", "kind", "said"),
    [
        (Told({"message": "no"}, 400), ConfigurationError, "no .*collection 'c-1'"),
        (Told({"message": "no"}, 404), ConfigurationError, "no .*collection 'c-1'"),
        (Told({"message": "no"}, 401), CredentialsRejected, "no"),
        (Told({"message": "no"}, 409), Unavailable, "409: no"),
        (Told({"success": False, "message": "not now"}), Unavailable, "not now"),
        (Told({"success": True, "status": "processing", "data": {"output_url": "x"}}), Unavailable, "no websocket_url"),
        (good(None), Unavailable, "no websocket_url"),
        (good({"websocket_url": 7}), Unavailable, "no websocket_url"),
        (good({"websocket_url": "ws://far.example/?token=hush"}), Unavailable, "sent a websocket_url that is refused"),
    ],
)
async def test_a_refusal_is_grouped_by_whether_it_may_pass(
    server: RecordingServer, api: Api, told: Told, kind: type[ListenError], said: str
) -> None:
    server.replies = [told]
    with pytest.raises(kind, match=said) as caught:
        await request_websocket_url(EventsOf(api, "c-1"))
    assert "hush" not in str(caught.value)
    assert len(server.asked) == 1


def test_the_query_is_what_makes_a_url_a_secret() -> None:
    assert _secrets_in("wss://h/p?token=a%2Bb&x=c") == ["token=a%2Bb&x=c", "a%2Bb", "c", "a+b", "c"]
