"""An HTTP server that writes down what it is asked, and answers from a list or from a function.

In threads of its own, so that synchronous clients can be tested without an event loop.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request as it arrived: the path without its query, the body as JSON, None when there was none."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str] = field(compare=False, repr=False)


@dataclass(frozen=True)
class Told:
    """One answer; `body` goes out as JSON, bytes as they are."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def good(data: Any, **more: Any) -> Told:
    """A successful answer with this `data`."""
    return Told({"success": True, "data": data, **more})


Answers = Callable[[Asked], Told]


class RecordingServer:
    """Answers with `replies` while there are any, then with what `answers` says; empty data by default."""

    def __init__(self, *replies: Told, answers: Answers | None = None) -> None:
        self.asked: list[Asked] = []
        self.replies = list(replies)
        self._answers = answers or (lambda _: good({}))
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                outer._serve(self)

            do_GET = do_POST = do_PATCH = _serve  # noqa: N815

            def log_message(self, *_: Any) -> None:
                """Be silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        content = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        asked = Asked(
            str(handler.command),
            parts.path,
            dict(parse_qsl(parts.query, keep_blank_values=True)),
            json.loads(content) if content else None,
            headers,
        )
        self.asked.append(asked)
        told = self.replies.pop(0) if self.replies else self._answers(asked)
        body = told.body if isinstance(told.body, bytes) else json.dumps(told.body).encode()
        handler.send_response(told.status)
        for name, value in {"content-length": str(len(body)), "connection": "close", **told.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)
