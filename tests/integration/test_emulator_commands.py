"""`videodb-listen emulator ...` as real processes."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from support.emulated import data, rest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

COMMAND = (sys.executable, "-m", "videodb_listen", "emulator")


@dataclass
class Ended:
    status: int
    out: str
    err: str


def environment(**changes: str) -> dict[str, str]:
    unwanted = ("VIDEO_DB_API", "HTTP_PROXY", "http_proxy")
    return {name: value for name, value in os.environ.items() if name not in unwanted} | changes


async def run(*arguments: str, **changes: str) -> Ended:
    """Run a command to its end."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(**changes),
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


@dataclass
class Served:
    base_url: str
    process: asyncio.subprocess.Process
    ended: Ended | None = None

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> Ended:
        """Send the signal once and return how the process ended."""
        if self.ended is None:
            self.process.send_signal(number)
            out, err = await self.process.communicate()
            assert self.process.returncode is not None
            self.ended = Ended(self.process.returncode, out.decode(), err.decode())
        return self.ended

    async def connect(self) -> AsyncGenerator[str | bytes, None]:
        """Connect and yield every frame; the first is the hello."""
        url = await asyncio.to_thread(_websocket_url, self.base_url)
        async with connect(url, proxy=None) as connection:
            async for frame in connection:
                yield frame


def _websocket_url(base_url: str) -> str:
    import urllib.request

    request = urllib.request.Request(base_url + "/collection/default/websocket", headers={"x-access-token": "k"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as response:
        url = json.load(response)["data"]["websocket_url"]
    assert isinstance(url, str)
    return url


@asynccontextmanager
async def served(*arguments: str) -> AsyncIterator[Served]:
    """Run a serving command until the end of the block."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment()
    )
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    name, _, base_url = line.rstrip("\n").partition("=")
    if name != "VIDEO_DB_API":
        _, err = await process.communicate()
        pytest.fail(f"first line is {line!r}; stderr: {err.decode()}")
    server = Served(base_url, process)
    try:
        yield server
    finally:
        await server.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_with_0_also_with_an_open_connection(number: signal.Signals) -> None:
    async with served("serve", "--scenario", "none") as server:
        assert server.base_url.startswith("http://127.0.0.1:")
        frames = server.connect()
        assert "connection_id" in json.loads(await anext(frames))
        ended = await server.stop(number)
        await frames.aclose()
    assert ended.status == 0
    assert ended.out == ""
    assert "Traceback" not in ended.err


async def test_the_meeting_is_served_to_the_first_client() -> None:
    async with served("serve", "--speed", "100000") as server:
        frames = server.connect()
        await anext(frames)
        assert json.loads(await anext(frames))["event"] == "capture_session.created"
        async for frame in frames:  # all of it: a client that closes with a full queue waits ten seconds for itself
            if json.loads(frame).get("event") == "capture_session.exported":
                break
        await frames.aclose()


async def test_a_plan_of_faults_comes_true() -> None:
    async with served("serve", "--scenario", "none", "--chaos", "drop@50ms,close:1000@50ms#2") as server:
        with pytest.raises(ConnectionClosedError, match="no close frame"):
            _ = [frame async for frame in server.connect()]
        assert len([frame async for frame in server.connect()]) == 1  # 1000 ends it without an exception
        ended = await server.stop()
    assert "fault after 0.05s: drop" in ended.err
    assert "fault after 0.05s: close" in ended.err


async def said(frames: AsyncIterator[str | bytes], channel: str) -> Any:
    """The next event of the channel."""
    async for frame in frames:
        if json.loads(frame)["channel"] == channel:
            return json.loads(frame)
    raise AssertionError(f"the connection ended before an event of {channel}")


async def test_the_dialect_of_events_is_chosen_on_the_command_line() -> None:
    dialect = ("--time-unit", "s", "--visual-channel", "scene_index", "--alert-shape", "C", "--rebind", "reject")
    async with served("serve", "--scenario", "none", "--speed", "50", *dialect) as server:
        frames = server.connect()
        ours = {"ws_connection_id": json.loads(await anext(frames))["connection_id"]}
        path = (
            "/rtstream/" + (await data(server, "POST", "/rtstream", collection_id="default", url="u", name="n"))["id"]
        )
        index = (await data(server, "POST", f"{path}/index/scene", **ours))["rtstream_index_id"]
        event = await data(server, "POST", "/rtstream/event", event_prompt="p", label="secret")
        await data(server, "POST", f"{path}/index/{index}/alert", **event, **ours)
        await data(server, "POST", f"{path}/transcription", action="start")
        again, _ = await rest(server, f"{path}/transcription", method="POST", body=b'{"action":"start"}')
        window, alert = await said(frames, "scene_index"), await said(frames, "alert")
        await server.stop()
        await frames.aclose()
    assert again == 400
    assert window["data"]["end"] < 1e11
    assert list(alert["data"]) == ["label", "confidence", "text"]


async def test_what_recovery_meets_is_chosen_on_the_command_line() -> None:
    records = ("--record-lag", "-5s", "--record-order", "newest", "--range-by", "end", "--page-cap", "1")
    async with served("serve", "--scenario", "none", "--speed", "50", *records, "--other-streams", "2") as server:
        listed = (await data(server, "GET", "/rtstream"))["results"]
        path = f"/rtstream/{listed[0]['id']}/transcription"
        while not (page := await data(server, "GET", path))["next_page"]:
            pass
    assert len(listed) == 2
    assert (page["page_size"], len(page["transcription_records"])) == (1, 1)
    assert not page["transcription_records"][0]["text"].startswith("Good morning")


async def test_a_dialect_that_nobody_speaks_is_a_usage_error() -> None:
    ended = await run("serve", "--alert-shape", "Z")
    assert ended.status == 2
    assert "--alert-shape" in ended.err


async def test_the_help_of_serve_shows_every_fault_and_an_example() -> None:
    ended = await run("serve", "--help")
    assert ended.status == 0
    for name in ("drop", "rst", "close", "freeze", "duplicate", "truncate", "hello-delay", "rest", "expire-url", "api"):
        assert f"  {name}" in ended.out
    assert "--chaos 'drop@3s,rest:500x2#2,close:1012@5s#2'" in ended.out


async def test_an_event_can_be_triggered_from_another_process() -> None:
    async with served("serve", "--scenario", "none") as server:
        frames = server.connect()
        connection_id = json.loads(await anext(frames))["connection_id"]
        sent = await run(
            "trigger",
            "transcript",
            "--set",
            "data.text=Grüße, 富士山",
            "--set",
            "data.is_final=false",
            f"--connection={connection_id}",
            VIDEO_DB_API=server.base_url,
            http_proxy="http://127.0.0.1:9",
        )
        assert (sent.status, sent.err) == (0, "sent to 1 connection\n")
        frame = await anext(frames)
        assert sent.out == f"{frame!s}\n"
        assert json.loads(frame)["data"]["text"] == "Grüße, 富士山"
        assert json.loads(frame)["data"]["is_final"] is False
        await frames.aclose()


async def test_triggering_without_a_connection_is_1() -> None:
    async with served("serve", "--scenario", "none") as server:
        nobody = await run("trigger", "alert", "--base-url", server.base_url)
        assert (nobody.status, nobody.out) == (1, "")
        assert nobody.err == "no connection is open, nothing was sent\n"
        unknown = await run("trigger", "alert", "--base-url", server.base_url, "--connection", "abc=")
        assert (unknown.status, unknown.err) == (1, "no open connection has the id abc=\n")


async def test_a_field_that_cannot_be_set_is_78() -> None:
    async with served("serve", "--scenario", "none") as server:
        ended = await run("trigger", "alert", "--set", "channel.x=1", "--base-url", server.base_url)
    assert ended.status == 78
    assert "channel is not an object" in ended.err


async def test_an_unknown_event_is_2_with_the_list_and_a_hint() -> None:
    ended = await run("trigger", "capture_session.export")
    assert ended.status == 2
    assert "Did you mean capture_session.exported?" in ended.err
    assert "transcript.interim" in ended.err


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("trigger", "alert"), 78, "VIDEO_DB_API"),
        (("trigger", "alert", "--base-url", "https://api.videodb.io"), 78, "no emulator"),
        (("trigger", "alert", "--base-url", "http://127.0.0.1:1"), 78, "cannot reach an emulator"),
        (("trigger", "alert", "--set", "text"), 2, "PATH=VALUE"),
        (("serve", "--scenario", "absent.json"), 78, "absent.json"),
        (("serve", "--speed", "0"), 2, "more than 0"),
        (("serve", "--speed", "nan"), 2, "more than 0"),
        (("serve", "--port", "70000"), 2, "70000"),
        (("serve", "--record-lag", "soon"), 2, "'soon' is no time"),
        (("serve", "--page-cap", "0"), 2, "--page-cap"),
        (("serve", "--chaos", "api:500@much"), 78, "'much' is no share, write it as api:503x2"),
        (("serve", "--chaos", "drop@3s,drip@3s"), 78, "--chaos: 'drip@3s' is no fault; known: drop"),
        (("serve", "--chaos", "close:1006@3s"), 78, "write it as close:1011@4s"),
        (("replay", "absent.jsonl"), 78, "absent.jsonl"),
        (("replay", os.devnull), 78, "holds no event"),
    ],
)
async def test_bad_input_ends_at_once_and_says_what_to_do(arguments: tuple[str, ...], status: int, said: str) -> None:
    ended = await run(*arguments)
    assert ended.status == status
    assert said in ended.err
    assert "Traceback" not in ended.err
    assert ended.out == ""


async def test_a_broken_scenario_is_78_and_names_the_step(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"steps": [{"frame": {}}, {"frame": 1}]}')
    ended = await run("serve", "--scenario", str(tmp_path / "s.json"))
    assert ended.status == 78
    assert "s.json, step 2: frame is not an object" in ended.err


async def test_a_port_in_use_is_78() -> None:
    async with served("serve", "--scenario", "none") as server:
        ended = await run("serve", "--port", server.base_url.rpartition(":")[2])
    assert ended.status == 78
    assert "in use" in ended.err


async def test_without_the_extra_it_says_which_one(tmp_path: Path) -> None:
    (tmp_path / "uvicorn.py").write_text("raise ModuleNotFoundError(\"No module named 'uvicorn'\", name='uvicorn')\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    ended = await run("serve", PYTHONPATH=path)
    assert (ended.status, ended.out) == (78, "")
    assert "uvicorn is missing" in ended.err
    assert ended.err.endswith("pip install 'videodb-listen[emulator]'\n")


async def test_a_recorded_file_is_replayed_byte_for_byte_and_the_connection_stays_open(tmp_path: Path) -> None:
    frames = ['{"channel":"alert","n":1.0}', '{ "a" : "Zoë" }']
    stamp = '{"ts":"2026-03-02T10:15:30.123Z","unix_ts":1772446530.123,'
    lines = [stamp + frame[1:] for frame in frames] + [
        stamp + '"raw":"no json"}',
        stamp + '"raw_base64":"/w=="}',
        stamp,
    ]
    recording = tmp_path / "videodb_events.jsonl"
    recording.write_text("\n".join(lines), encoding="utf-8")
    async with served("replay", str(recording), "--speed", "2") as server:
        received = server.connect()
        hello = json.loads(await anext(received))
        assert [await anext(received) for _ in range(4)] == [*frames, "no json", b"\xff"]
        sent = await run("trigger", "alert", f"--connection={hello['connection_id']}", "--base-url", server.base_url)
        assert sent.status == 0
        assert json.loads(await anext(received))["channel"] == "alert"
        await received.aclose()
        ended = await server.stop()
    assert f"{recording}, line 5 skipped: not JSON, perhaps torn" in ended.err
    assert "session videodb_events.jsonl is over: 4 sent, 0 dropped" in ended.err
