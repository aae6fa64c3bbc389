#!/usr/bin/env python3
"""Keep the generated parts of docs/reference.md true.

    scripts/reference.py            write them
    scripts/reference.py --check    exit 1 with a diff when one is stale

A generated part stands between `<!-- generated: NAME -->` and `<!-- end -->`; everything else is written by hand.
Needs the project's dependencies: .venv/bin/python scripts/reference.py.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

import click  # noqa: E402  # the path comes first

from videodb_listen.cli import cli  # noqa: E402
from videodb_listen.settings import OPTIONS  # noqa: E402

REFERENCE = ROOT / "docs" / "reference.md"
COLUMNS = 100
"""Fixed, or the same help would wrap differently on every terminal."""

_PART = re.compile(r"(<!-- generated: (?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def contexts(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[click.Context]:
    """A context for `command` and for each of its subcommands, in the order of the help."""
    context = click.Context(command, info_name=name, parent=parent, terminal_width=COLUMNS, **command.context_settings)
    yield context
    if isinstance(command, click.Group):
        for subname in command.list_commands(context):
            subcommand = command.get_command(context, subname)
            assert subcommand is not None
            yield from contexts(subcommand, subname, context)


def commands() -> str:
    """`--help` of every command."""
    return "\n".join(
        f"### {context.command_path}\n\n```text\n{context.get_help().rstrip()}\n```\n"
        for context in contexts(cli, "videodb-listen")
    )


def variables() -> str:
    """The name in the environment of every option of `run` that comes from the table of settings."""
    rows = [f"| `{option.flag}` | `{option.variable}` | {option.shown} |" for option in OPTIONS]
    return "\n".join(["| option | variable | default |", "|---|---|---|", *rows, ""])


PARTS: dict[str, Callable[[], str]] = {"commands": commands, "variables": variables}


def renewed(text: str) -> str:
    """`text` with every generated part made anew. Raises SystemExit when a part is missing or unknown."""
    names = [found["name"] for found in _PART.finditer(text)]
    if sorted(names) != sorted(PARTS):
        raise SystemExit(f"{REFERENCE.name} has the generated parts {names}, it must have {list(PARTS)}")
    return _PART.sub(lambda found: f"{found[1]}\n{PARTS[found['name']]()}\n{found[3]}", text)


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the generated parts of docs/reference.md.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 with a diff when it is stale")
    checking = parser.parse_args().check
    old = REFERENCE.read_text("utf-8")
    new = renewed(old)
    if old == new:
        return 0
    if checking:
        name = str(REFERENCE.relative_to(ROOT))
        diff = difflib.unified_diff(old.splitlines(), new.splitlines(), name, f"{name} (renewed)", lineterm="")
        print(*diff, sep="\n")
        return 1
    REFERENCE.write_text(new, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
