"""Scenario files: what is read, and what a mistake in one is called."""

import json

import pytest

from videodb_emulator.pure.scenario import Scenario, ScenarioError, Step, parse


def parsed(document: object) -> Scenario:
    return parse(json.dumps(document).encode(), source="my.json")


def test_a_scenario_is_read_in_order() -> None:
    scenario = parsed({"name": "n", "description": "d", "steps": [{"after_s": 1, "frame": {"a": 1}}, {"frame": {}}]})
    assert scenario == Scenario("n", (Step(1.0, {"a": 1}), Step(0.0, {})))


def test_a_scenario_without_a_name_is_called_like_its_file() -> None:
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
