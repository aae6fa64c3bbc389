"""Scenario files: what is read, and what a mistake in one is called."""

import json
from pathlib import Path

import pytest

from videodb_emulator.pure.scenario import Scenario, ScenarioError, Step, bundled, load, parse


def parsed(document: object) -> Scenario:
    return parse(json.dumps(document).encode(), source="my.json")


def test_a_scenario_is_read_in_order() -> None:
    scenario = parsed({"name": "n", "description": "d", "steps": [{"after_s": 1, "frame": {"a": 1}}, {"frame": {}}]})
    assert scenario == Scenario("n", (Step(1.0, {"a": 1}), Step(0.0, {})), "d")
    assert scenario.duration_s == 1.0


def test_a_nameless_scenario_is_called_like_its_file() -> None:
    assert parsed({"steps": []}).name == "my.json"


def test_broken_json_is_named_with_its_line() -> None:
    with pytest.raises(ScenarioError, match=r"^my\.json, line 3: not JSON"):
        parse(b'{"steps":\n[\nnull,,]}', source="my.json")


@pytest.mark.parametrize("content", [b"\xff{}", b"[" * 100_000])
def test_what_cannot_be_json_is_an_error_of_ours(content: bytes) -> None:
    with pytest.raises(ScenarioError, match=r"^my\.json.*not JSON"):
        parse(content, source="my.json")


@pytest.mark.parametrize("document", [[], 1, {}, {"steps": {}}])
def test_a_document_without_steps_is_an_error(document: object) -> None:
    with pytest.raises(ScenarioError, match="a list of steps"):
        parsed(document)


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        ("hello", "not an object"),
        ({"after": 1, "frame": {}}, "unknown key 'after'"),
        ({"after_s": -1, "frame": {}}, "after_s is -1"),
        ({"after_s": True, "frame": {}}, "after_s is True"),
        ({"after_s": float("nan"), "frame": {}}, "after_s is nan"),
        ({"after_s": float("inf"), "frame": {}}, "after_s is inf"),
        ({"after_s": "1", "frame": {}}, "after_s is '1'"),
        ({"after_s": 1}, "frame is not an object"),
        ({"frame": []}, "frame is not an object"),
        ({"frame": {"a": "{nobody}"}}, "unknown placeholder {nobody}"),
    ],
)
def test_a_wrong_step_is_named_with_its_number(step: object, problem: str) -> None:
    with pytest.raises(ScenarioError, match=r"^my\.json, step 2: ") as caught:
        parsed({"steps": [{"frame": {}}, step]})
    assert problem in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"absent\.json: No such file"):
        load(str(tmp_path / "absent.json"))


def test_a_file_is_loaded_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text('{"steps": [{"frame": {}}]}')
    assert len(load(str(tmp_path / "one.json")).steps) == 1


@pytest.mark.parametrize("name", bundled())
def test_every_scenario_that_comes_with_the_package_can_be_loaded(name: str) -> None:
    assert load(name).name == name


def test_the_meeting_lasts_about_a_minute_and_is_mostly_in_the_documented_shapes() -> None:
    scenario = load("meeting")
    document = json.loads((Path(__file__).parents[4] / "src/videodb_emulator/scenarios/meeting.json").read_text())
    unusual = [step for step in document["steps"] if "note" in step]
    assert 40 <= len(scenario.steps) <= 60
    assert 50 <= scenario.duration_s <= 70
    assert len(unusual) * 3 <= len(scenario.steps)


def test_the_meeting_walks_through_the_whole_life_of_a_session() -> None:
    frames = [step.message for step in load("meeting").steps if isinstance(step.message, dict)]
    states = [frame["event"].partition(".")[2] for frame in frames if "event" in frame]
    assert states == ["created", "starting", "active", "stopping", "stopped", "exported"]
    channels = {frame.get("channel") for frame in frames}
    assert channels >= {"transcript", "visual_index", "scene_index", "audio_index", "spoken_index", "alert", None}
