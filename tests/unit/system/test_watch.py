"""A change is told of, and only those that were asked for."""

from __future__ import annotations

from pathlib import Path

from videodb_listen.system.watch import Watch


def test_a_watch_hears_only_of_the_names_it_was_given(tmp_path: Path) -> None:
    with Watch(tmp_path, ["it"]) as watch:
        (tmp_path / "other").touch()
        assert not watch.changed()
        (tmp_path / "it").touch()
        assert watch.changed()
