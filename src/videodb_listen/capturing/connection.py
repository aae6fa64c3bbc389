"""The way in: `connect()`, and what can be asked of the account."""

from __future__ import annotations

from typing import Any

from videodb_listen.api.blocking import blocking
from videodb_listen.api.http import Api
from videodb_listen.api.resource import Resource, Sent, given, list_in, text_in
from videodb_listen.api.session import CaptureSession
from videodb_listen.api.stream import RTStream
from videodb_listen.api.websocket_url import EventsOf
from videodb_listen.capturing.event_socket import EventSocket
from videodb_listen.environment import variables
from videodb_listen.errors import ConfigurationError
from videodb_listen.settings import KEY_NAMES, Link, checked_credential, resolve_account

DEFAULT_COLLECTION = "default"  # the server knows which one that is
TOKEN_S = 86_400  # a day, as in the official SDK


def connect(api_key: str | None = None, *, base_url: str | None = None, session_token: str | None = None) -> Connection:
    """The account of a key. Nothing is sent yet.

    The key is `api_key`, else `session_token`, else $VIDEO_DB_API_KEY, else $VIDEODB_API_KEY; the address is
    `base_url`, else $VIDEO_DB_API, else the service's own. No `.env` is read.
    Raises ConfigurationError when there is no key, or when the address would send it in the clear.
    """
    key = api_key or (session_token and checked_credential("session token", session_token))
    if not key and not any(variables().get(name) for name in KEY_NAMES):
        raise ConfigurationError("no API key", fix=f"give connect() one, or set {KEY_NAMES[0]}")
    return Connection(Api(resolve_account(base_url, variables(), {}, key=key)))


class Collection(Resource):
    """Where videos and sessions are kept."""

    name = Sent[str]()
    description = Sent[str]()
    is_public = Sent[bool]()
    created_at = Sent[str]()


class Connection:
    """An account of VideoDB. Calls wait: in a coroutine, `await asyncio.to_thread(conn.list_events)`.

    They raise CredentialsRejected, RequestRefused or Unavailable with the `http_status`, and TimedOut.
    """

    def __init__(self, api: Api) -> None:
        self.api = api

    def __repr__(self) -> str:
        return f"<Connection {self.api.base_url}>"

    def connect_websocket(self, collection_id: str = DEFAULT_COLLECTION) -> EventSocket:
        """A WebSocket for events; `await .connect()` opens it, each time with a URL of its own."""
        return EventSocket(EventsOf(self.api, collection_id), Link())

    @blocking
    async def create_capture_session(
        self,
        *,
        end_user_id: str,
        collection_id: str = DEFAULT_COLLECTION,
        ws_connection_id: str | None = None,
        callback_url: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> CaptureSession:
        """A new session. By keyword only: the official SDK and its documents disagree on the order.

        `end_user_id` is who records, in your own terms. `ws_connection_id` and `callback_url` are told what happens to
        it, None tells nobody; `metadata` comes back with the session.
        """
        told = given(callback_url=callback_url, ws_connection_id=ws_connection_id, metadata=metadata)
        data = await self.api.post(*_sessions(collection_id), body={"end_user_id": end_user_id, **told})
        return CaptureSession(self.api, data, collection_id)

    @blocking
    async def get_capture_session(
        self,
        capture_session_id: str | None = None,
        collection_id: str = DEFAULT_COLLECTION,
        *,
        session_id: str | None = None,
    ) -> CaptureSession:
        """One session; `session_id` is another name for `capture_session_id`. Raises TypeError without an id."""
        wanted = capture_session_id or session_id
        if wanted is None:
            raise TypeError("get_capture_session needs a capture_session_id")
        data = await self.api.get(*_sessions(collection_id), wanted)
        return CaptureSession(self.api, {"session_id": wanted, **data}, collection_id)

    @blocking
    async def list_capture_sessions(
        self, status: str | None = None, *, collection_id: str = DEFAULT_COLLECTION
    ) -> list[CaptureSession]:
        """Every session in that state, None: in any."""
        sessions: list[CaptureSession] = []
        cursor: str | None = None
        while True:
            data = await self.api.get(*_sessions(collection_id), query={"status": status, "cursor": cursor})
            sessions += [CaptureSession(self.api, one, collection_id) for one in list_in(data, "sessions")]
            before, cursor = cursor, data.get("next_page")
            if not isinstance(cursor, str) or not cursor or cursor == before:
                return sessions

    @blocking
    async def generate_client_token(self, expires_in: int = TOKEN_S) -> str:
        """A token for a `CaptureClient`, good for `expires_in` seconds: a client need not know the key."""
        return text_in(await self.api.post("capture", "session", "token", body={"expires_in": expires_in}), "token")

    @blocking
    async def create_event(self, event_prompt: str, label: str) -> str:
        """The id of something to look out for, for `SceneIndex.create_alert`."""
        body = {"event_prompt": event_prompt, "label": label}
        return text_in(await self.api.post("rtstream", "event", body=body), "event_id")

    @blocking
    async def list_events(self) -> list[dict[str, Any]]:
        """What there is to look out for: `event_id`, `event_prompt`, `label`."""
        return list_in(await self.api.get("rtstream", "event"), "events")

    @blocking
    async def get_rtstream(self, rtstream_id: str) -> RTStream:
        """One stream."""
        return RTStream(self.api, await self.api.get("rtstream", rtstream_id))

    @blocking
    async def get_collection(self, collection_id: str = DEFAULT_COLLECTION) -> Collection:
        """One collection: also the way to see whether the key is good."""
        return Collection(self.api, await self.api.get("collection", collection_id))


def _sessions(collection_id: str) -> tuple[str, ...]:
    return "collection", collection_id, "capture", "session"
