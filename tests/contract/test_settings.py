"""Flag beats environment beats `.env` beats default; and what a `.env` may not do."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.backend import Backend, Reply, unused_port
from support.daemon import Site


def write(path: Path, text: str, mode: int = 0o600) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def dotenv(site: Site, text: str, mode: int = 0o600) -> Path:
    path = site.home / ".env"
    write(path, text, mode)
    return path


@pytest.fixture
async def stranger() -> AsyncIterator[Backend]:
    """Another server, to which nothing may go."""
    async with Backend() as stranger:
        yield stranger


async def request_of(site: Site, backend: Backend, *args: str) -> tuple[str, str]:
    """Start a listener and return the key that it sent and the path that it asked for."""
    async with site.daemon(*args) as daemon:
        await daemon.ws_id()
        await daemon.kill()
    request = backend.requests[-1]
    return request.headers["x-access-token"], request.path


# -- flag > environment > default --

COLLECTIONS = [
    ((), {}, "default"),
    ((), {"VIDEODB_LISTEN_COLLECTION": ""}, "default"),
    ((), {"VIDEODB_LISTEN_COLLECTION": "c-env"}, "c-env"),
    (("--collection", "c-flag"), {"VIDEODB_LISTEN_COLLECTION": "c-env"}, "c-flag"),
]


@pytest.mark.parametrize(("args", "env", "expected"), COLLECTIONS)
async def test_a_flag_beats_the_environment_and_that_the_default(
    site: Site, backend: Backend, args: tuple[str, ...], env: dict[str, str], expected: str
) -> None:
    site.env |= env
    key, path = await request_of(site, backend, *args)
    assert path == f"/collection/{expected}/websocket"
    assert key == site.key


async def test_the_flag_for_the_base_url_beats_the_environment(site: Site, backend: Backend, stranger: Backend) -> None:
    site.env["VIDEO_DB_API"] = stranger.url
    await request_of(site, backend, "--base-url", backend.url)
    assert stranger.requests == []


async def test_a_base_url_may_end_in_a_slash(site: Site, backend: Backend) -> None:
    assert (await request_of(site, backend, "--base-url", f"{backend.url}/"))[1] == "/collection/default/websocket"


async def test_the_alias_of_the_key_is_understood(site: Site, backend: Backend) -> None:
    site.env |= {"VIDEO_DB_API_KEY": None, "VIDEODB_API_KEY": "sk-alias"}
    assert (await request_of(site, backend))[0] == "sk-alias"


async def test_an_empty_key_counts_as_unset(site: Site, backend: Backend) -> None:
    site.env |= {"VIDEO_DB_API_KEY": "", "VIDEODB_API_KEY": "sk-alias"}
    assert (await request_of(site, backend))[0] == "sk-alias"


# -- the key --


async def test_a_key_file_beats_the_environment(site: Site, backend: Backend) -> None:
    write(site.home / "key", "sk-file\n")
    assert (await request_of(site, backend, "--api-key-file", "key"))[0] == "sk-file"


async def test_a_key_file_can_be_named_in_the_environment(site: Site, backend: Backend) -> None:
    write(site.home / "key", "sk-file\n")
    site.env["VIDEODB_LISTEN_API_KEY_FILE"] = str(site.home / "key")
    assert (await request_of(site, backend))[0] == "sk-file"


@pytest.mark.parametrize("content", [None, ""], ids=["missing", "empty"])
async def test_a_key_file_without_a_key_is_78(site: Site, backend: Backend, content: str | None) -> None:
    path = site.home / "key"
    if content is not None:
        write(path, content)
    async with site.daemon("--api-key-file", str(path)) as daemon:
        assert await daemon.exit_status() == 78
        assert str(path) in daemon.stderr
        assert "Traceback" not in daemon.stderr
    assert backend.requests == []


@pytest.mark.parametrize("form", [["--api-key", "{key}"], ["--api-key={key}"]])
async def test_there_is_no_flag_for_the_key_itself(site: Site, backend: Backend, form: list[str]) -> None:
    async with site.daemon(*[part.format(key=site.key) for part in form]) as daemon:
        assert await daemon.exit_status() == 2
        assert site.key not in daemon.stderr
    assert backend.requests == []


# -- .env --


async def test_a_dotenv_in_the_working_directory_gives_key_and_url(site: Site, backend: Backend) -> None:
    site.env |= {"VIDEO_DB_API_KEY": None, "VIDEO_DB_API": None}
    dotenv(site, f"# mine\nVIDEO_DB_API_KEY='sk-dotenv'\nVIDEO_DB_API={backend.url}\n")
    assert (await request_of(site, backend))[0] == "sk-dotenv"


async def test_a_dotenv_in_cwd_option_gives_key_and_url(site: Site, backend: Backend) -> None:
    site.env |= {"VIDEO_DB_API_KEY": None, "VIDEO_DB_API": None}
    project = site.home / "project"
    write(project / ".env", f"export VIDEODB_API_KEY=sk-project\nVIDEO_DB_API={backend.url}\n")
    assert (await request_of(site, backend, "--cwd", str(project)))[0] == "sk-project"


async def test_a_dotenv_never_overrides_the_environment(site: Site, backend: Backend, stranger: Backend) -> None:
    dotenv(site, f"VIDEO_DB_API_KEY=sk-dotenv\nVIDEO_DB_API={stranger.url}\nVIDEODB_EVENTS_DIR={site.home}/no\n")
    site.env["VIDEODB_EVENTS_DIR"] = str(site.directory)
    async with site.daemon(directory=None) as daemon:
        await daemon.ws_id()
        assert site.files.ws_id.exists()
        await daemon.kill()
    assert backend.requests[0].headers["x-access-token"] == site.key
    assert stranger.requests == []
    assert not (site.home / "no").exists()


async def test_a_dotenv_gives_the_directory(site: Site) -> None:
    dotenv(site, f"VIDEODB_EVENTS_DIR={site.directory}\n")
    async with site.daemon(directory=None) as daemon:
        await daemon.ws_id()
        assert site.files.ws_id.exists()
        assert (await site.run_bare("status")).status == 0
        await daemon.kill()


async def test_a_dotenv_sets_nothing_else(site: Site, backend: Backend) -> None:
    dotenv(site, "VIDEODB_LISTEN_COLLECTION=c-dotenv\nVIDEODB_LISTEN_DRAIN=soon\nHTTP_PROXY=http://127.0.0.1:9\n")
    assert (await request_of(site, backend))[1] == "/collection/default/websocket"


async def test_a_dotenv_of_a_parent_directory_is_not_read(site: Site, backend: Backend) -> None:
    site.env["VIDEO_DB_API_KEY"] = None
    dotenv(site, f"VIDEO_DB_API_KEY=sk-dotenv\nVIDEO_DB_API={backend.url}\n")
    below = site.home / "below"
    below.mkdir()
    async with site.daemon(cwd=below) as daemon:
        assert await daemon.exit_status() == 78
    assert backend.requests == []


@pytest.mark.parametrize("mode", [0o666, 0o602])
async def test_a_dotenv_that_everyone_can_write_is_ignored_with_a_warning(
    site: Site, backend: Backend, mode: int
) -> None:
    site.env |= {"VIDEO_DB_API_KEY": None, "VIDEO_DB_API": None}
    path = dotenv(site, f"VIDEO_DB_API_KEY=sk-dotenv\nVIDEO_DB_API={backend.url}\n", mode)
    async with site.daemon() as daemon:
        assert await daemon.exit_status() == 78
        assert path.name in daemon.stderr
        assert "ignored" in daemon.stderr
    assert backend.requests == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file someone else's")
async def test_someone_elses_dotenv_is_ignored_with_a_warning(site: Site, backend: Backend) -> None:
    path = dotenv(site, "VIDEO_DB_API_KEY=sk-dotenv\n")
    os.chown(path, 65534, 65534)
    async with site.daemon() as daemon:
        await daemon.ws_id()
        await daemon.stderr_line(".env")
        await daemon.kill()
    assert backend.requests[0].headers["x-access-token"] == site.key


async def test_a_base_url_in_a_dotenv_without_a_key_is_not_used(lone_site: Site, stranger: Backend) -> None:
    """Otherwise a stranger's file in the working directory would send the key to a stranger's server."""
    dotenv(lone_site, f"VIDEO_DB_API={stranger.url}\n")
    nowhere = f"http://127.0.0.1:{unused_port()}"  # keeps the test off the real service
    lone_site.env |= {"HTTPS_PROXY": nowhere, "https_proxy": nowhere}
    async with lone_site.daemon("--startup-timeout", "3s", "--min-backoff", "10ms") as daemon:
        await daemon.stderr_line("trying again")  # it has asked somebody
        assert await daemon.exit_status() == 69
    assert stranger.requests == []


# -- where the key may go --


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.2.1",
        "http://example.invalid/api",
        "ftp://127.0.0.1",
        "api.videodb.io",
        "https://",
        "http://127.0.0.1.nip.invalid",
    ],
)
async def test_a_base_url_that_is_neither_https_nor_loopback_is_78(site: Site, url: str) -> None:
    async with site.daemon("--base-url", url, "--log-level", "warning") as daemon:
        assert await daemon.exit_status() == 78
        assert len(daemon.stderr.splitlines()) == 1
        assert daemon.stdout == ""


async def test_a_redirect_is_not_followed_so_that_no_other_host_gets_the_key(
    site: Site, backend: Backend, stranger: Backend
) -> None:
    target = f"{stranger.url}/collection/default/websocket"
    backend.rest += [Reply(code, headers={"location": target}) for code in (301, 302, 307)]
    async with site.daemon("--min-backoff", "10ms") as daemon:
        connection_id = await daemon.ws_id()
        await daemon.kill()
    assert backend.rest == []
    assert connection_id == backend.peers[0].id
    assert (stranger.requests, stranger.upgrades) == ([], [])


@pytest.mark.parametrize("url", ["ws://192.0.2.1/ws?token=t", "http://127.0.0.1/ws", "file:///etc/passwd", "", 7, None])
async def test_a_websocket_url_that_is_not_safe_is_not_used(site: Site, backend: Backend, url: object) -> None:
    backend.rest.append(Reply(body={"success": True, "data": {"websocket_url": url}}))
    async with site.daemon("--min-backoff", "10ms") as daemon:
        await daemon.ws_id()
        await daemon.kill()
    assert backend.rest == []
    assert len(backend.requests) == 2
