"""Which directory it is, and how the first word is understood."""

from __future__ import annotations

import pytest

from support.daemon import Site

RULES: dict[str, tuple[tuple[str, ...], dict[str, str], str]] = {
    "argument with ./": (("./out",), {}, "out"),
    "argument with / at its end": (("out/",), {}, "out"),
    "nested argument": (("a/b/c",), {}, "a/b/c"),
    "--dir": (("--dir", "out"), {}, "out"),
    "--dir=": (("--dir=out",), {}, "out"),
    "run with a bare word": (("run", "out"), {}, "out"),
    "run with a command's name": (("run", "status"), {}, "status"),
    "flag before the argument": (("--clear", "./out"), {}, "out"),
    "VIDEODB_EVENTS_DIR": ((), {"VIDEODB_EVENTS_DIR": "{home}/by env"}, "by env"),
    "argument beats VIDEODB_EVENTS_DIR": (("./out",), {"VIDEODB_EVENTS_DIR": "{home}/env"}, "out"),
    "--dir beats VIDEODB_EVENTS_DIR": (("--dir", "out"), {"VIDEODB_EVENTS_DIR": "{home}/env"}, "out"),
    "XDG_STATE_HOME": ((), {"XDG_STATE_HOME": "{home}/xdg"}, "xdg/videodb"),
    "VIDEODB_EVENTS_DIR beats XDG_STATE_HOME": (
        (),
        {"VIDEODB_EVENTS_DIR": "{home}/env", "XDG_STATE_HOME": "{home}/xdg"},
        "env",
    ),
    "HOME": ((), {}, ".local/state/videodb"),
    "empty variables count as unset": ((), {"VIDEODB_EVENTS_DIR": "", "XDG_STATE_HOME": ""}, ".local/state/videodb"),
    "blanks": (("./my  events ",), {}, "my  events "),
    "not ASCII": (("./Ereignisse 事件 🎬",), {}, "Ereignisse 事件 🎬"),
    "a quote, a dollar and a star": (("./it's $HOME *",), {}, "it's $HOME *"),
    "--dir with blanks and more": (("--dir", "tä st/o ut"), {}, "tä st/o ut"),
}


@pytest.mark.parametrize("rule", RULES)
async def test_the_directory_is(site: Site, rule: str) -> None:
    args, env, expected = RULES[rule]
    site.env |= {name: value.format(home=site.home) for name, value in env.items()}
    site.directory = site.home / expected
    async with site.daemon(*args, entry="bare", directory=None) as daemon:
        connection_id = await daemon.ws_id()
        assert site.files.ws_id.read_text() == connection_id
        status = await site.run_bare("status", *(() if args else ("--json",)), *(["--dir", expected] if args else []))
        assert status.status == 0, "every command finds the directory by the same rule"
        await daemon.kill()
    assert site.directory.stat().st_mode & 0o7777 == 0o700


async def test_a_word_that_is_an_existing_directory_is_the_directory(site: Site) -> None:
    site.directory = site.home / "out"
    site.directory.mkdir()
    async with site.daemon("out", entry="bare", directory=None) as daemon:
        await daemon.ws_id()
        assert site.files.ws_id.exists()
        await daemon.kill()


async def test_a_commands_name_is_the_command_though_a_directory_has_it(site: Site) -> None:
    (site.home / "status").mkdir()
    completed = await site.run_bare("status")
    assert completed.status == 3
    site.directory = site.home / "status"
    async with site.daemon("./status", entry="bare", directory=None) as daemon:
        await daemon.ws_id()
        assert site.files.ws_id.exists()
        await daemon.kill()


@pytest.mark.parametrize(("word", "meant"), [("strt", "start"), ("statuss", "status"), ("stpo", "stop")])
async def test_any_other_bare_word_is_wrong_usage_with_a_suggestion(site: Site, word: str, meant: str) -> None:
    completed = await site.run_bare(word)
    assert (completed.status, completed.stdout) == (2, "")
    assert "did you mean" in completed.stderr.lower()
    assert meant in completed.stderr
    assert f"./{word}" in completed.stderr
    assert not (site.home / word).exists()


async def test_a_word_like_no_command_still_says_how_to_name_a_directory(site: Site) -> None:
    completed = await site.run_bare("zzzz")
    assert completed.status == 2
    assert "./zzzz" in completed.stderr


@pytest.mark.parametrize("command", ["status", "stop", "id"])
async def test_a_command_that_only_looks_creates_nothing(site: Site, command: str) -> None:
    await site.run(command)
    assert not site.directory.exists()
    assert list(site.home.iterdir()) == []


async def test_start_takes_the_directory_as_an_argument(site: Site) -> None:
    site.directory = site.home / "de tached"
    assert (await site.run_bare("start", "./de tached")).status == 0
    assert site.files.ws_id.exists()
    assert (await site.run_bare("stop", "--dir", "./de tached")).status == 0
