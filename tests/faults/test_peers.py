"""Other people's WebSocket code on the other end: three servers, and the Autobahn suite that checks a client."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from faults.test_hostile import sending_to
from faults.test_proxies import installed
from support.backend import Backend
from support.daemon import ROOT, Site
from support.ledger import Ledger
from support.lines import after_stamps

QUICK = ("--min-backoff", "10ms", "--max-backoff", "300ms")
CACHE = ROOT / ".venv-faults"
EACH = 1500
PAD = "x" * 200


def done(*command: str | Path, why: str, **how: object) -> str:
    """Run a command that prepares something; skip the test when it fails."""
    ran = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, **how)  # type: ignore[call-overload]
    if ran.returncode:
        pytest.skip(f"{why}: {(ran.stderr or ran.stdout).strip()[-200:]}")
    return str(ran.stdout)


@asynccontextmanager
async def server(
    *command: str | Path, environment: dict[str, str], stdout: int = asyncio.subprocess.PIPE
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run somebody's server."""
    process = await asyncio.create_subprocess_exec(*map(str, command), env={**os.environ, **environment}, stdout=stdout)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


def expected() -> list[bytes]:
    return [b'{"n":%d,"pad":"%b"}' % (n, PAD.encode()) for n in range(2 * EACH)]


async def both_connections_recorded(
    site: Site, backend: Backend, peer: asyncio.subprocess.Process
) -> tuple[str, list[bytes]]:
    """Record what the server sends on two connections, the first of which it closes: its words, and the lines."""
    said = peer.stdout
    assert said is not None
    backend.rest += [sending_to(int(await said.readline()))] * 10
    async with site.daemon(*QUICK, "--output", "none") as daemon:
        first, second = await daemon.ws_id(), await daemon.ws_id()
        await site.written(2 * EACH)
        assert await daemon.stop() == 0
        assert "Traceback" not in daemon.stderr
    assert first != second
    words = (await said.readline()).decode().strip()
    (lost,) = site.journal("lost")
    return f"{words}; journal: {lost['reason']}", [after_stamps(line) for line in site.lines()]


NODE = """
const {WebSocketServer} = require('ws');
const [each, pad, deflate, fragments] = JSON.parse(process.argv[1]);
const server = new WebSocketServer(
  {host: '127.0.0.1', port: 0, perMessageDeflate: deflate ? {threshold: 0} : false});
server.on('listening', () => console.log(server.address().port));
let n = 0, connections = 0;
server.on('connection', (socket) => {
  socket.send(JSON.stringify({connection_id: `node-${++connections}`}));
  for (let i = 0; i < each; i++) {
    const text = JSON.stringify({n: n++, pad});
    if (fragments) {
      socket.send(text.slice(0, 7), {fin: false});
      socket.send(text.slice(7, 100), {fin: false});
      socket.send(text.slice(100), {fin: true});
    } else socket.send(text);
  }
  if (connections === 1) socket.close(1012, 'restart');
  console.log(`extensions: ${socket.extensions || 'none'}, messages in ${fragments ? 3 : 1} frames`);
});
"""


@pytest.fixture(scope="session")
def node() -> tuple[str, str]:
    """The command, and where it finds ws@8."""
    command, npm = shutil.which("node"), shutil.which("npm")
    if command is None or npm is None:
        pytest.skip("there is no node with npm")
    place = CACHE / "ws"
    if not (place / "node_modules" / "ws").is_dir():
        place.mkdir(parents=True, exist_ok=True)
        done(npm, "install", "--no-audit", "--no-fund", "--prefix", place, "ws@8", why="ws@8 cannot be installed")
    return command, str(place / "node_modules")


@pytest.mark.parametrize("fragments", [False, True], ids=["whole", "fragments"])
@pytest.mark.parametrize("deflate", [False, True], ids=["plain", "deflate"])
async def test_everything_that_node_ws_sends_is_recorded(
    site: Site, backend: Backend, ledger: Ledger, node: tuple[str, str], deflate: bool, fragments: bool
) -> None:
    command, modules = node
    how = json.dumps([EACH, PAD, deflate, fragments])
    async with server(command, "-e", NODE, how, environment={"NODE_PATH": modules}) as peer:
        fired, kept = await both_connections_recorded(site, backend, peer)
    ledger.row("peer-node-ws", "Node ws@8", sent=2 * EACH, on_disk=len(kept), fired=fired)
    assert kept == expected()
    assert ("permessage-deflate" in fired) is deflate


TWISTED = """
import json, sys
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.compress import PerMessageDeflateOffer, PerMessageDeflateOfferAccept
from twisted.internet import reactor
each, pad, deflate, fragments = json.loads(sys.argv[1])
n = connections = 0

class Protocol(WebSocketServerProtocol):
    def onOpen(self):
        global n, connections
        connections += 1
        self.sendMessage(json.dumps({"connection_id": f"autobahn-{connections}"}).encode())
        for _ in range(each):
            text = json.dumps({"n": n, "pad": pad}, separators=(",", ":")).encode()
            self.sendMessage(text, fragmentSize=80 if fragments else None)
            n += 1
        extension = self._perMessageCompress
        print(f"extensions: {extension.EXTENSION_NAME if extension else 'none'}, fragments: {fragments}", flush=True)
        if connections == 1:
            self.sendClose(4000, "restart")

def accept(offers):
    for offer in offers:
        if isinstance(offer, PerMessageDeflateOffer):
            return PerMessageDeflateOfferAccept(offer)

factory = WebSocketServerFactory("ws://127.0.0.1")
factory.protocol = Protocol
if deflate:
    factory.setProtocolOptions(perMessageCompressionAccept=accept)
port = reactor.listenTCP(0, factory, interface="127.0.0.1")
print(port.getHost().port, flush=True)
reactor.run()
"""


@pytest.fixture(scope="session")
def debian_python() -> str:
    """The system's Python, with autobahn and twisted."""
    python, test = "/usr/bin/python3", "import autobahn.twisted.websocket"
    if not Path(python).exists():
        pytest.skip("there is no Python of the system")
    if subprocess.run([python, "-c", test], capture_output=True, check=False).returncode:
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            pytest.skip("there is no python3-autobahn, and only root can install it")
        subprocess.run(["apt-get", "update", "-q"], capture_output=True, check=False)
        package = ("apt-get", "install", "-y", "-q", "--no-install-recommends", "python3-autobahn", "python3-twisted")
        done(*package, why="python3-autobahn cannot be installed")
    return python


@pytest.mark.parametrize("fragments", [False, True], ids=["whole", "fragments"])
@pytest.mark.parametrize("deflate", [False, True], ids=["plain", "deflate"])
async def test_everything_that_autobahn_on_twisted_sends_is_recorded(
    site: Site, backend: Backend, ledger: Ledger, debian_python: str, deflate: bool, fragments: bool
) -> None:
    how = json.dumps([EACH, PAD, deflate, fragments])
    async with server(debian_python, "-c", TWISTED, how, environment={}) as peer:
        fired, kept = await both_connections_recorded(site, backend, peer)
    ledger.row("peer-autobahn", "autobahn on twisted", sent=2 * EACH, on_disk=len(kept), fired=fired)
    assert kept == expected()
    assert ("permessage-deflate" in fired) is deflate


NON_STRICT = {"3.2", "3.3", "4.1.3", "4.1.4", "4.2.3", "4.2.4", "5.15", "6.4.1", "6.4.2", "6.4.3", "6.4.4"}
FAILS = {"7.1.5"}  # both as the documentation of websockets says
CHOPPED = {"3.4", "4.1.5", "4.2.5"}  # as 3.3, 4.1.4, 4.2.4, byte by byte: the same, if the bytes arrive in one read

DRIVER = """
import asyncio, contextlib, sys
from videodb_listen.realtime import by_websockets as realtime
from videodb_listen.errors import Unavailable
from videodb_listen.settings import Link
from videodb_listen.text import Secrets
from websockets.exceptions import ConnectionClosed

base = sys.argv[1]
original, arguments = realtime._Connect, {}

class Capture:
    def __init__(self, url, **how):
        arguments.update(how)
        raise OSError("only the arguments are wanted")

async def capture():
    realtime._Connect = Capture
    with contextlib.suppress(Unavailable):
        async with realtime.open_connection(base, Link(), lambda frame: None, Secrets()):
            pass

async def main():
    await capture()
    for _ in range(200):
        try:
            async with original(f"{base}/getCaseCount", **arguments) as socket:
                count = int(await socket.recv())
            break
        except OSError:
            await asyncio.sleep(0.1)
    for case in range(1, count + 1):
        with contextlib.suppress(ConnectionClosed):
            async with original(f"{base}/runCase?case={case}&agent=daemon", **arguments) as socket:
                while True:
                    await socket.send(await socket.recv())
    async with original(f"{base}/updateReports?agent=daemon", **arguments):
        pass
    print(count, sorted(arguments))

asyncio.run(main())
"""

SUITE = "from autobahntestsuite.wstest import run; run()"


@pytest.fixture(scope="session")
def fuzzer() -> tuple[list[str], dict[str, str]]:
    """The command line of the Autobahn suite, and the environment it needs."""
    python = shutil.which("python2.7")
    environment = {"PYENV_VERSION": "2.7.18", "PYTHONPATH": str(CACHE / "fuzz")}  # the version is ours only with pyenv
    if python is None:
        pytest.skip("there is no Python 2.7, which the Autobahn suite needs")
    if not (CACHE / "fuzz" / "autobahntestsuite").is_dir():
        pip = (python, "-m", "pip", "install", "-q", f"--target={CACHE / 'fuzz'}", "autobahntestsuite==25.10.1")
        done(*pip, why="autobahntestsuite cannot be installed", env={**os.environ, **environment, "PYTHONPATH": ""})
    (CACHE / "fuzz" / "zope" / "__init__.py").touch()
    done(python, "-c", "import autobahntestsuite", why="autobahntestsuite is broken", env={**os.environ, **environment})
    return [python, "-c", SUITE], environment


@pytest.fixture
def loopback_only() -> Iterator[str]:
    """A network namespace with nothing but a loopback: the suite listens on every address there is."""
    installed("ip", "iproute2")
    name = f"faults-{os.getpid()}"
    done("ip", "netns", "add", name, why="no network namespace")
    try:
        done("ip", "-n", name, "link", "set", "lo", "up", why="no loopback")
        yield name
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def by_class(outcomes: dict[str, str]) -> str:
    """Return how many cases of each class ended how."""
    classes: dict[int, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for case, outcome in outcomes.items():
        classes[int(case.split(".")[0])][outcome] += 1
    return "; ".join(
        f"{number}: " + ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
        for number, counts in sorted(classes.items())
    )


async def test_the_autobahn_suite_finds_nothing_beyond_what_the_library_documents(
    tmp_path: Path, ledger: Ledger, fuzzer: tuple[list[str], dict[str, str]], loopback_only: str
) -> None:
    base, (command, environment) = "ws://127.0.0.1:9001", fuzzer
    spec = {"url": base, "outdir": str(tmp_path / "reports"), "cases": ["*"], "exclude-cases": ["9.*", "12.*", "13.*"]}
    (tmp_path / "spec.json").write_text(json.dumps(spec | {"exclude-agent-cases": {}}))
    inside = ("ip", "netns", "exec", loopback_only)
    suite = (*inside, *command, "--mode", "fuzzingserver", "--spec", str(tmp_path / "spec.json"))
    async with server(*suite, environment=environment):
        driver = await asyncio.create_subprocess_exec(
            *inside, sys.executable, "-c", DRIVER, base,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")}, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(50):
                out, _ = await driver.communicate()
        finally:
            with contextlib.suppress(ProcessLookupError):
                driver.kill()
    outcomes = {
        case: result["behavior"]
        for case, result in json.loads((tmp_path / "reports" / "index.json").read_text())["daemon"].items()
    }
    cases, arguments = re.fullmatch(r"(\d+) (.*)\n", out.decode()).groups()  # type: ignore[union-attr]
    good = sum(outcome in {"OK", "NON-STRICT", "INFORMATIONAL"} for outcome in outcomes.values())
    fired = f"{cases} cases; {by_class(outcomes)}; arguments of the daemon: {arguments}"
    ledger.row("autobahn", "fuzzing server", sent=len(outcomes), on_disk=good, fired=fired)
    assert driver.returncode == 0
    assert len(outcomes) == int(cases) > 200
    assert {case for case, outcome in outcomes.items() if outcome == "NON-STRICT"} <= NON_STRICT | CHOPPED
    assert {case for case, o in outcomes.items() if o not in {"OK", "NON-STRICT", "INFORMATIONAL"}} <= FAILS
