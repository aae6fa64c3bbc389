"""What `docs/design.md` claims about the code is so."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
OURS = SOURCE / "videodb_listen"
UNIT = ROOT / "tests" / "unit"
DESIGN = (ROOT / "docs" / "design.md").read_text("utf-8")
CONTRACTS = [
    contract["name"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
]

LONGEST_FUNCTION = 30  # lines

PRIVATE_WORDS = re.compile(r"homeless|nameless|disown|set_aside|\bset aside\b|begun_but|run_begins", re.IGNORECASE)

OF_A_PACKAGE = {"test_init.py", "test_help.py", "test_imports.py"}
"""What no single module of a package has alone: its names, the help of all commands, what each of them loads."""

WRONG = {  # an import that the contract of that name must report; where it stands, what it says
    "imports go down only; what stands side by side does not know each other": (
        "videodb_listen/reader/query.py",
        "import videodb_listen.listener.sink",
    ),
    "no command imports another": ("videodb_listen/cli/tail.py", "import videodb_listen.cli.query"),
    "the emulator knows nothing of ours": ("videodb_emulator/pure/world.py", "import videodb_listen.errors"),
    "of ours, only the command line knows the emulator": ("videodb_listen/service.py", "import videodb_emulator.pure"),
    "inside the emulator, arrows go down only": ("videodb_emulator/pure/world.py", "import videodb_emulator.http"),
    "what the emulator knows is pure": ("videodb_emulator/pure/world.py", "import time"),
    "click has one importer": ("videodb_listen/service.py", "import click"),
    "dotenv has one importer": ("videodb_listen/service.py", "import dotenv"),
    "httpx2 has one importer": ("videodb_listen/service.py", "import httpx2"),
    "inotify_simple has one importer": ("videodb_listen/service.py", "import inotify_simple"),
    "tenacity has one importer": ("videodb_listen/service.py", "import tenacity"),
    "websockets has one importer": ("videodb_listen/service.py", "import websockets"),
    "the operating system has one floor: fcntl and signal": ("videodb_listen/service.py", "import fcntl, signal"),
    "starlette and uvicorn stay in the emulator's server": ("videodb_listen/service.py", "import starlette, uvicorn"),
}


def modules(directory: Path = SOURCE) -> Iterator[tuple[str, ast.Module]]:
    """Each module below `directory`, by its path below `src`."""
    for path in sorted(directory.glob("**/*.py")):
        yield path.relative_to(SOURCE).as_posix(), ast.parse(path.read_text("utf-8"))


def those_with(has: Callable[[ast.AST], bool], directory: Path = OURS) -> set[str]:
    """The modules below `directory` with a node of that kind, by their path below `src/videodb_listen`."""
    found = {name for name, tree in modules(directory) if any(map(has, ast.walk(tree)))}
    return {name.removeprefix("videodb_listen/") for name in found}


def names(*dotted: str) -> Callable[[ast.AST], bool]:
    """Whether a node is one of these dotted names, as in `os.environ`."""
    return lambda node: isinstance(node, ast.Attribute) and ast.unparse(node) in dotted


def test_every_module_is_in_the_design() -> None:
    absent = {Path(name).name for name, _ in modules()} - {"__init__.py"}
    assert not {name for name in absent if name not in DESIGN}


def test_every_module_that_the_design_names_is_there() -> None:
    there = {Path(name).name for name, _ in modules()}
    assert not set(re.findall(r"\b(\w+\.py)\b", DESIGN)) - there - {"ws_listener.py", "test_design.py"}


def test_no_function_is_longer_than_thirty_lines() -> None:
    lengths = {
        f"{name}:{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for name, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert not {where: length for where, length in lengths.items() if length > LONGEST_FUNCTION}


def test_packages_hold_names_only() -> None:
    for name, tree in modules():
        if Path(name).name == "__init__.py" and name not in (
            "videodb_listen/__init__.py",
            "videodb_listen/cli/__init__.py",
        ):
            held = [type(node) for node in tree.body]
            assert set(held) <= {ast.Expr, ast.Import, ast.ImportFrom, ast.Assign}, name


def test_the_environment_is_read_in_one_place_and_that_of_the_network_in_another() -> None:
    readers = those_with(names("os.environ", "os.getenv", "os.environb"))
    assert readers == {"environment.py", "system/network.py"}


def test_proxies_and_authorities_are_found_in_one_place() -> None:
    finders = ("urllib.request.getproxies", "urllib.request.proxy_bypass", "ssl.create_default_context")
    assert those_with(names(*finders)) == {"system/network.py"}


def test_signals_are_handled_and_sent_by_the_system_alone() -> None:
    assert {
        name.split("/")[0]
        for name in those_with(names("signal.signal", "signal.pidfd_send_signal", "os.kill", "os.killpg"))
    } == {"system"}


def test_the_wall_clock_of_the_listener_is_an_argument() -> None:
    assert not those_with(names("time.time", "datetime.now"), OURS / "listener")


def test_only_commands_print() -> None:
    def prints(node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "click.echo")

    assert {name.split("/")[0] for name in those_with(prints)} <= {"cli"}


def test_processes_are_looked_up_by_the_system_alone() -> None:
    knowing = {name for name, _ in modules(OURS) if re.search("/proc|pidfd", (SOURCE / name).read_text("utf-8"))}
    assert {Path(name).parts[1] for name in knowing} == {"system"}


def test_every_file_of_unit_tests_is_named_for_the_module_that_it_tests() -> None:
    for path in sorted(UNIT.glob("**/test_*.py")):
        if path.name in OF_A_PACKAGE:
            continue
        tested = path.relative_to(UNIT).with_name(path.name.removeprefix("test_"))
        homes = [OURS / tested, SOURCE / tested, (OURS / tested).with_suffix("") / "__init__.py"]
        assert any(home.exists() for home in homes), path.relative_to(ROOT)


def test_no_private_words_are_used_for_what_has_a_name() -> None:
    found = [name for name, _ in modules() if PRIVATE_WORDS.search((SOURCE / name).read_text("utf-8"))]
    assert not found


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What import-linter says of a copy of the code in which every contract is broken once."""
    site = tmp_path_factory.mktemp("broken")
    shutil.copytree(SOURCE, site / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", site)
    for file, line in WRONG.values():
        path = site / "src" / file
        path.write_text(path.read_text("utf-8") + f"\n{line}\n", "utf-8")
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=site,
        env={**os.environ, "PYTHONPATH": str(site / "src"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    return done.stdout


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_broken_contract_is_reported(contract: str, reported: str) -> None:
    assert contract in WRONG, "say here how it is broken"
    assert f"{contract} BROKEN" in " ".join(reported.split())
