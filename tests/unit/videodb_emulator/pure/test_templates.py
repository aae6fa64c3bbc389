"""Placeholders, made-up ids and the table of triggered events."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videodb_emulator.pure.ids import Entropy
from videodb_emulator.pure.templates import EVENTS, Cast, TemplateError, fill, with_change

NOW_S = 1772446530.1234


def counting_entropy() -> Entropy:
    state = iter(range(1, 1000))
    return lambda size: next(state).to_bytes(size, "big")


@pytest.fixture
def cast() -> Cast:
    return Cast(counting_entropy())


def test_a_number_that_is_the_whole_string_becomes_a_number(cast: Cast) -> None:
    filled = fill({"start": "{now_ms-2400}", "end": "{now_s+0.5}", "plain": "{now_ms}"}, cast, NOW_S)
    assert filled == {"start": 1772446527723, "end": 1772446530.623, "plain": 1772446530123}


def test_a_number_inside_a_text_stays_text(cast: Cast) -> None:
    assert fill("at {now_ms}!", cast, NOW_S) == "at 1772446530123!"


def test_the_iso_time_is_utc_with_milliseconds(cast: Cast) -> None:
    assert fill("{now_iso}", cast, NOW_S) == "2026-03-02T10:15:30.123Z"


def test_the_same_name_is_the_same_id_and_another_name_is_not(cast: Cast) -> None:
    first, again, other, kind = fill(["{rtstream:mic}", "x {rtstream:mic}", "{rtstream:cam}", "{video:mic}"], cast, 0)
    assert again == f"x {first}"
    assert len({first, other, kind}) == 3


def test_ids_look_like_those_of_the_service(cast: Cast) -> None:
    session, stream, video, index = fill(["{session_id}", "{rtstream:a}", "{video:a}", "{index:a}"], cast, 0)
    uuid = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    for prefix, value in (("cap-", session), ("rts-", stream), ("m-", video)):
        assert re.fullmatch(prefix + uuid, value)
    assert re.fullmatch("[0-9a-f]{16}", index)


def test_two_casts_share_no_id() -> None:
    entropy = counting_entropy()
    assert Cast(entropy).session_id != Cast(entropy).session_id


def test_a_json_document_is_a_fine_text(cast: Cast) -> None:
    document = json.dumps({"app": {"name": "x"}, "list": [{}]})
    assert fill(document, cast, NOW_S) == document


@pytest.mark.parametrize(
    "text",
    ["{sesion_id}", "a {now} b", "{rtstream}", "{session_id:x}", "{session:x}", "{now_ms:x}", "{video:a-1}{who}"],
)
def test_a_word_that_nobody_knows_is_an_error(cast: Cast, text: str) -> None:
    with pytest.raises(TemplateError, match="unknown placeholder"):
        fill({"data": [text]}, cast, NOW_S)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(alphabet='ab {}"é😀'), st.lists, max_leaves=8))
def test_what_holds_no_placeholder_is_left_alone(value: object) -> None:
    if not re.search(r"\{[a-z_]", json.dumps(value)):
        assert fill(value, Cast(bytes), 0.0) == value


def test_filling_leaves_the_template_as_it_was(cast: Cast) -> None:
    template = {"data": {"id": "{session_id}"}}
    fill(template, cast, NOW_S)
    assert template == {"data": {"id": "{session_id}"}}


def test_a_change_sets_a_field_by_its_path_and_makes_objects_on_the_way() -> None:
    frame = {"data": {"text": "old", "end": 1}}
    assert with_change(frame, "data.text", "new") == {"data": {"text": "new", "end": 1}}
    assert with_change(frame, "more.of.it", None)["more"] == {"of": {"it": None}}
    assert frame == {"data": {"text": "old", "end": 1}}


@pytest.mark.parametrize("path", ["data.text.x", "", "data.", ".data", "a..b"])
def test_a_path_that_leads_nowhere_is_an_error(path: str) -> None:
    with pytest.raises(TemplateError):
        with_change({"data": {"text": "old"}}, path, 1)


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_of_the_table_can_be_made(cast: Cast, event: str) -> None:
    frame = fill(EVENTS[event], cast, NOW_S)
    assert frame["channel"] == event.partition(".")[0]
    assert "{" not in json.dumps(list(frame.values())).replace('{"', "").replace("{}", "")


def test_a_session_event_says_its_status_at_the_top_and_in_data(cast: Cast) -> None:
    for event in (name for name in EVENTS if name.startswith("capture_session.")):
        frame = fill(EVENTS[event], cast, NOW_S)
        assert frame["event"] == event
        assert frame["status"] == frame["data"]["status"] == event.partition(".")[2]


def test_what_is_said_faster_is_over_sooner() -> None:
    times = {"start": "{now_ms-2000}", "end": "{now_ms}", "at": "{now_s+0.5}", "text": "{now_s}"}
    filled = fill(times, Cast(bytes), 1000.0, 10.0)
    assert filled == {"start": 999_800, "end": 1_000_000, "at": 1000.05, "text": 1000.0}
