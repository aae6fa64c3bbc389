"""HTTP to the VideoDB API: one request, its envelope, and what each failure means.

The only importer of httpx2: its exceptions become those of `errors` here, and nothing foreign gets out.
Redirects are not followed, they would carry the key to another host.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterator
from typing import Any

import httpx2
import orjson

from videodb_listen.display import one_line, redact, shorten, visible
from videodb_listen.errors import (
    PROXY_FIX,
    TLS_FIX,
    ConfigurationError,
    CredentialsRejected,
    ListenError,
    Unavailable,
)
from videodb_listen.settings import Settings, checked_url
from videodb_listen.units import parse_retry_after
from videodb_listen.version import __version__

DEADLINE_S = 10.0
"""For the whole exchange: a server that sends one byte a second must not hold up a reconnect."""

MAX_BODY_BYTES = 1 << 20
"""The reply is a few hundred bytes; a larger one is not the API's, and is not read to its end."""


async def request_websocket_url(settings: Settings) -> str:
    """A fresh WebSocket URL for the collection; it is a secret, and good for one connection.

    `GET /collection/{id}/websocket` with the key in `x-access-token` (docs.videodb.io, collections/get_websocket).
    Raises CredentialsRejected for 401 and 403, ConfigurationError for 400, 404 and for a URL that is not wss,
    Unavailable for everything else: all but the first two may pass.
    """
    address = f"{settings.base_url}/collection/{settings.collection}/websocket"
    data = await _get(address, settings)
    url = data.get("websocket_url") if isinstance(data, dict) else None
    if not isinstance(url, str) or not url:
        raise Unavailable("the API sent no websocket_url")
    try:
        return checked_url(url, "wss", "ws")
    except ConfigurationError as exc:
        raise Unavailable(f"the API sent a websocket_url that is refused: {exc.message}") from None


async def _get(address: str, settings: Settings) -> Any:
    headers = {
        "x-access-token": settings.api_key,
        "user-agent": f"videodb-listen/{__version__}",
        "accept-encoding": "identity",  # what is not compressed needs no bound on what it inflates to
    }
    no_proxy: dict[str, None] = {"http://": None}  # in the clear to loopback only, and not through a proxy
    with _translated():
        async with (
            asyncio.timeout(DEADLINE_S),
            httpx2.AsyncClient(headers=headers, timeout=DEADLINE_S, follow_redirects=False, mounts=no_proxy) as client,
            client.stream("GET", address) as response,
        ):
            body = await _bounded_body(response)
    if response.status_code != 200:
        raise _failure(response, _message(body, settings), settings)
    try:
        envelope = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Unavailable("the API answered 200 with a body that is not JSON") from None
    if not isinstance(envelope, dict) or envelope.get("success") is False:
        raise Unavailable(f"the API answered 200 without success{_message(body, settings)}")
    return envelope.get("data")


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (TimeoutError, httpx2.TimeoutException):
        raise Unavailable(f"the API did not answer within {DEADLINE_S:.0f}s") from None
    except httpx2.ProxyError as exc:
        raise Unavailable(f"the proxy refused: {one_line(exc)}", fix=PROXY_FIX) from None
    except httpx2.HTTPError as exc:
        if _is_about_tls(exc):
            raise Unavailable(f"no trust in the API's server: {one_line(exc)}", fix=TLS_FIX) from None
        raise Unavailable(f"the API could not be reached: {one_line(exc)}") from None
    except ImportError as exc:
        raise ConfigurationError(f"the proxy needs a package: {one_line(exc)}", fix=PROXY_FIX) from None
    except OSError as exc:  # no descriptor is free, or the certificate authorities are gone
        raise Unavailable(f"the API could not be asked: {one_line(exc)}", fix=TLS_FIX) from None
    except (httpx2.InvalidURL, ValueError) as exc:
        raise ConfigurationError(f"the base URL is not usable: {one_line(exc)}", fix="correct VIDEO_DB_API") from None


def _is_about_tls(exc: BaseException | None) -> bool:
    while exc is not None:
        if isinstance(exc, ssl.SSLError):
            return True
        exc = exc.__cause__ or exc.__context__
    return False


async def _bounded_body(response: httpx2.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise Unavailable(f"the API's answer is larger than {MAX_BODY_BYTES} bytes")
    return bytes(body)


def _message(body: bytes, settings: Settings) -> str:
    """What the server says about its refusal, as `: text`; "" when it says nothing. One short line without the key."""
    with contextlib.suppress(orjson.JSONDecodeError):
        envelope = orjson.loads(body)
        text = envelope.get("message") if isinstance(envelope, dict) else None
        if isinstance(text, str) and text.strip():
            return ": " + shorten(visible(redact(text.strip(), [settings.api_key])), 200)
    return ""


def _failure(response: httpx2.Response, message: str, settings: Settings) -> ListenError:
    """The error for a status other than 200, grouped by who can mend it."""
    status = response.status_code
    said = f"the API answered {status}{message}"
    match status:
        case 401 | 403:
            return CredentialsRejected(said, fix="check VIDEO_DB_API_KEY and what the key may do")
        case 400 | 404:
            return ConfigurationError(
                f"{said} (collection {settings.collection!r})", fix="check --collection and VIDEO_DB_API"
            )
        case 402:
            return Unavailable(said, fix="top up the account's credits")
        case _ if 300 <= status < 400:
            return Unavailable(
                f"{said}, a redirect, which is not followed", fix="set VIDEO_DB_API to the final address"
            )
        case _:
            return Unavailable(said, retry_after_s=parse_retry_after(response.headers))
