"""The URL of a WebSocket: asked for before each connection, good for one, and a secret."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from videodb_listen.api.envelope import checked_sent
from videodb_listen.api.http import Api, Limits
from videodb_listen.errors import ConfigurationError, RequestRefused, Unavailable
from videodb_listen.text import Secrets

BRIEF = Limits(10.0, 1 << 20)
"""A URL is a few hundred bytes, and a server that sends one byte a second must not hold up a reconnect."""


@dataclass(frozen=True)
class EventsOf:
    """Whose events are wanted: those of `collection`, as `api` sees it."""

    api: Api
    collection: str


async def request_websocket_url(wanted: EventsOf) -> tuple[str, Secrets]:
    """A fresh URL for the events that are `wanted`, good for one connection, and what of it must never be shown.

    `GET /collection/{id}/websocket` with the key in `x-access-token` (docs.videodb.io, collections/get_websocket).
    Raises CredentialsRejected for 401 and 403, ConfigurationError for 400, 404 and for an address that is not usable,
    Unavailable for everything else: all but the first two may pass.
    """
    try:
        answer = await wanted.api.ask("GET", "collection", wanted.collection, "websocket", limits=BRIEF)
    except RequestRefused as exc:
        if exc.http_status not in (400, 404):
            raise Unavailable(exc.message) from None
        said = f"{exc.message} (collection {wanted.collection!r})"
        raise ConfigurationError(said, fix="check --collection and VIDEO_DB_API") from None
    data = answer.get("data")
    url = data.get("websocket_url") if isinstance(data, dict) else None
    if not isinstance(url, str) or not url:
        raise Unavailable("the API sent no websocket_url")
    return checked_sent("websocket_url", url, "wss", "ws"), wanted.api.secrets(*_secrets_in(url))


def _secrets_in(url: str) -> list[str]:
    """What makes `url` a credential: its query, whole and value by value, as it is spelled and as it is meant."""
    query = urlsplit(url).query
    spelled = (pair.partition("=")[2] for pair in query.split("&"))
    return [query, *spelled, *(value for _, value in parse_qsl(query))]
