"""The key of the fence is made once, is private, and is nobody else's."""

from __future__ import annotations

from pathlib import Path

import pytest

from videodb_listen.reader.secret import KEY_BYTES, fence_key


def test_it_is_made_once_and_private(tmp_path: Path) -> None:
    key = fence_key(tmp_path)
    assert len(key) == KEY_BYTES
    assert fence_key(tmp_path) == key
    assert {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "feeds").iterdir()} == {
        "@fence.key": 0o600,
        "@fence.lock": 0o600,
    }
    assert (tmp_path / "feeds").stat().st_mode & 0o777 == 0o700


def test_half_a_key_is_replaced(tmp_path: Path) -> None:
    fence_key(tmp_path)
    (tmp_path / "feeds" / "@fence.key").write_bytes(b"short")
    assert fence_key(tmp_path) == fence_key(tmp_path) != b"short"


@pytest.mark.parametrize("trap", ["a link", "a file"])
def test_where_it_cannot_be_kept_safely_it_is_another_each_time(tmp_path: Path, trap: str) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "@fence.key").write_bytes(b"k" * KEY_BYTES)
    feeds = tmp_path / "feeds"
    if trap == "a link":
        feeds.symlink_to(victim)
    else:
        feeds.touch()
    keys = {fence_key(tmp_path) for _ in range(3)}
    assert len(keys) == 3
    assert all(len(key) == KEY_BYTES for key in keys)
