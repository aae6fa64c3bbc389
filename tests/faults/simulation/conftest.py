"""A world with a machine in it for the tests of the tools, and the seeds for those that throw."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from faults.simulation import kernel
from faults.simulation.machine import Machine
from faults.simulation.network import Network
from faults.simulation.world import World


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(1, metafunc.config.getoption("--seeds") + 1))


@pytest.fixture
def world() -> Iterator[World]:
    """Return a world whose processes see simulated system calls."""
    with kernel.installed():
        yield World(seed=1)


@pytest.fixture
def network(world: World) -> Network:
    return Network(world)


@pytest.fixture
def machine(world: World, network: Network) -> Iterator[Machine]:
    """Return a machine; what still runs on it is killed in the end."""
    machine = Machine(world, network, "box")
    yield machine
    if machine.process is not None:
        machine.process.kill()
