"""What the backend says and when; the test is its clock."""

from typing import Any

import pytest

from videodb_emulator.pure.agenda import Agenda
from videodb_emulator.pure.scenario import Scenario, Step
from videodb_emulator.pure.templates import TemplateError
from videodb_emulator.pure.world import TOKEN_LIFETIME_S, World

TALK = Scenario(
    "talk",
    (
        Step(1.0, {"n": 1, "session": "{session_id}", "at": "{now_s}"}),
        Step(2.0, {"n": 2, "session": "{session_id}"}),
        Step(0.0, {"n": 3, "session": "{session_id}"}),
    ),
)


def world_of(scenario: Scenario | None = None, speed: float = 1.0) -> World:
    return World(Agenda(speed), scenario)


def connect(world: World, now_s: float) -> str:
    connection_id = world.new_connection_id()
    world.connected(connection_id, now_s)
    return connection_id


def said(world: World, now_s: float) -> list[tuple[str, Any]]:
    """Return (connection id, message) of what is due."""
    return [(one.connection_id, one.message) for one in world.agenda.advance(now_s)]


def test_a_token_is_good_exactly_once() -> None:
    world = world_of()
    token = world.issue_token(100.0)
    assert world.redeem_token(token, 101.0)
    assert not world.redeem_token(token, 101.0)


def test_a_token_expires_unused() -> None:
    world = world_of()
    in_time, late = world.issue_token(0.0), world.issue_token(0.0)
    assert world.redeem_token(in_time, TOKEN_LIFETIME_S)
    assert not world.redeem_token(late, TOKEN_LIFETIME_S + 0.001)


def test_tokens_that_nobody_used_are_forgotten() -> None:
    world = world_of()
    for now_s in range(1000):
        world.issue_token(float(now_s))
    assert len(world._tokens) <= TOKEN_LIFETIME_S + 1


def test_a_made_up_token_is_worth_nothing() -> None:
    world = world_of()
    world.issue_token(0.0)
    assert not world.redeem_token("", 0.0)
    assert not world.redeem_token("guess", 0.0)


def test_every_token_and_every_connection_id_is_new() -> None:
    world = world_of()
    assert len({world.issue_token(0.0) for _ in range(100)}) == 100
    ids = {world.new_connection_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(len(one) == 16 and one.endswith("=") for one in ids)


def test_without_a_scenario_nothing_is_ever_due() -> None:
    world = world_of()
    connect(world, 0.0)
    assert world.agenda.next_due_s() is None
    assert world.agenda.advance(1e9) == []


def test_events_come_when_they_are_due_and_not_before() -> None:
    world = world_of(TALK)
    connection_id = connect(world, 10.0)
    assert world.agenda.next_due_s() == 11.0
    assert said(world, 10.999) == []
    assert [(who, event["n"]) for who, event in said(world, 11.0)] == [(connection_id, 1)]
    assert world.agenda.next_due_s() == 13.0
    assert [event["n"] for _, event in said(world, 20.0)] == [2, 3]
    assert world.agenda.next_due_s() is None


def test_speed_divides_every_delay() -> None:
    world = world_of(TALK, speed=10.0)
    connect(world, 0.0)
    assert world.agenda.next_due_s() == pytest.approx(0.1)
    assert len(world.agenda.advance(0.3000001)) == 3


def test_times_in_frames_are_those_at_which_they_are_due() -> None:
    world = world_of(TALK)
    connect(world, 0.0)
    assert said(world, 1.25)[0][1]["at"] == 1.0


def test_a_second_connection_gets_nothing_of_a_running_session() -> None:
    world = world_of(TALK)
    first = connect(world, 0.0)
    connect(world, 0.5)
    assert {who for who, _ in said(world, 10.0)} == {first}


def test_what_a_lost_connection_misses_is_dropped_and_counted() -> None:
    world = world_of(TALK)
    connection_id = connect(world, 0.0)
    world.agenda.advance(1.0)
    assert world.disconnected(connection_id) == 2
    connect(world, 2.0)
    assert world.agenda.advance(10.0) == []
    assert world.performance is not None
    assert (world.performance.sent, world.performance.dropped) == (1, 2)


def test_a_send_that_fails_counts_as_dropped() -> None:
    world = world_of(TALK)
    connect(world, 0.0)
    world.agenda.advance(1.0)[0].failed()
    assert world.performance is not None
    assert (world.performance.sent, world.performance.dropped) == (0, 1)


def test_a_bystander_that_leaves_drops_nothing() -> None:
    world = world_of(TALK)
    connect(world, 0.0)
    bystander = connect(world, 0.0)
    assert world.disconnected(bystander) == 0
    assert world.disconnected("never was") == 0


def test_a_connection_after_the_end_starts_anew_with_new_ids() -> None:
    world = world_of(TALK)
    connect(world, 0.0)
    before = {event["session"] for _, event in said(world, 10.0)}
    second = connect(world, 10.0)
    assert world.agenda.next_due_s() == 11.0
    again = said(world, 20.0)
    assert {who for who, _ in again} == {second}
    assert before.isdisjoint(event["session"] for _, event in again)


def test_frames_of_a_recording_go_out_untouched() -> None:
    odd = '{"a": 1.0, "b":"{session_id}"}'
    world = world_of(Scenario("r", (Step(0.0, odd), Step(0.0, b"\xff\x00"))))
    connect(world, 0.0)
    assert [message for _, message in said(world, 0.0)] == [odd, b"\xff\x00"]


def test_a_triggered_event_goes_to_every_open_connection_or_to_the_one_named() -> None:
    world = world_of()
    first, second = connect(world, 0.0), connect(world, 0.0)
    assert world.trigger("alert", {}, 5.0).connection_ids == (first, second)
    assert world.trigger("alert", {}, 5.0, second).connection_ids == (second,)
    world.disconnected(second)
    assert world.trigger("alert", {}, 5.0, second).connection_ids == ()


def test_a_triggered_event_belongs_to_the_session_played_last() -> None:
    world = world_of(TALK)
    connect(world, 0.0)
    session_id = said(world, 10.0)[0][1]["session"]
    assert world.trigger("capture_session.stopped", {}, 20.0).event["capture_session_id"] == session_id


def test_fields_of_a_triggered_event_can_be_changed_and_are_sent_as_given() -> None:
    changes = {"data.text": "{not_a_placeholder}", "data.is_final": "false", "extra": [1]}
    frame = world_of().trigger("transcript", changes, 5.0).event
    assert frame["data"]["text"] == "{not_a_placeholder}"
    assert frame["data"]["is_final"] == "false"
    assert frame["data"]["end"] == 5000
    assert frame["extra"] == [1]


def test_an_unknown_event_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(TemplateError, match=r"unknown event 'nope'; known: transcript, .*capture_session\.failed"):
        world_of().trigger("nope", {}, 0.0)
