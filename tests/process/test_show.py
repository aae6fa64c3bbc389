"""One event by its id."""

from __future__ import annotations

import re

from support import played
from support.daemon import Site
from videodb_listen.line import id_of


async def test_an_event_is_shown_whole_by_the_id_that_was_printed(lone_site: Site) -> None:
    lone_site.directory.mkdir()
    lines = played.lines("hostile-guest")
    lone_site.files.events.write_bytes(b"".join(lines))
    printed = await lone_site.run("query", "--channel", "alert", "--format", "brief", "--limit", "1")
    (id,) = re.findall(r"! alert attention (\w{8})$", printed.stdout, re.MULTILINE)
    as_it_stands = await lone_site.run("show", id, "--format", "json")
    assert as_it_stands.stdout.encode() in lines
    assert id_of(as_it_stands.stdout.encode()).startswith(id)
    assert re.search(r"^<data-\w+>\n.*canary.*\n</data-\w+>$", (await lone_site.run("show", id)).stdout, re.MULTILINE)


async def test_a_text_that_was_cut_is_whole(lone_site: Site) -> None:
    lone_site.directory.mkdir()
    text = "word " * 1000
    event = b'{"ts":"t","unix_ts":1772446530.123,"channel":"visual_index","data":{"text":"%b"}}\n' % text.encode()
    lone_site.files.events.write_bytes(event)
    cut = await lone_site.run("query", "--format", "brief")
    (id,) = re.findall(r"more: show (\w+)\)", cut.stdout)
    assert text.strip() in (await lone_site.run("show", id)).stdout


async def test_what_is_no_id_and_an_id_of_nothing_are_said(lone_site: Site) -> None:
    lone_site.directory.mkdir()
    lone_site.files.events.write_bytes(b"".join(played.lines("meeting")))
    for id, what in (("nonsense!", "is no id"), ("zzzzzzzz", "no event has the id")):
        done = await lone_site.run("show", id)
        assert (done.status, done.stdout) == (2, "")
        assert what in done.stderr
