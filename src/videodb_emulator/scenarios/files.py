"""Scenarios by name or by path."""

from pathlib import Path

from videodb_emulator.pure.scenario import Scenario, ScenarioError, parse

_BUNDLED = {path.stem: path for path in sorted(Path(__file__).parent.glob("*.json"))}


def bundled() -> list[str]:
    """Return the names of the scenarios that come with the package, sorted."""
    return list(_BUNDLED)


def load(name_or_path: str) -> Scenario:
    """Return a bundled scenario by its name, or the one in a file (a file called `meeting` is `./meeting`).

    Raises `ScenarioError`.
    """
    try:
        content = _BUNDLED.get(name_or_path, Path(name_or_path)).read_bytes()
    except OSError as error:
        raise ScenarioError(f"cannot read the scenario {name_or_path}: {error.strerror}") from error
    return parse(content, source=name_or_path)
