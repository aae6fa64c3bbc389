"""The ledger, and whatever the real injectors need: looked for, installed where that is possible, else a skip."""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.daemon import Site
from support.ledger import Ledger, LedgerReport

collect_ignore_glob = [] if sys.platform == "linux" else ["test_*"]

_CLONE_NEWNS = 0x20000
FAKETIME = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib*/faketime/libfaketimeMT.so.1")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--faults-report", type=Path, metavar="FILE", help="write a table of the faults that were injected to FILE"
    )
    parser.addoption(
        "--seeds",
        type=int,
        metavar="N",
        default=int(os.environ.get("SIMULATED_SEEDS", "3")),
        help="play N storms for each mode of the simulated server ($SIMULATED_SEEDS, else 3)",
    )


def pytest_configure(config: pytest.Config) -> None:
    path: Path | None = config.getoption("--faults-report")
    if path is not None and not hasattr(config, "workerinput"):  # a worker of pytest-xdist only sends its rows
        config.pluginmanager.register(LedgerReport(path.absolute(), Path(__file__).parent.name))


@pytest.fixture
def ledger(request: pytest.FixtureRequest) -> Ledger:
    """Where a test writes down which fault it injected, how that is proven, and what was left."""
    return Ledger(request.node.user_properties)


# -- what injectors need --


def _installed(found: Callable[[], str | None], package: str) -> str | None:
    """Look for something, and have Debian's package installed when it is not there and we may."""
    if (there := found()) or os.geteuid() != 0 or not shutil.which("apt-get"):
        return there
    with (Path(tempfile.gettempdir()) / "videodb-listen-apt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several workers may want the same
        for command in (["update"], ["install", "-y", "--no-install-recommends", package]):
            if there := found():
                return there
            subprocess.run(
                ["apt-get", "-o", "DPkg::Lock::Timeout=60", *command],
                env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
    return found()


@pytest.fixture(scope="session")
def tool() -> Callable[[str, str], str]:
    """Gives the path of a program, by its name and that of its Debian package; skips where there is none."""
    known: dict[str, str | None] = {}

    def look(name: str, package: str) -> str:
        if name not in known:
            known[name] = _installed(lambda: shutil.which(name), package)
        return known[name] or pytest.skip(f"no {name} here (Debian package {package})")

    return look


@pytest.fixture(scope="session")
def root() -> None:
    """Only the superuser can do this."""
    if os.geteuid() != 0:
        pytest.skip("needs root")


@pytest.fixture(scope="session")
def _strace_works(tool: Callable[[str, str], str]) -> str:
    """Return why strace cannot be used here; empty when it can."""
    name = tool("strace", "strace")
    tried = subprocess.run(
        [name, "-D", "-qq", "-o", os.devnull, "-e", "inject=fsync:error=EIO", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    return tried.stderr.strip().split("\n")[-1] if tried.returncode else ""


@pytest.fixture
def needs_strace(_strace_works: str) -> None:
    """Skips where processes cannot be traced."""
    if _strace_works:
        pytest.skip(f"strace cannot trace here: {_strace_works}")


@pytest.fixture(scope="session")
def needs_prlimit(tool: Callable[[str, str], str]) -> None:
    """Skips where no program sets the limits of another."""
    tool("prlimit", "util-linux")


@pytest.fixture(scope="session")
def _own_mounts() -> str:
    """Move this process into a mount namespace of its own: whatever is mounted goes with it, however it ends."""
    if os.geteuid() != 0:
        return "needs root to mount"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) != 0:
        return f"no mount namespace: {os.strerror(ctypes.get_errno())}"
    made = subprocess.run(["mount", "--make-rprivate", "/"], capture_output=True, text=True, check=False)
    return made.stderr.strip()


@pytest.fixture
def needs_mounts(_own_mounts: str) -> None:
    """Skips where file systems cannot be mounted."""
    if _own_mounts:
        pytest.skip(_own_mounts)


@pytest.fixture(scope="session")
def faketime(tool: Callable[[str, str], str]) -> Path:
    """Return libfaketime; skips where there is none."""

    def find() -> str | None:
        return next((str(path) for pattern in FAKETIME for path in Path("/").glob(pattern[1:])), None)

    found = _installed(find, "libfaketime")
    return Path(found) if found else pytest.skip("no libfaketime here (Debian package libfaketime)")


@pytest.fixture
def ext4(needs_mounts: None, site: Site, tmp_path: Path, tool: Callable[[str, str], str]) -> Iterator[Path]:
    """Put the directory of `site` on an ext4 of its own; gives the file that makes it turn read-only."""
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(32 << 20)
    subprocess.run([tool("mkfs.ext4", "e2fsprogs"), "-q", "-m0", str(image)], check=True, capture_output=True)
    site.directory.mkdir(mode=0o700)
    options = ["-o", "loop,errors=remount-ro", str(image), str(site.directory)]
    mounted = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no loop device here: {mounted.stderr.strip()}")
    site.directory.chmod(0o700)
    device = site.directory.stat().st_dev
    name = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve().name
    trigger = Path(f"/sys/fs/ext4/{name}/trigger_fs_error")
    try:
        if not trigger.exists():
            pytest.skip("this kernel's ext4 cannot be made to fail")
        yield trigger
    finally:
        subprocess.run(["umount", "--lazy", str(site.directory)], check=True, capture_output=True)
