"""Which files there are, where each begins, and where they end now."""

from __future__ import annotations

from support.history import HandMade, line
from videodb_listen.paths import Layout
from videodb_listen.reader.blocks import Reader
from videodb_listen.reader.history import History, Place


def test_the_end_is_behind_the_last_whole_line(site: HandMade) -> None:
    assert History(site.directory).end() == Place()
    site.append(3)
    site.rotate()
    assert History(site.directory).end() == Place(site.stamps[0])
    site.append(3)
    with site.events.open("ab") as file:
        file.write(b'{"half')
    end = History(site.directory).end()
    assert end.offset == len(line(3)) * 3
    with Reader(History(site.directory), end) as reader:
        assert reader.read() is None


def test_a_history_exists_when_any_of_its_files_does(site: HandMade) -> None:
    history = History(site.directory)
    assert not history.exists()
    site.append(1)
    assert history.exists()
    site.rotate()
    site.events.unlink()
    assert history.exists()


def test_each_file_begins_where_the_ones_before_it_end_unpacked(site: HandMade) -> None:
    assert History(site.directory).begins() == ({None: 0}, 0)
    for _ in range(3):
        site.append(3)
        site.rotate()
    site.append(2)
    before = History(site.directory).begins()
    site.compress()
    size = len(line(0)) * 3
    first, second, third = site.stamps
    assert History(site.directory).begins() == before
    assert before == ({None: 0, first: size, second: 2 * size, third: 3 * size}, 3 * size + site.events.stat().st_size)


def test_a_compressed_file_that_is_too_short_to_say_its_size_has_none(site: HandMade) -> None:
    site.append(1)
    site.rotate()
    site.rotate()
    site.compress()
    packed = next(site.directory.glob("*.gz"))
    packed.write_bytes(b"x")
    assert History(site.directory).begins()[1] == 0


def test_a_path_is_a_directory_or_a_file_alone(site: HandMade) -> None:
    site.append(1)
    later = site.directory / "later.d"
    assert History(site.directory).layout == Layout(site.directory)
    assert History(site.events).layout is None
    assert (History(later).layout, History(later).events) == (None, later)
    assert History(later.with_suffix("")).layout == Layout(later.with_suffix(""))
    later.mkdir()
    assert History(later).layout == Layout(later)


def test_a_layout_is_a_directory_also_before_it_is_there(site: HandMade) -> None:
    later = Layout(site.directory / "later.d")
    assert (History(later).layout, History(later).events) == (later, later.events)
