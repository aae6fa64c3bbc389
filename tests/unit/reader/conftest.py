"""A history that a test writes by hand."""

from pathlib import Path

import pytest

from support.history import HandMade


@pytest.fixture
def site(tmp_path: Path) -> HandMade:
    """An empty state directory, and no listener."""
    return HandMade(tmp_path)
