"""A child process leaves nothing behind, and its lines are bounded. See tests/unit/recorder for more of its life."""

import sys

from videodb_listen.system import children

WITH_A_HELPER = (
    "import subprocess, sys;"
    "subprocess.Popen([sys.executable, '-c', 'import sys, time; print(1, flush=True); time.sleep(1000)']);"
    "sys.stdin.read()"
)


async def test_what_is_ended_is_gone_with_what_it_has_started() -> None:
    process = await children.start([sys.executable, "-c", WITH_A_HELPER])
    assert process.stdout is not None
    assert await process.stdout.readline() == b"1\n"
    await children.end(process)
    assert await process.stdout.read() == b""  # the pipe ends when the last of them does
    process.close()


async def test_a_line_that_is_too_long_becomes_empty() -> None:
    code = f"print('x' * {2 * children.MAX_LINE_BYTES}); print('short')"
    process = await children.start([sys.executable, "-c", code])
    said = [line async for line in children.lines(process.stdout)]
    await children.end(process)
    process.close()
    assert said[0] == b""
    assert said[-1] == b"short\n"
