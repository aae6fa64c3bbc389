"""The documentation tells the truth about the code that it comes with."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from videodb_listen.cli import cli
from videodb_listen.errors import ListenError
from videodb_listen.paths import DIRECTORY_NAME, Layout
from videodb_listen.presence import State
from videodb_listen.settings import BASE_URL_NAME, KEY_NAMES, OPTIONS

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "videodb_listen"
README = ROOT / "README.md"
REFERENCE = ROOT / "docs" / "reference.md"
PAGES = sorted([README, ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("**/*.md")])
FILES = [*PAGES, *sorted((ROOT / "docs").glob("systemd/*"))]

_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[[^\]]+\]\((?P<target>[^)\s]+)\)")
_COMMAND = re.compile(r"\bvideodb-listen(?P<words>(?: [^|&;#()<>`\n]+)?)")
_FORBIDDEN = re.compile(
    r"(?<![\w.~])/(?:home|root|work|Users|opt|tmp)/\w"  # paths of some machine
    r"|(?:pypi|npmjs|pythonhosted|crates)\.(?:org|com|io)|registry\."  # registries
    r"|github\.com|gitlab\.com"  # the project has no address yet
)
KINDS = [kind for kind in ListenError.__subclasses__() if kind.__module__ == ListenError.__module__]


def page(path: Path) -> str:
    """What marks the case of this page in a report."""
    return str(path.relative_to(ROOT))


def fences(path: Path, *languages: str) -> Iterator[str]:
    """The fenced blocks of these languages."""
    for found in _FENCE.finditer(path.read_text("utf-8")):
        if found["language"] in languages:
            yield found["body"]


def prose(path: Path) -> str:
    """The text without its fenced blocks."""
    return _FENCE.sub("", path.read_text("utf-8"))


def anchors(path: Path) -> set[str]:
    """The fragments that headings of this page give."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in kept}


def test_the_first_block_of_the_readme_is_one_command_that_is_there() -> None:
    first = _FENCE.search(README.read_text("utf-8"))
    assert first is not None
    assert first["language"] == "bash"
    assert first["body"] == "scripts/demo\n"
    assert os.access(ROOT / "scripts" / "demo", os.X_OK)


def test_the_second_block_of_the_readme_is_the_tests() -> None:
    assert [found["body"] for found in _FENCE.finditer(README.read_text("utf-8"))][1] == "scripts/test\n"
    assert os.access(ROOT / "scripts" / "test", os.X_OK)


@pytest.mark.parametrize("path", PAGES, ids=page)
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    for found in _LINK.finditer(prose(path)):
        target, _, fragment = found["target"].partition("#")
        if "://" in target:
            continue
        there = (path.parent / target).resolve() if target else path
        assert there.is_relative_to(ROOT), found["target"]
        assert there.exists(), found["target"]
        if fragment:
            assert fragment in anchors(there), found["target"]


def test_the_generated_parts_of_the_reference_are_fresh() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "reference.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", [README, REFERENCE], ids=page)
def test_every_exit_status_is_listed(path: Path) -> None:
    listed = set(map(int, re.findall(r"^\| (\d+) \|", prose(path), re.MULTILINE)))
    assert listed >= {0, *(kind.status for kind in KINDS)}


def test_every_field_of_the_state_file_is_in_the_reference() -> None:
    missing = [entry.name for entry in dataclasses.fields(State) if f"| `{entry.name}` |" not in prose(REFERENCE)]
    assert not missing


def test_every_event_of_the_journal_is_in_the_reference() -> None:
    code = "".join(path.read_text("utf-8") for path in (SOURCE / "listener").glob("*.py"))
    named = set(re.findall(r"\.record\(\s*\"(\w+)\"", code))
    assert len(named) >= 7
    assert not {name for name in named if f"| `{name}` |" not in prose(REFERENCE)}


def test_every_error_code_is_in_the_reference() -> None:
    assert not {kind.code for kind in KINDS if f"`{kind.code}`" not in prose(REFERENCE)}


def test_every_variable_is_in_the_reference() -> None:
    names = {BASE_URL_NAME, DIRECTORY_NAME, *KEY_NAMES, *(option.variable for option in OPTIONS)}
    assert not {name for name in names if f"`{name}`" not in prose(REFERENCE)}


@pytest.mark.parametrize("path", [README, REFERENCE], ids=page)
def test_every_file_of_the_directory_is_listed(path: Path) -> None:
    layout = Layout(Path())
    files = [layout.events, layout.ws_id, layout.pid, layout.state, layout.journal, layout.lock, layout.log]
    assert not [file.name for file in files if f"`{file.name}`" not in prose(path)]


@pytest.mark.parametrize("path", PAGES, ids=page)
def test_commands_are_shown_as_they_are(path: Path) -> None:
    """Every `videodb-listen ...` in a block names a command that exists, with options that it has."""
    for block in fences(path, "bash", "console", "ini"):
        for found in _COMMAND.finditer(block.replace("\\\n", " ")):
            words = shlex.split(found["words"], comments=True)
            command, rest = resolved(words)
            known = {flag for parameter in command.params for flag in parameter.opts} | {"--help", "--version"}
            used = {word.partition("=")[0] for word in rest if word.startswith("--")}
            assert used <= known, found[0]


def resolved(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that `words` run, and what is left for it."""
    context = click.Context(cli, info_name="videodb-listen")
    command: click.Command = cli
    if not words or words[0].startswith("-") or "/" in words[0]:
        words = ["run", *words]
    while isinstance(command, click.Group):
        name = words.pop(0) if words and not words[0].startswith("-") else ""
        if not name:
            return command, words
        found = command.get_command(context, name)
        assert found is not None, f"no command {name!r}"
        command = found
    return command, words


@pytest.mark.parametrize("path", PAGES, ids=page)
def test_python_that_is_shown_compiles(path: Path) -> None:
    for block in fences(path, "python"):
        compile(block, page(path), "exec")


@pytest.mark.parametrize("path", PAGES, ids=page)
def test_json_that_is_shown_is_json(path: Path) -> None:
    """One document, or one a line."""
    for block in fences(path, "json"):
        try:
            json.loads(block)
        except ValueError:
            assert all(type(json.loads(line)) is dict for line in block.splitlines())


@pytest.mark.parametrize("path", PAGES, ids=page)
def test_tests_that_are_named_are_there(path: Path) -> None:
    code = "".join(file.read_text("utf-8") for file in (ROOT / "tests").glob("**/*.py"))
    named = set(re.findall(r"`(test_\w+)`", prose(path)))
    assert not {name for name in named if f"def {name}(" not in code}


@pytest.mark.parametrize("path", FILES, ids=page)
def test_no_page_names_a_machine_or_a_registry(path: Path) -> None:
    assert not _FORBIDDEN.findall(path.read_text("utf-8"))
