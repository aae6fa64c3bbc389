"""The running backend: HTTP and WebSockets over one `World` and one `Account`.

This module moves bytes and waits; what is known and sent is decided there, and `routes` serves most of REST. Here are
the WebSocket URL (docs.videodb.io, API reference; videodb 0.5.1 `client.py`), the WebSocket itself, and
`POST /emulator/trigger`, which is ours.
"""

import asyncio
import json
import logging
import math
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket

from videodb_emulator.http.routes import HANDLERS, authenticate, both_slashes, routes, success
from videodb_emulator.http.wire import Transports, Wire, encode, served
from videodb_emulator.pure.account import Account
from videodb_emulator.pure.agenda import Agenda, Message
from videodb_emulator.pure.chaos import Chaos, Fault
from videodb_emulator.pure.dialect import Dialect
from videodb_emulator.pure.scenario import Scenario
from videodb_emulator.pure.templates import TemplateError
from videodb_emulator.pure.world import World
from videodb_emulator.scenarios.files import load

log = logging.getLogger(__name__)


def _steady_clock() -> Callable[[], float]:
    """Return a clock in unix seconds that a step of the system's clock neither stalls nor rushes."""
    started_s = time.time() - time.monotonic()
    return lambda: started_s + time.monotonic()


class Emulator:
    """A running backend: `base_url` is where it is, `world` is what it knows.

    `account` is what REST knows. `idle` is set while no connection is open.
    """

    def __init__(self, world: World, account: Account, base_url: str, chaos: Chaos) -> None:
        self.world = world
        self.account = account
        self.transports: Transports = {}
        self.base_url = base_url
        self._clock = _steady_clock()
        self._chaos = chaos
        self._wires: dict[str, Wire] = {}
        self._reported: set[str] = set()
        self._changed = asyncio.Event()
        account.streams.open_others(self._clock())
        self.app = Starlette(routes=self._routes(), exception_handlers=HANDLERS)
        self.app.router.redirect_slashes = False
        self.idle = asyncio.Event()
        self.idle.set()

    def __repr__(self) -> str:
        return f"<Emulator {self.base_url}: {len(self._wires)} connections>"

    def _routes(self) -> list[BaseRoute]:
        return [
            *both_slashes("GET", "/collection/{collection_id}/websocket", self._get_websocket),
            *both_slashes("POST", "/emulator/trigger", self._trigger),
            *routes(self.account, self._admit, self._clock, self._changed.set),
            WebSocketRoute("/realtime", self._realtime),
        ]

    # -- REST

    def _admit(self, request: Request) -> None:
        authenticate(request, self.account, self._clock())
        if not request.url.path.startswith("/emulator/"):  # what is ours is never refused
            refuse(request, self._chaos.refuses())

    async def _get_websocket(self, request: Request) -> JSONResponse:
        authenticate(request, self.account, self._clock())
        self.account.library.collection(request.path_params["collection_id"])
        refuse(request, self._chaos.refuses_url())
        token = self.world.issue_token(self._clock())
        if self._chaos.expires_url():
            self.world.redeem_token(token, self._clock())
        return success({"websocket_url": f"{self.base_url.replace('http', 'ws', 1)}/realtime?token={token}"})

    async def _trigger(self, request: Request) -> JSONResponse:
        try:
            match json.loads(await request.body()):
                case {"event": str(event), "set": dict(changes), "connection_id": str() | None as target}:
                    triggered = self.world.trigger(event, changes, self._clock(), target)
                case _:
                    raise HTTPException(400, 'expected {"event": str, "set": object, "connection_id": str or null}')
        except (TemplateError, json.JSONDecodeError, UnicodeDecodeError) as error:
            raise HTTPException(400, str(error)) from error
        reached = [one for one in triggered.connection_ids if await self._send(one, triggered.event)]
        return success({"frame": encode(triggered.event), "connections": reached})

    # -- WebSocket

    async def _realtime(self, websocket: WebSocket) -> None:
        if not self.world.redeem_token(websocket.query_params.get("token", ""), self._clock()):
            log.info("refused a WebSocket URL that is unknown, used or expired")
            await websocket.send_denial_response(JSONResponse({"message": "Forbidden"}, status_code=403))
            return
        await websocket.accept()
        wire = Wire(websocket, self.transports[websocket.scope["client"]])
        faults = self._chaos.accepted()
        self._plan_stops(fault for fault in faults if fault.name == "owner-stop")
        mine = [fault for fault in faults if fault.name != "owner-stop"]
        tasks = [asyncio.create_task(wire.closed()), asyncio.create_task(wire.inject(mine))]
        try:
            await self._talk(wire, tasks[0], sum(fault.delay_s or 0 for fault in mine))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def _plan_stops(self, faults: Iterable[Fault]) -> None:
        """Let the owner stop every transcription when it is planned, also if the connection is gone by then."""
        for fault in faults:
            self.account.agenda.at(self._clock() + fault.at_s, self._stop_transcriptions)
        self._changed.set()

    def _stop_transcriptions(self, now_s: float) -> None:
        log.info("fault: %d transcriptions are stopped by their owner", self.account.streams.stop_transcriptions(now_s))

    async def _talk(self, wire: Wire, left: asyncio.Task[None], hello_delay_s: float) -> None:
        """Say hello and be there until the client is gone."""
        await asyncio.wait([left], timeout=hello_delay_s)
        connection_id = self.world.new_connection_id()
        # Before the connection is known to the world: no event may overtake the hello, which clients take
        # from the first frame whatever it is (videodb 0.5.1 websocket_client.py).
        if not await wire.send({"connection_id": connection_id}):
            await left  # a frozen connection is silent, but it is there
            return
        self._open(connection_id, wire)
        try:
            await left
        finally:
            self._close(connection_id)

    def _open(self, connection_id: str, wire: Wire) -> None:
        self._wires[connection_id] = wire
        self.idle.clear()
        log.info("connection %s opened", connection_id)
        self.world.connected(connection_id, self._clock())
        self._changed.set()

    def _close(self, connection_id: str) -> None:
        self._wires.pop(connection_id, None)
        lost = self.world.disconnected(connection_id)
        rest = f"; the remaining {lost} events of its session are dropped" if lost else ""
        log.info("connection %s closed%s", connection_id, rest)
        if not self._wires:
            self.idle.set()

    async def _send(self, connection_id: str, message: Message) -> bool:
        """Send one message; return whether the connection was there to take it."""
        wire = self._wires.get(connection_id)
        return wire is not None and await wire.send(message)

    @asynccontextmanager
    async def playing(self) -> AsyncIterator[None]:
        """Send everything when it is due while the block is open."""
        player = asyncio.create_task(self._play())
        try:
            yield
        finally:
            player.cancel()
            await asyncio.wait([player])
            if not player.cancelled():
                player.result()  # it never ends by itself: this raises what ended it

    async def _play(self) -> None:
        while True:
            self._changed.clear()
            await self._send_due()
            due_s = self.account.agenda.next_due_s()
            with suppress(TimeoutError):
                async with asyncio.timeout(None if due_s is None else max(0.0, due_s - self._clock())):
                    await self._changed.wait()

    async def _send_due(self) -> None:
        playing = self.world.playing
        for connection_id, message, failed in self.account.agenda.advance(self._clock()):
            if await self._send(connection_id, message):
                continue
            failed()
            if connection_id not in self._reported:
                self._reported.add(connection_id)  # said once: a pipeline goes on for as long as its stream
                log.info("connection %s is not there; events for it are dropped", connection_id)
        if playing is not None and playing.over:
            log.info("session %s is over: %d sent, %d dropped", playing.name, playing.sent, playing.dropped)


def refuse(request: Request, fault: Fault | None) -> None:
    """Raise the planned answer to a request; None: there is none."""
    if fault is not None:
        log.info("fault: %s answers %s %s with %d", fault.name, request.method, request.url.path, fault.code)
        headers = None if fault.delay_s is None else {"Retry-After": str(math.ceil(fault.delay_s))}
        raise HTTPException(fault.code, "planned chaos", headers)


@asynccontextmanager
async def running_emulator(
    scenario: Scenario | str | Path | None = "meeting",
    *,
    speed: float = 1.0,
    port: int = 0,
    faults: Iterable[Fault] = (),
    dialect: Dialect | None = None,
) -> AsyncIterator[Emulator]:
    """Serve on 127.0.0.1 in the running loop while the block is open; no signal handler is installed.

    `scenario` is a `Scenario`, a bundled name or a file, or None for hello only; `speed` divides every delay; `port`
    0 takes a free one; `faults` are a plan of `chaos`; `dialect` None is the documented one. On leaving, every
    connection is closed (1012) and nothing of the server is left.
    Raises `ScenarioError` for an unusable scenario and `OSError` for a port that cannot be had.
    """
    scenario = load(str(scenario)) if isinstance(scenario, str | Path) else scenario
    with socket.create_server(("127.0.0.1", port)) as listening:
        base_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        agenda = Agenda(speed)
        emulator = Emulator(World(agenda, scenario), Account(agenda, dialect), base_url, Chaos(faults))
        async with served(emulator.app, listening, emulator.transports), emulator.playing():
            yield emulator
