"""Completion in the shells that people use: the script loads, and completes commands, options and their values."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.daemon import console_script

EXPECTED = {
    ("sta",): {"start", "status", "stats"},
    ("--cl",): {"--clear"},
    ("status", "--j"): {"--json"},
    ("run", "--fsync", ""): {"always", "interval", "never"},
    ("query", "--format", "c"): {"csv"},
    ("emulator", ""): {"serve", "replay", "trigger", "recorder"},
}


def completed(shell: str, *words: str) -> set[str]:
    """What the program answers to the completion script of `shell`."""
    environment = {
        **os.environ,
        "_VIDEODB_LISTEN_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": " ".join(["videodb-listen", *words])
        if shell != "bash"
        else "\n".join(["videodb-listen", *words]),
        "COMP_CWORD": words[-1] if shell == "fish" else str(len(words)),
    }
    done = subprocess.run(
        [sys.executable, "-m", "videodb_listen"], env=environment, capture_output=True, text=True, check=True
    )
    answers = done.stdout.splitlines()
    if shell == "zsh":
        return set(answers[1::3])
    return {answer.partition(",")[2].partition("\t")[0] for answer in answers}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("words", EXPECTED, ids=" ".join)
def test_the_program_answers_each_shell(shell: str, words: tuple[str, ...]) -> None:
    assert completed(shell, *words) == EXPECTED[words]


LOADED = {
    "bash": 'source /dev/stdin <<< "$SCRIPT" && COMP_WORDS=(videodb-listen stat) COMP_CWORD=1 && '
    '_videodb_listen_completion videodb-listen && printf "%s\\n" "${COMPREPLY[@]}"',
    "zsh": "autoload -Uz compinit && compinit -D && eval $SCRIPT && print -l ${_comps[videodb-listen]}",
    "fish": "echo $SCRIPT | source; complete -C 'videodb-listen stat'",
}


@pytest.mark.parametrize("shell", LOADED)
def test_the_script_loads_in_the_shell_itself(shell: str, tmp_path: Path) -> None:
    program = console_script("videodb-listen")
    if program is None:
        pytest.skip("the command is not installed beside this Python")
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here (Debian package {shell})")
    environment = {**os.environ, "HOME": str(tmp_path), "PATH": f"{program.parent}:{os.environ['PATH']}"}
    script = subprocess.run(
        [program], env={**environment, "_VIDEODB_LISTEN_COMPLETE": f"{shell}_source"}, capture_output=True, text=True
    ).stdout
    done = subprocess.run(
        [shell, "-c", LOADED[shell]], env={**environment, "SCRIPT": script}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    shown = set(done.stdout.split())
    assert shown >= ({"_videodb_listen_completion"} if shell == "zsh" else {"status", "stats"})
