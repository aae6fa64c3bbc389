"""The process around the recorder that records nothing: stdin, the backend, timers, and that there is only one.

Only the standard library is used, so that it starts fast.
"""

import fcntl
import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from http.client import UNAUTHORIZED
from pathlib import Path
from typing import Any

from videodb_emulator.pure.recorder import Failure, Outside, Params, Plan, Recorder

SECOND = 2
"""The exit status while another one runs."""

CRASHED = 70  # the exit status of a planned crash; an SDK sees only that it is not 0

_REST_TIMEOUT_S = 10.0


def run(plan: Plan, api_url: str, lines: Iterable[bytes], write: Callable[[str], None], lock: Path) -> int:
    """Answer line after line until there are no more, one says `shutdown`, or one is no text; the exit status.

    Whoever cannot lock the file `lock` says so and reads nothing.
    """
    turn = threading.Lock()  # a command or an action of a timer, never both at once
    outside = Outside(write, ask, lambda after_s, action: _later(turn, after_s, action), time.time, _crash)
    recorder = Recorder(plan, api_url, outside)
    with _only_one(lock) as alone:
        if not alone:
            message = "Another recorder instance is already running"
            recorder.tell("error", {"code": "INSTANCE_ALREADY_RUNNING", "message": message})
            return SECOND
        with suppress(UnicodeDecodeError):
            for line in lines:
                with turn:
                    recorder.handle(line.decode())
                if recorder.over:
                    break
        with turn:
            recorder.end()
    return 0


def ask(method: str, url: str, token: str, body: Params | None) -> Any:
    """Send a request; the JSON of its answer. Raises `Failure` with what the backend says, or that there is none."""
    headers = {"Content-Type": "application/json", "x-access-token": token}
    # A proxy from the environment would be asked to fetch from its own loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    content = None if body is None else json.dumps(body).encode()
    try:
        request = urllib.request.Request(url, content, headers, method=method)  # noqa: S310 - the SDK's own URL
        with opener.open(request, timeout=_REST_TIMEOUT_S) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == UNAUTHORIZED:
                raise Failure("INVALID_TOKEN", "Internal error: Invalid token") from error
            said = f"Status: {error.code} {error.reason}, Body: {error.read(2000).decode(errors='replace')}"
        raise Failure("INTERNAL_ERROR", f"Internal error: Server error: {said}") from error
    except (OSError, ValueError) as error:
        raise Failure("INTERNAL_ERROR", f"Internal error: {url}: {error}") from error


@contextmanager
def _only_one(lock: Path) -> Iterator[bool]:
    """Whether no other process holds the file, which this one then does until it ends."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _later(turn: threading.Lock, after_s: float, action: Callable[[], None]) -> None:
    def act() -> None:
        with turn:
            action()

    timer = threading.Timer(after_s, act)
    timer.daemon = True
    timer.start()


def _crash() -> None:
    os._exit(CRASHED)
