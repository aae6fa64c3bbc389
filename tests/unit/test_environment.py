"""From flags, the environment and a `.env` to a layout, an account and settings."""

import ast
import os
from pathlib import Path

import pytest

import videodb_listen
from videodb_listen.environment import Environment, log_format, owners, read, variables
from videodb_listen.errors import ConfigurationError

OURS = ("VIDEO_DB_API_KEY", "VIDEODB_API_KEY", "VIDEO_DB_API", "VIDEODB_EVENTS_DIR", "XDG_STATE_HOME")


@pytest.fixture(autouse=True)
def _clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*OURS, *(name for name in os.environ if name.startswith("VIDEODB_LISTEN_"))):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/h")
    monkeypatch.chdir(tmp_path)


def dotenv(directory: Path, content: str, mode: int = 0o600) -> Path:
    path = directory / ".env"
    path.write_text(content, encoding="utf-8")
    path.chmod(mode)
    return path


def test_a_dotenv_gives_only_the_names_of_ours_and_nothing_is_interpolated(tmp_path: Path) -> None:
    dotenv(tmp_path, "VIDEO_DB_API_KEY=sk-${HOME}\nexport VIDEO_DB_API=https://x\nPATH=/evil\nVIDEODB_EVENTS_DIR=\n")
    assert read(None).dotenv == {"VIDEO_DB_API_KEY": "sk-${HOME}", "VIDEO_DB_API": "https://x"}


def test_no_parent_directory_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dotenv(tmp_path, "VIDEO_DB_API_KEY=k\n")
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert read(None).dotenv == {}
    assert read(str(tmp_path)).dotenv == {"VIDEO_DB_API_KEY": "k"}


@pytest.mark.parametrize(("mode", "trusted"), [(0o600, True), (0o644, True), (0o606, False), (0o646, False)])
def test_a_dotenv_that_everyone_can_write_is_ignored(tmp_path: Path, mode: int, trusted: bool) -> None:
    dotenv(tmp_path, "VIDEO_DB_API_KEY=k\n", mode)
    assert bool(read(None).dotenv) is trusted


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to someone else")
def test_a_dotenv_of_someone_else_is_ignored(tmp_path: Path) -> None:
    os.chown(dotenv(tmp_path, "VIDEO_DB_API_KEY=k\n"), 12345, 12345)
    assert read(None).dotenv == {}


def test_a_dotenv_that_is_no_file_is_ignored_and_hangs_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".env")
    assert read(None).dotenv == {}


def test_a_dotenv_that_others_have_linked_to_is_ignored(tmp_path: Path) -> None:
    dotenv(tmp_path, "VIDEO_DB_API_KEY=k\n").rename(tmp_path / "mine")
    (tmp_path / ".env").symlink_to("mine")
    assert read(None).dotenv == {"VIDEO_DB_API_KEY": "k"}
    tmp_path.chmod(0o1777)
    assert read(None).dotenv == {}


def test_a_dotenv_that_cannot_be_read_is_ignored(tmp_path: Path) -> None:
    dotenv(tmp_path, "").write_bytes(b"VIDEO_DB_API_KEY=\xff\n")
    assert read(None).dotenv == {}
    assert read(str(tmp_path / "missing")).dotenv == {}


@pytest.mark.parametrize(
    ("flag", "environ", "named", "expected"),
    [
        ("/flag", {"VIDEODB_LISTEN_DIR": "/own", "VIDEODB_EVENTS_DIR": "/env"}, "/dot", "/flag"),
        (None, {"VIDEODB_LISTEN_DIR": "/own", "VIDEODB_EVENTS_DIR": "/env"}, "/dot", "/own"),
        (None, {"VIDEODB_EVENTS_DIR": "/env"}, "/dot", "/env"),
        (None, {"VIDEODB_EVENTS_DIR": "", "XDG_STATE_HOME": "/x"}, "/dot", "/dot"),
        (None, {"XDG_STATE_HOME": "/x"}, "", "/x/videodb"),
        (None, {}, "", "/h/.local/state/videodb"),
    ],
)
def test_the_directory_is_that_of_the_flag_the_environment_or_the_dotenv(
    flag: str | None, environ: dict[str, str], named: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert Environment(variables(), {"VIDEODB_EVENTS_DIR": named}).layout(flag).directory == Path(expected)


@pytest.mark.parametrize("by_variable", [False, True])
def test_the_key_in_a_file_is_taken_without_its_newline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_variable: bool
) -> None:
    path = tmp_path / "key"
    path.write_text(" sk-file \n", encoding="utf-8")
    if by_variable:
        monkeypatch.setenv("VIDEODB_LISTEN_API_KEY_FILE", str(path))
    monkeypatch.setenv("VIDEO_DB_API_KEY", "sk-env")
    assert read(None).account(None, None if by_variable else str(path)).key == "sk-file"


def test_a_key_that_comes_through_a_pipe_is_there_for_whoever_asks_again() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"sk-pipe\n")
    os.close(writing)
    environment, place = read(None), f"/dev/fd/{reading}"
    assert environment.account(None, place).key == "sk-pipe"
    assert environment.file_key(place) == "sk-pipe"
    os.close(reading)


@pytest.mark.parametrize(
    ("content", "said"), [(None, "No such file"), (b"", "is empty"), (b" \n", "is empty"), (b"\xff", "it is not text")]
)
def test_a_key_file_that_holds_no_key_is_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=said) as failure:
        read(None).account(None, str(path))
    assert str(path) in failure.value.message


def test_a_tilde_is_the_home_directory_in_every_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "key").write_text("sk-of-file")
    (tmp_path / "project").mkdir()
    dotenv(tmp_path / "project", "VIDEODB_EVENTS_DIR=~/events\n")
    environment = read("~/project")
    assert environment.account(None, "~/key").key == "sk-of-file"
    assert environment.layout(None).directory == tmp_path / "events"
    assert environment.layout("~/other").directory == tmp_path / "other"
    monkeypatch.setenv("VIDEODB_EVENTS_DIR", "~/from-variable")
    assert read(None).layout(None).directory == tmp_path / "from-variable"


def test_a_key_file_in_the_home_of_nobody_is_a_setting_to_correct() -> None:
    with pytest.raises(ConfigurationError, match="no-such-user"):
        read(None).account(None, "~no-such-user/key")


def test_one_setting_does_not_depend_on_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEODB_LISTEN_FSYNC", "bogus")
    assert read(None).value("collection", {}) == "default"
    with pytest.raises(ConfigurationError, match="VIDEODB_LISTEN_FSYNC"):
        read(None).settings({})


def test_the_key_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEODB_API_KEY", "sk-secret")
    dotenv(tmp_path, "VIDEO_DB_API_KEY=sk-secret\n")
    assert "secret" not in repr(read(None))


def test_an_empty_variable_asks_for_no_format(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEODB_LISTEN_LOG_FORMAT", "")
    assert log_format() == "text"


READS = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv", "dotenv_values", "load_dotenv"}


def test_no_other_module_reads_the_environment_or_a_dotenv_but_the_one_for_variables_of_the_network() -> None:
    package = Path(videodb_listen.__file__).parent
    readers = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if (isinstance(node, ast.Attribute) and node.attr in READS)
        or (isinstance(node, ast.ImportFrom) and READS & {alias.name for alias in node.names})
    }
    assert readers == {"environment.py", "system/network.py"}


def test_the_owners_streams_are_those_given_else_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(owners(())) == ["mic:*"]
    monkeypatch.setenv("VIDEODB_LISTEN_OWNER", "")
    assert list(owners(())) == ["mic:*"]
    monkeypatch.setenv("VIDEODB_LISTEN_OWNER", "rts-1,Capture mic - *")
    assert list(owners(())) == ["rts-1", "Capture mic - *"]
    assert list(owners(("rts-2",))) == ["rts-2"]
