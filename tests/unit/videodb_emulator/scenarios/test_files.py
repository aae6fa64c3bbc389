"""Scenarios found by name or by path, and those that come with the package."""

import json
from importlib.resources import files
from pathlib import Path

import pytest

from videodb_emulator.pure.scenario import ScenarioError
from videodb_emulator.scenarios.files import bundled, load


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
    document = json.loads((files("videodb_emulator.scenarios") / "meeting.json").read_text())
    unusual = [step for step in document["steps"] if "note" in step]
    assert 40 <= len(scenario.steps) <= 60
    assert 50 <= sum(step.after_s for step in scenario.steps) <= 70
    assert len(unusual) * 3 <= len(scenario.steps)


def test_the_meeting_walks_through_the_whole_life_of_a_session() -> None:
    frames = [step.message for step in load("meeting").steps if isinstance(step.message, dict)]
    states = [frame["event"].partition(".")[2] for frame in frames if "event" in frame]
    assert states == ["created", "starting", "active", "stopping", "stopped", "exported"]
    channels = {frame.get("channel") for frame in frames}
    assert channels >= {"transcript", "visual_index", "scene_index", "audio_index", "spoken_index", "alert", None}
