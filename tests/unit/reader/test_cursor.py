"""A cursor is kept whole, privately, for one reader at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from videodb_listen.errors import ConfigurationError, DirectoryUnusable
from videodb_listen.reader.cursor import Cursor
from videodb_listen.reader.history import Place
from videodb_listen.system import locks


def test_a_new_one_stands_at_the_beginning(tmp_path: Path) -> None:
    with (cursor := Cursor(tmp_path, "a")).held():
        assert cursor.load() == Place()


@pytest.mark.parametrize("place", [Place("20260302T101530.123Z", "0123456789abcdef", 42), Place(None, None, 0)])
def test_it_stands_where_it_was_left(tmp_path: Path, place: Place) -> None:
    with (cursor := Cursor(tmp_path, "my-agent.2")).held():
        cursor.save(Place("x", "y", 1))
        cursor.save(place)
    assert Cursor(tmp_path, "my-agent.2").load() == place
    assert {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "cursors").iterdir()} == {
        "my-agent.2.json": 0o600,
        "my-agent.2.lock": 0o600,
    }
    assert (tmp_path / "cursors").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a b", "-a", "x" * 65, "ü"])
def test_a_name_that_could_lead_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="no name for a cursor"):
        Cursor(tmp_path, name)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{}", b"[]", b"null", b"\xff", b'{"after":null,"head":null}', b'{"head":null,"offset":1}'),
        *(
            b'{"after":null,"head":null,"offset":%b}' % each
            for each in (b'"x"', b"-1", b"1e3", b"null", b"9223372036854775808")
        ),
        *(b'{"after":%b,"head":null,"offset":1}' % each for each in (b"5", b"[]", b"{}", b"true")),
        b'{"after":null,"head":7,"offset":1}',
    ],
)
def test_a_file_that_is_no_cursor_is_said(tmp_path: Path, content: bytes) -> None:
    with (cursor := Cursor(tmp_path, "a")).held():
        (tmp_path / "cursors" / "a.json").write_bytes(content)
        with pytest.raises(DirectoryUnusable, match="is not a cursor"):
            cursor.load()


def test_a_directory_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "cursors").write_bytes(b"in the way")
    with pytest.raises(DirectoryUnusable, match="cursors"), Cursor(tmp_path, "a").held():
        pytest.fail("held")


@pytest.mark.parametrize("trap", ["link", "writable", "a file"])
def test_a_directory_of_cursors_that_others_may_have_made_is_refused(tmp_path: Path, trap: str) -> None:
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o700)
    cursors = tmp_path / "cursors"
    if trap == "link":
        cursors.symlink_to(victim)
    elif trap == "a file":
        cursors.touch()
    else:
        cursors.mkdir()
        cursors.chmod(0o777)
    with pytest.raises(DirectoryUnusable, match="cursors"), Cursor(tmp_path, "a").held():
        pytest.fail("held")
    assert list(victim.iterdir()) == []


def test_two_readers_of_one_name_take_turns(tmp_path: Path) -> None:
    lock, other = tmp_path / "cursors" / "a.lock", tmp_path / "cursors" / "b.lock"
    with Cursor(tmp_path, "a").held():
        assert locks.is_taken(lock)
        with Cursor(tmp_path, "b").held():
            assert locks.is_taken(other)
        assert not locks.is_taken(other)
    assert not locks.is_taken(lock)
