"""What there is to hand out: events and what the journal tells, in one order."""

from __future__ import annotations

import json
from typing import Any

from support.history import NOW_S, HandMade, line
from videodb_listen.feed.items import Item, Scan, beginning
from videodb_listen.line import id_of
from videodb_listen.paths import Layout
from videodb_listen.reader import query
from videodb_listen.reader.history import Place
from videodb_listen.reader.query import ANY, Where
from videodb_listen.reader.recording import Recording
from videodb_listen.trust import Voices


def journal(site: HandMade, *records: tuple[float, str, dict[str, Any]]) -> None:
    """Append records, each `seconds` after the first event."""
    with Layout(site.directory).journal.open("ab") as file:
        for seconds, event, fields in records:
            file.write(json.dumps({"ts": "t", "unix_ts": NOW_S + seconds, "event": event, **fields}).encode() + b"\n")


def scan(site: HandMade, places: list[Place] | None = None, where: Where = ANY, notices: Where = ANY) -> Scan:
    return Scan(Recording(site.directory), places or [Place(), Place()], (where, notices), Voices())


def names(items: list[Item]) -> list[object]:
    """The number of an event, the kind of a notice."""
    return [item.content["kind"] if item.is_notice else item.content["n"] for item in items]


def test_notices_stand_between_events_where_they_were_told(site: HandMade) -> None:
    site.append(4)
    gap = {"from_unix_ts": NOW_S, "to_unix_ts": NOW_S + 1}
    journal(site, (-5, "connected", {"ws_id": "a"}), (0.5, "lost", {}), (1.5, "gap", gap))
    journal(site, (1.6, "connected", {"ws_id": "b", "previous_ws_id": "a"}), (9, "stopped", {}))
    found = list(scan(site))
    assert names(found) == [0, 1, "gap", "new_id", 2, 3, "stopped"]
    assert {item.who for item in found if item.is_notice} == {"system"}
    assert [item.id for item in found if not item.is_notice] == [id_of(line(n)) for n in range(4)]


def test_each_has_a_spot_of_its_own_that_rotation_and_compression_leave(site: HandMade) -> None:
    site.append(3)
    site.events.write_bytes(site.events.read_bytes() * 2)  # the same lines again
    before = [item.spot for item in scan(site)]
    site.rotate()
    site.append(1)
    site.rotate()
    site.compress()
    after = [item.spot for item in scan(site)]
    assert len(set(before)) == 6
    assert after[:6] == before
    assert len(set(after)) == 7


def test_a_line_is_found_where_it_stands_also_behind_damage_that_holds_the_same_bytes(site: HandMade) -> None:
    site.events.write_bytes(b"damaged " + line(1) + line(1))
    assert [item.begin.offset for item in scan(site, where=query.channel("transcript"))] == [len(b"damaged " + line(1))]


def test_a_scan_goes_on_behind_what_was_passed_and_before_what_was_kept(site: HandMade) -> None:
    site.append(5)
    first = scan(site)
    for item in first:
        if item.content["n"] in (2, 4):
            first.keep(item)
        else:
            assert first.has_passed(item) == (item.content["n"] < 2)
    assert names(list(scan(site, first.places))) == [2, 3, 4]


def test_what_was_left_out_is_passed(site: HandMade) -> None:
    site.append(3)
    first = scan(site, where=query.channel("alert"))
    assert list(first) == []
    site.append(1)
    assert names(list(scan(site, first.places))) == [3]


def test_a_new_consumer_is_told_nothing_from_before_the_events_that_are_there(site: HandMade) -> None:
    journal(site, (-100, "gap", {}), (-99, "stopped", {}), (5, "gap", {}))
    site.append(1)
    places = beginning(Recording(site.directory))
    assert names(list(scan(site, places))) == [0, "gap"]


def test_one_file_alone_has_no_journal(site: HandMade) -> None:
    site.append(2)
    recording = Recording(site.events)
    places = beginning(recording)
    assert names(list(Scan(recording, places, (ANY, ANY), Voices()))) == [0, 1]


def test_the_stream_is_what_keeps_its_order(site: HandMade) -> None:
    site.append(1, rtstream_id="rts-1", rtstream_name="mic")
    site.append(1, rtstream_name="mic")
    site.append(1, channel="alert")
    journal(site, (9, "stopped", {}))
    assert [item.stream for item in scan(site)] == ["rts-1", "mic", "alert", ""]
