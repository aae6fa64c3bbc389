"""Every row of the table under any request: an answer that is JSON, or a refusal."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videodb_emulator.http.operations import OPERATIONS, Call, Operation
from videodb_emulator.pure.account import Account
from videodb_emulator.pure.agenda import Agenda
from videodb_emulator.pure.fields import Fields, Refusal

WORDS = ["start", "stop", "enable", "disabled", "default", "time", "transcript", "audio", "-name", "x", "1", "7.5"]
NAMES = re.findall(
    r"\w+",
    """
    action auto_start_transcript callback_url channel_id channels collection_id connection_id cursor end end_user_id
    engine event_id event_prompt expires_in extraction_config extraction_type label limit media_types metadata name
    offset ordering page page_size prompt sample_rate session_id since start status store type url video_channel_id
    ws_connection_id
    """,
)

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 300)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=8,
)
bodies = st.dictionaries(st.sampled_from(NAMES), values, max_size=6)
queries = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(WORDS), max_size=4)


def furnished() -> tuple[Account, dict[str, str]]:
    """An account with an active session, and the ids of one thing of each kind."""
    account = Account(Agenda())
    session = account.sessions.create(Fields({"end_user_id": "u"}), 0.0)["session_id"]
    channel = {"channel_id": "display:1", "type": "video"}
    account.sessions.start(Fields({"session_id": session, "channels": [channel]}), 0.0)
    account.agenda.advance(5.0)
    stream = account.sessions.get(session).streams[0]
    index = account.streams.create_index(stream, Fields({}), 5.0)["rtstream_index_id"]
    event = account.create_event(Fields({"event_prompt": "p", "label": "l"}))
    alert = account.create_alert(stream.index(index), Fields(event))["alert_id"]
    video = account.library.add_video("v", 1.0)["id"]
    ids = {"collection_id": "default", "session_id": session, "stream_id": stream.id, "index_id": index}
    return account, {**ids, "alert_id": alert, "video_id": video, **event}


def answered(operation: Operation, names: dict[str, str], account: Account, query: Any, body: Any) -> Any:
    """What the operation gives, or the status of its refusal."""
    try:
        return operation.answer(Call(account, names, Fields(query), Fields(body), 10.0))
    except Refusal as refusal:
        return refusal.status


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: f"{one.method} {one.path}")
@given(query=queries, body=bodies, known=st.booleans(), told=st.booleans())
def test_any_request_has_an_answer(operation: Operation, query: Any, body: Any, known: bool, told: bool) -> None:
    account, ids = furnished()
    in_path = re.findall(r"{(\w+)}", operation.path)
    names = {name: ids[name] if known else "unknown" for name in in_path}
    body = {**body, **({name: ids[name] for name in ("session_id", "event_id", "collection_id")} if told else {})}
    answer = answered(operation, names, account, query, body)
    if (in_path and not known) or isinstance(answer, int):
        assert answer in (400, 404)
    else:
        assert answer is None or isinstance(answer, dict)
        json.dumps(answer, allow_nan=False)
    for delivery in account.agenda.advance(100.0):
        json.dumps(delivery.message, allow_nan=False)


def test_no_two_rows_are_the_same() -> None:
    rows = [(one.method, one.path) for one in OPERATIONS]
    assert len(rows) == len(set(rows))


def asked(account: Account, ids: dict[str, str], method: str, path: str, **body: Any) -> Any:
    """What the operation of this method and path gives, or the status of its refusal."""
    (operation,) = (one for one in OPERATIONS if (one.method, one.path) == (method, path))
    return answered(operation, ids, account, {}, body)


def test_nothing_is_started_on_a_stopped_stream() -> None:
    account, ids = furnished()
    asked(account, ids, "PATCH", "/rtstream/{stream_id}/status", action="stop")
    starts = [
        asked(account, ids, "POST", "/rtstream/{stream_id}/transcription", action="start"),
        asked(account, ids, "POST", "/rtstream/{stream_id}/index/scene"),
        asked(account, ids, "PATCH", "/rtstream/{stream_id}/index/scene/{index_id}/status", action="start"),
    ]
    assert starts == [400, 400, 400]


def test_an_index_starts_the_transcript_of_its_stream_if_it_is_asked_to() -> None:
    account, ids = furnished()
    status = "/rtstream/{stream_id}/transcription/status"
    assert asked(account, ids, "GET", status)["status"] == "not_configured"
    asked(account, ids, "POST", "/rtstream/{stream_id}/index/scene", auto_start_transcript=True)
    assert asked(account, ids, "GET", status)["status"] == "running"
