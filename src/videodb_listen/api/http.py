"""HTTP to the VideoDB API: one exchange, bounded in time and size, and what each failure means.

The only importer of httpx2: its exceptions become those of `errors` here, and nothing foreign gets out.
Redirects are not followed, they would carry the key to another host.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import httpx2
import orjson

from videodb_listen.api.envelope import Answer, job_of, result_of, unwrap
from videodb_listen.errors import PROXY_FIX, TLS_FIX, ConfigurationError, RequestRefused, TimedOut, Unavailable
from videodb_listen.settings import Account, checked_url
from videodb_listen.text import Secrets, one_line
from videodb_listen.version import __version__

DEADLINE_S = 10.0
"""For a fresh WebSocket URL: a server that sends one byte a second must not hold up a reconnect."""

CALL_DEADLINE_S = 30.0  # for any other call, as in the official SDK
JOB_POLL_S = 5.0  # between two looks at a job, as in the official SDK
JOB_DEADLINE_S = 500.0  # for a job, as in the official SDK

MAX_BODY_BYTES = 1 << 20
"""A URL is a few hundred bytes; a larger reply is not the API's, and is not read to its end."""

MAX_PAGE_BYTES = 64 << 20  # 1,000 records, each with the times of its words

_NO_PROXY: dict[str, None] = {"http://": None}  # in the clear to loopback only, and not through a proxy


async def request_websocket_url(account: Account, collection: str) -> tuple[str, Secrets]:
    """A fresh WebSocket URL for `collection`, good for one connection, and what of it must never be shown.

    `GET /collection/{id}/websocket` with the key in `x-access-token` (docs.videodb.io, collections/get_websocket).
    Raises CredentialsRejected for 401 and 403, ConfigurationError for 400, 404 and for a URL that is not wss,
    Unavailable for everything else: all but the first two may pass.
    """
    address = f"{account.base_url}/collection/{collection}/websocket"
    try:
        data = unwrap(await _get(address, account.key), [account.key]).get("data")
    except RequestRefused as exc:
        if exc.http_status not in (400, 404):
            raise Unavailable(exc.message) from None
        said = f"{exc.message} (collection {collection!r})"
        raise ConfigurationError(said, fix="check --collection and VIDEO_DB_API") from None
    url = data.get("websocket_url") if isinstance(data, dict) else None
    if not isinstance(url, str) or not url:
        raise Unavailable("the API sent no websocket_url")
    return _checked_sent("websocket_url", url, "wss", "ws"), Secrets(account.key, *_secrets_in(url))


def _secrets_in(url: str) -> list[str]:
    """What makes `url` a credential: its query, whole and value by value, as it is spelled and as it is meant."""
    query = urlsplit(url).query
    spelled = (pair.partition("=")[2] for pair in query.split("&"))
    return [query, *spelled, *(value for _, value in parse_qsl(query))]


@dataclass(frozen=True)
class Api:
    """The API as one credential sees it, synchronous. Each call has a connection of its own: nothing is to be closed.

    Nothing is tried twice: an error says by `retryable` whether that makes sense, and the caller knows whether it does
    harm. `clock` gives seconds, `sleep` waits for them.

    Every call raises CredentialsRejected, RequestRefused or Unavailable, with the `http_status` that was answered, and
    TimedOut for a job that takes too long.
    """

    base_url: str
    token: str = field(repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    def get(self, *path: str, query: Mapping[str, Any] | None = None) -> Any:
        """`data` of the answer. `path` is given in segments, which are escaped; a value of None is not sent."""
        sent = {name: value for name, value in (query or {}).items() if value is not None}
        return self._call("GET", path, params=sent or None)

    def post(self, *path: str, body: Mapping[str, Any]) -> Any:
        """`data` of the answer, after the job when it is one; None when nobody is to wait for it."""
        return self._call("POST", path, content=orjson.dumps(body))

    def patch(self, *path: str, body: Mapping[str, Any]) -> Any:
        """`data` of the answer, None when it has none."""
        return self._call("PATCH", path, content=orjson.dumps(body))

    def _call(self, method: str, path: tuple[str, ...], **content: Any) -> Any:
        address = "/".join([self.base_url, *map(_segment, path)])
        envelope = unwrap(self._exchange(method, address, self.token, **content), [self.token])
        job = job_of(envelope)
        if job is None:
            return envelope.get("data")
        return self._wait_for(job).get("data") if job else None

    def _wait_for(self, job: str) -> Mapping[str, Any]:
        """What the job at `job` ends with. The key goes to the API alone, not to wherever the address leads."""
        address = _checked_sent("job's output_url", job, "https", "http")
        ours = urlsplit(address)[:2] == urlsplit(self.base_url)[:2]
        until = self.clock() + JOB_DEADLINE_S
        while True:
            answer = self._exchange("GET", address, self.token if ours else None)
            if (result := result_of(unwrap(answer, [self.token]))) is not None:
                return result
            if self.clock() >= until:
                raise TimedOut(f"the job is still at work after {JOB_DEADLINE_S:.0f}s", fix="ask again later")
            self.sleep(JOB_POLL_S)

    def _exchange(self, method: str, address: str, token: str | None, **content: Any) -> Answer:
        headers = _headers(token) | ({"content-type": "application/json"} if "content" in content else {})
        until = self.clock() + CALL_DEADLINE_S
        read = bytearray()
        with (
            _translated(CALL_DEADLINE_S),
            httpx2.Client(timeout=CALL_DEADLINE_S, follow_redirects=False, mounts=_NO_PROXY) as client,
            client.stream(method, address, headers=headers, **content) as response,
        ):
            for chunk in response.iter_raw():
                read += _bounded(chunk, len(read), MAX_PAGE_BYTES)
                if self.clock() > until:
                    raise TimeoutError
        return Answer(response.status_code, response.headers, bytes(read))


async def _get(address: str, token: str) -> Answer:
    read = bytearray()
    with _translated(DEADLINE_S):
        async with (
            asyncio.timeout(DEADLINE_S),
            httpx2.AsyncClient(timeout=DEADLINE_S, follow_redirects=False, mounts=_NO_PROXY) as client,
            client.stream("GET", address, headers=_headers(token)) as response,
        ):
            async for chunk in response.aiter_raw():
                read += _bounded(chunk, len(read), MAX_BODY_BYTES)
    return Answer(response.status_code, response.headers, bytes(read))


def _headers(token: str | None) -> dict[str, str]:
    """The headers of every request; None sends no credential."""
    common = {
        "user-agent": f"videodb-listen/{__version__}",
        "accept-encoding": "identity",  # what is not compressed needs no bound on what it inflates to
    }
    return common if token is None else common | {"x-access-token": token}


def _checked_sent(name: str, url: str, secure: str, plain: str) -> str:
    """`url`, which the API sent as `name`, unless it would send a secret in the clear: that is Unavailable."""
    try:
        return checked_url(url, secure, plain)
    except ConfigurationError as exc:
        raise Unavailable(f"the API sent a {name} that is refused: {exc.message}") from None


def _segment(text: str) -> str:
    """One segment of a path. Raises ValueError for one that would make it another path."""
    if text.strip(".") == "":
        raise ValueError(f"an id cannot be {text!r}")
    return quote(text, safe=":")


def _bounded(chunk: bytes, read: int, limit: int) -> bytes:
    if read + len(chunk) > limit:
        raise Unavailable(f"the API's answer is larger than {limit} bytes")
    return chunk


@contextlib.contextmanager
def _translated(deadline_s: float) -> Iterator[None]:
    try:
        yield
    except (TimeoutError, httpx2.TimeoutException):
        raise Unavailable(f"the API did not answer within {deadline_s:.0f}s") from None
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
