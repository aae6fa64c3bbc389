"""The server model: its routes answer as the service's do, its manners differ as they may, and its ledger is right."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedOK

from faults.simulation.api import FAILURES, LOST, Trouble
from faults.simulation.ledger import Manners, Pipeline, Start, Stream
from faults.simulation.machine import Machine
from faults.simulation.network import Network
from faults.simulation.service import BASE_URL, Service
from faults.simulation.world import EPOCH, World

MANNERS = Manners(record_lag_s=(0.0, 0.0), straggling=0.0, interim=0)

Ask = Callable[..., Any]


@pytest.fixture
def service(network: Network) -> Service:
    service = Service(network, MANNERS)
    service.ledger.keys["sk-us"] = "us"
    return service


@pytest.fixture
def ask(world: World, machine: Machine, service: Service) -> Ask:
    """Send one request from a process of its own; its status and what was answered, or the name of what went wrong."""

    def ask(path: str, body: Any = None, key: str = "sk-us", **query: Any) -> tuple[int | str, Any]:
        answers: list[tuple[int | str, Any]] = []

        async def main() -> None:
            async with httpx2.AsyncClient(timeout=10, trust_env=False, headers={"x-access-token": key}) as client:
                try:
                    answer = await client.request(
                        "GET" if body is None else "POST", BASE_URL + path, params=query, json=body
                    )
                    answers.append((answer.status_code, answer.json()))
                except (httpx2.HTTPError, ValueError) as exc:
                    answers.append((type(exc).__name__, None))

        machine.start(main)
        world.run(world.now + 30)
        return answers[0]

    return ask


def _spoken(service: Service, count: int, owner: str = "us") -> tuple[Stream, Pipeline]:
    """Return a stream with a transcription of this many results, one every ten seconds."""
    stream = service.add_stream(owner, "mic:default", "mic")
    pipeline = service.start_pipeline(stream, "transcript", "", None)
    for number in range(count):
        service.result(pipeline, number * 10.0, number * 10.0 + 2.0, f"text {number}")
    service.world.run(count * 10.0 + 60)
    return stream, pipeline


def _texts(answer: Any) -> list[str]:
    return [record["text"] for record in answer["data"]["transcription_records"]]


@pytest.mark.parametrize("slash", ["", "/"])
def test_records_come_in_pages_that_the_server_caps(service: Service, ask: Ask, slash: str) -> None:
    service.ledger.manners = replace(MANNERS, page_cap=4, newest_first=False)
    stream, _ = _spoken(service, 10)
    status, first = ask(f"/rtstream/{stream.id}/transcription{slash}", page_size=1000)
    assert (status, _texts(first)) == (200, ["text 0", "text 1", "text 2", "text 3"])
    assert first["data"]["next_page"] is True
    assert first["data"]["total_count"] == 10
    _, last = ask(f"/rtstream/{stream.id}/transcription", page_size=1000, page=3)
    assert (_texts(last), last["data"]["next_page"]) == (["text 8", "text 9"], False)


def test_newest_first_is_an_order_too(service: Service, ask: Ask) -> None:
    stream, _ = _spoken(service, 3)
    assert _texts(ask(f"/rtstream/{stream.id}/transcription")[1]) == ["text 2", "text 1", "text 0"]


@pytest.mark.parametrize(
    ("means", "found"),
    [("start", ["text 1"]), ("end", ["text 0", "text 1"]), ("overlap", ["text 0", "text 1"])],
)
def test_a_range_selects_by_what_the_server_takes_it_for(
    service: Service, ask: Ask, means: str, found: list[str]
) -> None:
    service.ledger.manners = replace(MANNERS, range_means=means, newest_first=False)
    stream, _ = _spoken(service, 3)
    _, answer = ask(f"/rtstream/{stream.id}/transcription", start=EPOCH + 1, end=EPOCH + 15)
    assert _texts(answer) == found


def test_a_start_of_zero_drops_the_range(service: Service, ask: Ask) -> None:
    stream, _ = _spoken(service, 3)
    assert len(_texts(ask(f"/rtstream/{stream.id}/transcription", start=0, end=EPOCH + 1)[1])) == 3


@pytest.mark.parametrize(("lag_s", "comes_first"), [((-1.0, -1.0), "record"), ((5.0, 5.0), "event")])
def test_a_record_comes_before_or_after_its_event(
    service: Service, world: World, lag_s: tuple[float, float], comes_first: str
) -> None:
    service.ledger.manners = replace(MANNERS, record_lag_s=lag_s)
    _, pipeline = _spoken(service, 5)
    for result in pipeline.results:
        assert result.stored_at - result.live_at == pytest.approx(lag_s[0])
        assert (result.stored_at < result.live_at) == (comes_first == "record")


def test_records_that_are_not_stored_yet_are_not_there(service: Service, ask: Ask, world: World) -> None:
    service.ledger.manners = replace(MANNERS, record_lag_s=(500.0, 500.0))
    stream, _ = _spoken(service, 3)
    assert _texts(ask(f"/rtstream/{stream.id}/transcription")[1]) == []
    world.run(1000)
    assert len(_texts(ask(f"/rtstream/{stream.id}/transcription")[1])) == 3


def test_the_text_of_a_record_can_differ_from_that_of_its_event(service: Service, ask: Ask) -> None:
    service.ledger.manners = replace(MANNERS, edited=1.0)
    stream, pipeline = _spoken(service, 1)
    assert _texts(ask(f"/rtstream/{stream.id}/transcription")[1]) == ["Text 0."]
    assert pipeline.results[0].text == "text 0"


@pytest.mark.parametrize(
    ("rebind", "status", "bound"),
    [("allow", 200, ["new"]), ("ignore", 200, ["old"]), ("reject", 400, ["old"]), ("duplicate", 200, ["old", "new"])],
)
def test_a_second_start_does_what_the_mode_says_and_is_written_down(
    service: Service, ask: Ask, rebind: str, status: int, bound: list[str]
) -> None:
    service.ledger.manners = replace(MANNERS, rebind=rebind)
    stream = service.add_stream("us", "mic:default", "mic")
    pipeline = service.start_pipeline(stream, "transcript", "", "old")
    body = {"action": "start", "engine": "default", "ws_connection_id": "new"}
    assert ask(f"/rtstream/{stream.id}/transcription", body)[0] == status
    assert pipeline.bound == bound
    [change] = service.ledger.changes("box")
    assert change.changes == Start(pipeline, "default", "new", "running", ("old",), status == 200)


def test_a_start_whose_answer_is_lost_has_been_accepted(service: Service, ask: Ask) -> None:
    service.ledger.manners = replace(MANNERS, rebind="allow")
    service.api.trouble = Trouble(1.0, lambda _: None, ways=(LOST,))
    stream = service.add_stream("us", "mic:default", "mic")
    pipeline = service.start_pipeline(stream, "transcript", "", "old")
    assert ask(f"/rtstream/{stream.id}/transcription", {"action": "start", "ws_connection_id": "new"})[0] != 200
    assert pipeline.bound == ["new"]
    assert len(service.ledger.changes("box")) == 1


def test_whatever_else_is_posted_is_written_down_as_well(service: Service, ask: Ask) -> None:
    assert ask("/collection/default/capture/session", {"end_user_id": "x"})[0] == 404
    assert [change.changes for change in service.ledger.changes("box")] == ["POST /collection/default/capture/session"]


def test_streams_of_others_are_listed_or_not(service: Service, ask: Ask) -> None:
    _spoken(service, 1, owner="somebody else")
    assert ask("/rtstream")[1]["data"]["count"] == 1
    service.ledger.manners = replace(MANNERS, lists_others=False)
    assert ask("/rtstream")[1]["data"]["count"] == 0


def test_two_indexes_of_one_stream_have_records_of_their_own(service: Service, ask: Ask, world: World) -> None:
    screen = service.add_stream("us", "display:1", "screen")
    for name in ("one", "two"):
        service.result(service.start_pipeline(screen, "visual_index", name, None), 0.0, 5.0, name)
    world.run(60)
    indexes = ask(f"/rtstream/{screen.id}/index/scene")[1]["data"]["scene_indexes"]
    texts = [
        ask(f"/rtstream/{screen.id}/index/scene/{index['rtstream_index_id']}")[1]["data"]["scene_index_records"]
        for index in indexes
    ]
    assert texts == [[{"start": EPOCH, "end": EPOCH + 5, "description": name}] for name in ("one", "two")]


def test_a_session_is_told_as_it_is(service: Service, ask: Ask) -> None:
    session = service.create_session("us", "ws-1")
    service.add_stream("us", "mic:default", "mic", session)
    path = f"/collection/default/capture/session/{session.id}"
    assert ask(path)[1]["data"]["rtstreams"] == []
    service.activate(session)
    assert [one["channel_id"] for one in ask(path)[1]["data"]["rtstreams"]] == ["mic"]
    service.enter(session, "stopped")
    service.export(session)
    told = ask(path)[1]["data"]
    assert (told["status"], told["export_status"], told["ws_connection_id"]) == ("stopped", "exported", "ws-1")
    assert ask(f"/video/{told['exported_video_id']}")[1]["data"]["stream_url"]


def test_a_key_that_is_not_known_sees_nothing(service: Service, ask: Ask) -> None:
    assert ask("/rtstream", key="sk-else")[0] == 401


@pytest.mark.parametrize("way", [*FAILURES, "401", "403"])
def test_every_way_to_fail_fails_and_is_counted(service: Service, ask: Ask, way: str) -> None:
    happened: list[str] = []
    service.api.trouble = Trouble(1.0, happened.append, ways=(way,))
    status, answer = ask("/rtstream")
    assert status != 200 or answer == {"success": False, "message": "not today"}
    assert happened == [f"REST: {way}"]
    assert [request.status for request in service.ledger.requests] == [0]


def test_a_rate_of_failing_is_kept(service: Service) -> None:
    happened: list[str] = []
    service.api.trouble = Trouble(0.1, happened.append, ways=("500",))
    for _ in range(1000):
        service.api._fails(but="refused")
    assert 60 < len(happened) < 150


async def _listen(service: Service, heard: list[dict[str, Any]]) -> None:
    url = service.realtime.new_url("box", "us")
    async with connect(url, proxy=None) as socket:
        with contextlib.suppress(ConnectionClosedOK):
            while True:
                heard.append(json.loads(await socket.recv()))


@pytest.mark.parametrize(("unit", "start"), [("ms", round(EPOCH * 1000)), ("s", EPOCH), ("mixed", EPOCH)])
def test_events_go_to_the_connection_they_are_bound_to_and_the_ledger_knows_which_were_read(
    service: Service, world: World, machine: Machine, unit: str, start: float
) -> None:
    service.ledger.manners = replace(MANNERS, unit=unit)
    heard: list[dict[str, Any]] = []
    machine.start(lambda: _listen(service, heard))
    world.run(2)
    [line] = service.ledger.connections.values()
    stream = service.add_stream("us", "mic:default", "mic")
    mine = service.result(service.start_pipeline(stream, "transcript", "", line.id), 0.0, 1.0, "hello")
    lost = service.result(service.start_pipeline(stream, "transcript", "", "gone"), 0.0, 1.0, "hello")
    world.run(10)
    hello, event = heard
    assert hello == {"connection_id": line.id}
    assert event["data"] == {
        "text": "hello",
        "is_final": True,
        "start": start,
        "end": start + (event["data"]["end"] - start),
    }
    assert [frame.read_at is not None for frame in mine.frames] == [True]
    assert lost.frames == []


def test_a_url_is_good_for_one_connection(service: Service, world: World, machine: Machine) -> None:
    refused: list[str] = []

    async def main() -> None:
        url = service.realtime.new_url("box", "us")
        async with connect(url, proxy=None):
            try:
                async with connect(url, proxy=None):
                    pass
            except Exception as exc:
                refused.append(str(exc))

    machine.start(main)
    world.run(10)
    assert len(refused) == 1
    assert "403" in refused[0]


def test_a_server_that_is_restarted_says_so(service: Service, world: World, machine: Machine) -> None:
    machine.start(lambda: _listen(service, []))
    world.run(2)
    [line] = service.ledger.connections.values()
    service.realtime.close(line.id, 1001, "going away")
    world.run(5)
    assert line.ended is not None
    assert machine.process is not None
    assert machine.process.ended_well


def test_a_killed_listener_has_ended_on_the_server_too(service: Service, world: World, machine: Machine) -> None:
    machine.start(lambda: _listen(service, []))
    world.run(2)
    assert machine.process is not None
    machine.process.kill()
    world.run(5)
    assert service.ledger.live("box") is None
