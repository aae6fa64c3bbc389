"""Which files there are, where each begins, and where they end now."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from support.history import HandMade, line
from support.someone_else import give_away, needs_root
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


def forged(path: Path) -> None:
    data = line(99, text="forged")
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    give_away(path)


@pytest.mark.parametrize("plant", [os.mkfifo, Path.mkdir, pytest.param(forged, marks=needs_root)])
def test_what_others_plant_under_the_names_of_generations_is_none_and_stops_no_reader(
    site: HandMade, plant: Callable[[Path], None]
) -> None:
    site.directory.chmod(0o1777)
    site.append(2)
    site.rotate()
    site.append(2)
    site.rotate()
    site.compress()
    site.append(1)
    ours = History(site.directory).begins()
    layout = Layout(site.directory)
    for stamp in ("20200101T000000.000Z", "99981231T235959.999Z"):
        for name in (layout.generation(stamp), layout.generation(stamp + ".jsonl").with_suffix(".gz")):
            plant(name)
    plant(layout.generation(site.stamps[0]))  # beside the compressed one, which is ours
    history = History(site.directory)
    assert [part.stamp for part in history.parts()] == [*site.stamps, None]
    assert history.begins() == ours
    with Reader(history) as reader:
        assert b"".join(block.data for block in reader.blocks()) == b"".join(map(line, range(5)))


@needs_root
def test_someone_elses_events_file_is_refused_where_others_can_put_one_unless_a_person_names_it(
    site: HandMade,
) -> None:
    site.append(1)
    give_away(site.events)
    site.directory.chmod(0o1777)
    with pytest.raises(PermissionError, match="someone else's"):
        History(site.directory).end()
    with pytest.raises(PermissionError, match="someone else's"):
        History(site.events).end()
    assert History(site.events, named=True).end().offset == len(line(0))
