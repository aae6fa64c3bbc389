"""What a server says cannot drive a terminal or forge a line; in the file it stands as it came."""

from __future__ import annotations

import json

import pytest

from support.backend import Backend, Peer, Reply, greet
from support.daemon import Site
from support.lines import after_stamps

NASTY = {
    "ESC": "a\x1b[2Jb",
    "OSC 52": "a\x1b]52;c;aGk=\x07b",
    "CR": "good\rEVIL",
    "newline": "a\nWS_ID=forged",
    "C1 CSI": "a\x9b2Jb",
    "NEL": "a\x85b",
    "DEL": "a\x7fb",
    "bidi override": "a\u202eb\u202c",
    "bidi isolate": "a\u2066b\u2069",
    "line separator": "a\u2028b",
    "NUL": "a\0b",
    "backspace": "a\b\b\bb",
}
FORBIDDEN = [
    chr(n) for n in (*range(10), *range(11, 32), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
]


def is_harmless(text: str) -> bool:
    return not any(character in text for character in FORBIDDEN) and "\nWS_ID=forged" not in text


@pytest.mark.parametrize("ascii_only", [True, False], ids=["escaped", "as utf-8"])
async def test_transcripts_are_made_visible_on_stdout_and_stay_raw_in_the_file(
    site: Site, backend: Backend, ascii_only: bool
) -> None:
    frames = [
        json.dumps(event, ensure_ascii=ascii_only).encode()
        for text in NASTY.values()
        for event in (
            {"channel": "transcript", "data": {"text": text}},
            {"channel": text, "data": {"text": "x"}},
            {"channel": "alert", "data": {"label": text, "message": text}},
            {text: text},
        )
    ]
    async with site.daemon() as daemon:
        await daemon.ws_id()
        await (await backend.peer()).burst(frames)
        await site.written(len(frames))
        assert await daemon.stop() == 0
    assert is_harmless(daemon.stdout)
    assert len(daemon.stdout.splitlines()) <= 1 + len(frames)
    assert daemon.stdout.count("\nWS_ID=") == 0
    assert list(map(after_stamps, site.lines())) == frames


@pytest.mark.parametrize("name", ["ESC", "CR", "C1 CSI", "bidi override", "newline"])
async def test_messages_of_the_server_are_made_visible_on_stderr(lone_site: Site, name: str) -> None:
    nasty = NASTY[name]

    async def close(peer: Peer) -> None:
        await peer.hello()
        await peer.close(4001, nasty)

    async with Backend([close, greet], [Reply(500, {"success": False, "message": nasty})]) as backend:
        lone_site.backend = backend
        async with lone_site.daemon("--min-backoff", "10ms", "--log-level", "debug") as daemon:
            await daemon.ws_id()
            await daemon.ws_id()
            assert await daemon.stop() == 0
        assert backend.rest == []
        assert is_harmless(daemon.stderr)
        assert is_harmless(daemon.stdout)
        assert is_harmless(lone_site.files.journal.read_text())


async def test_a_message_at_the_end_is_made_visible_too(site: Site, backend: Backend) -> None:
    backend.rest.append(Reply(401, {"success": False, "message": "".join(NASTY.values())}))
    async with site.daemon() as daemon:
        assert await daemon.exit_status() == 77
        assert is_harmless(daemon.stderr)


async def test_a_key_that_is_no_key_does_not_reach_the_terminal(site: Site) -> None:
    site.env["VIDEO_DB_API_KEY"] = "sk-\x1b[2J secret"
    async with site.daemon() as daemon:
        assert await daemon.exit_status() == 78
        assert is_harmless(daemon.stderr)
        assert "secret" not in daemon.stderr


async def test_a_state_file_cannot_drive_a_terminal(site: Site) -> None:
    async with site.daemon() as daemon:
        await daemon.ws_id()
        state = site.state() | {"error": NASTY["ESC"], "ws_id": "x\x1b[2J"}
        site.files.state.write_text(json.dumps(state, ensure_ascii=False))
        site.files.ws_id.write_text("x\x1b[2J")
        status = await site.run("status")
        assert "x\\x1b[2J" in status.stdout
        assert is_harmless(status.stdout)
        connection_id = await site.run("id", "--timeout", "0")
        assert (connection_id.status, connection_id.stdout) == (124, "")
        assert is_harmless(connection_id.stderr)
        await daemon.kill()
