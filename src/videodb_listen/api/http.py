"""HTTP to the VideoDB API: one exchange, bounded in time and size, and what each failure means.

The only importer of httpx2: its exceptions become those of `errors` here, and nothing foreign gets out. The only reader
of the key. Redirects are not followed, they would carry the key to another host.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx2
import orjson

from videodb_listen.api.envelope import Answer, checked_sent, job_of, result_of, unwrap
from videodb_listen.errors import TLS_FIX, ConfigurationError, TimedOut, Unavailable
from videodb_listen.settings import Account
from videodb_listen.system.network import Proxy, authorities, proxy_for, unreachable, why
from videodb_listen.text import Secrets
from videodb_listen.version import __version__

CALL_DEADLINE_S = 30.0  # as in the official SDK
JOB_POLL_S = 5.0  # between two looks at a job, as in the official SDK
JOB_DEADLINE_S = 500.0  # for a job, as in the official SDK

KEPT_IDLE_S = 4.0
"""How long a connection waits for its next request. Common servers hang up after 5 s: a request that crosses that is
lost, and nothing is sent twice. What stood before the network changed must not be asked either."""


@dataclass(frozen=True)
class Limits:
    """What one exchange may take: time from the first packet to the last byte, and the size of the answer."""

    deadline_s: float
    max_bytes: int


USUAL = Limits(CALL_DEADLINE_S, 64 << 20)  # a page of 1,000 records, each with the times of its words


class Api:
    """The API as one credential sees it.

    `async with api:` keeps its connections open for the calls of this event loop; without it each exchange has a client
    of its own, and nothing is to be closed. A call that is cancelled ends at once.

    Nothing is tried twice: an error says by `retryable` whether that makes sense, and the caller knows whether it does
    harm. `clock` gives seconds, None: those of the loop; `sleep` waits for them.

    Every call raises CredentialsRejected, RequestRefused or Unavailable, with the `http_status` that was answered,
    ConfigurationError when the address or the proxy is not usable, and TimedOut for a job that takes too long.
    """

    def __init__(
        self,
        account: Account,
        *,
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.base_url = account.base_url
        self.clock = clock or _loop_s
        self.sleep = sleep
        self._key = account.key
        self._kept: dict[asyncio.AbstractEventLoop, dict[tuple[Any, ...], httpx2.AsyncClient]] = {}

    def __repr__(self) -> str:
        return f"<Api {self.base_url}>"

    async def __aenter__(self) -> Self:
        self._kept[asyncio.get_running_loop()] = {}
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._kept.pop(asyncio.get_running_loop()).values():
            await client.aclose()

    def secrets(self, *more: str) -> Secrets:
        """What must never be shown: the key, and `more`."""
        return Secrets(self._key, *more)

    async def get(self, *path: str, query: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """`data` of the answer, {} when it has none.

        `path` is given in segments, which are escaped; a value of None is not sent.
        """
        return await self._result(await self.ask("GET", *path, query=query))

    async def post(self, *path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """`data` of the answer, after the job when it is one; {} when it has none, or nobody is to wait for the job."""
        return await self._result(await self.ask("POST", *path, body=body))

    async def patch(self, *path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """`data` of the answer, {} when it has none."""
        return await self._result(await self.ask("PATCH", *path, body=body))

    async def ask(
        self,
        method: str,
        *path: str,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        limits: Limits = USUAL,
    ) -> dict[str, Any]:
        """The whole envelope of one answer. A job is not waited for."""
        address = "/".join([self.base_url, *map(_segment, path)])
        sent = {name: value for name, value in (query or {}).items() if value is not None}
        request: dict[str, Any] = {"params": sent or None, "headers": self._headers(with_key=True)}
        if body is not None:
            request["content"] = orjson.dumps(body)
            request["headers"]["content-type"] = "application/json"
        return unwrap(await self._exchange(method, address, request, limits), self.secrets())

    async def _result(self, envelope: Mapping[str, Any]) -> dict[str, Any]:
        if (job := job_of(envelope)) is not None:
            envelope = await self._end_of(job) if job else {}
        data = envelope.get("data")
        return data if isinstance(data, dict) else {}

    async def _end_of(self, job: str) -> Mapping[str, Any]:
        """What the job at `job` ends with. The key goes to the API alone, not to wherever the address leads."""
        address = checked_sent("job's output_url", job, "https", "http")
        ours = urlsplit(address)[:2] == urlsplit(self.base_url)[:2]
        until = self.clock() + JOB_DEADLINE_S
        while True:
            answer = await self._exchange("GET", address, {"headers": self._headers(with_key=ours)}, USUAL)
            if (result := result_of(unwrap(answer, self.secrets()), self.secrets())) is not None:
                return result
            if self.clock() >= until:
                raise TimedOut(f"the job is still at work after {JOB_DEADLINE_S:.0f}s", fix="ask again later")
            await self.sleep(JOB_POLL_S)

    def _headers(self, *, with_key: bool) -> dict[str, str]:
        common = {
            "user-agent": f"videodb-listen/{__version__}",
            "accept-encoding": "identity",  # what is not compressed needs no bound on what it inflates to
        }
        return common | ({"x-access-token": self._key} if with_key else {})

    async def _exchange(self, method: str, address: str, request: Mapping[str, Any], limits: Limits) -> Answer:
        read, proxy = bytearray(), proxy_for(address)
        with _translated(limits.deadline_s, proxy, self.secrets()):
            async with (
                asyncio.timeout(limits.deadline_s),
                self._client(urlsplit(address).scheme, proxy) as client,
                client.stream(method, address, **request) as response,
            ):
                async for chunk in response.aiter_raw():
                    read += chunk
                    if len(read) > limits.max_bytes:
                        raise Unavailable(f"the API's answer is larger than {limits.max_bytes} bytes")
        return Answer(response.status_code, response.headers, bytes(read))

    @contextlib.asynccontextmanager
    async def _client(self, *way: Any) -> AsyncIterator[httpx2.AsyncClient]:
        """The client for this `way` that is kept open in this loop, else one for this exchange alone."""
        kept = self._kept.get(asyncio.get_running_loop())
        if kept is None:
            async with _new_client(*way) as client:
                yield client
        else:
            if way not in kept:
                kept[way] = _new_client(*way)
            yield kept[way]


def _new_client(scheme: str, proxy: Proxy | None) -> httpx2.AsyncClient:
    """A client for addresses of this scheme, through this proxy. It reads no variable by itself."""
    trusted = authorities() if scheme == "https" else None
    return httpx2.AsyncClient(
        verify=trusted or scheme == "https",
        trust_env=False,
        proxy=None if proxy is None else _as_httpx2(proxy, trusted),
        timeout=None,  # one deadline for the whole exchange holds instead
        follow_redirects=False,
        limits=httpx2.Limits(keepalive_expiry=KEPT_IDLE_S),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # none is kept
    )


def _as_httpx2(proxy: Proxy, trusted: ssl.SSLContext | None) -> httpx2.Proxy:
    by_tls = trusted if urlsplit(proxy.url).scheme == "https" else None
    return httpx2.Proxy(proxy.url, ssl_context=by_tls)


def _segment(text: str) -> str:
    """One segment of a path. Raises ValueError for one that would make it another path."""
    if text.strip(".") == "":
        raise ValueError(f"an id cannot be {text!r}")
    return quote(text, safe=":")


def _loop_s() -> float:
    return asyncio.get_running_loop().time()


@contextlib.contextmanager
def _translated(deadline_s: float, proxy: Proxy | None, secrets: Secrets) -> Iterator[None]:
    """The library's exceptions as ours; what the server, or a proxy, has put into their text is not shown."""
    try:
        yield
    except (TimeoutError, httpx2.TimeoutException):
        raise Unavailable(f"the API did not answer within {deadline_s:.0f}s") from None
    except httpx2.ProxyError as exc:
        assert proxy is not None
        status = re.match(r"[1-9]\d\d\b", str(exc))
        raise proxy.refused(int(status[0]) if status else None) from None
    except httpx2.HTTPError as exc:
        if _is_about_tls(exc):
            raise Unavailable(f"no trust in the API's server: {why(exc, proxy, secrets)}", fix=TLS_FIX) from None
        raise unreachable("the API could not be reached", exc, proxy, secrets) from None
    except ImportError:
        assert proxy is not None
        raise proxy.unknown() from None
    except OSError as exc:  # no descriptor is free
        raise unreachable("the API could not be asked", exc, proxy, secrets) from None
    except (httpx2.InvalidURL, ValueError) as exc:
        said = why(exc, proxy, secrets)
        raise ConfigurationError(f"the base URL is not usable: {said}", fix="correct VIDEO_DB_API") from None


def _is_about_tls(exc: BaseException | None) -> bool:
    while exc is not None:
        if isinstance(exc, ssl.SSLError):
            return True
        exc = exc.__cause__ or exc.__context__
    return False
