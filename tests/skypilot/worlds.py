"""The compute port's contract, with SkyPilot on the test cluster as its world."""

from __future__ import annotations

import itertools
import shutil
import time
from datetime import date, datetime
from pathlib import Path

from orchestrator.adapters.skypilot.client import SkyPilotClient
from orchestrator.adapters.skypilot.compute import SkyPilotCompute
from orchestrator.adapters.skypilot.tasks import NodeSetup
from orchestrator.adapters.system.clock import SystemClock
from orchestrator.domain.money import Rate
from orchestrator.domain.offers import Offer
from tests.contract.compute_adapters import NODE_DOUBLE, ComputeWorld, Pace
from tests.skypilot.cluster import CHECKOUT, TestCluster
from tests.skypilot.slurm import CLUSTER

POLL_SECONDS = 0.5
LONG_SECOND = 30.0
"""Slurm and SkyPilot count in minutes: half of one is the second of the contract."""
H200 = Offer(
    provider="slurm",
    region=f"{CLUSTER}/ondemand",
    instance_type="node",
    accelerator="H200",
    accelerator_count=1,
    spot=False,
    rate=Rate(3_990_000),
    billing_quantum_seconds=1,
    minimum_seconds=1,
    priced_on=date(2026, 1, 1),
    price_source="the test cluster's configuration",
)
SLOW = Pace(second=LONG_SECOND, offer=H200, seconds_per_step=0.1)


class CloudTime:
    """Real time, looked at seldom: every look is a request."""

    def now(self) -> datetime:
        return SystemClock().now()

    def pass_a_little(self) -> None:
        time.sleep(POLL_SECONDS)


def sky_world(cluster: TestCluster, home: Path, user: str) -> tuple[ComputeWorld, SkyPilotCompute]:
    """An adapter of its own for one test; its leases' names are new, since SkyPilot remembers those of other tests."""
    compute = SkyPilotCompute(
        client=SkyPilotClient(cluster.url, user),
        home=home,
        node_home=home / "node",
        node=NodeSetup(python=CHECKOUT / ".venv" / "bin" / "python"),
        node_path=node_with_double(home),
        clock=SystemClock(),
    )
    numbers = itertools.count(time.time_ns() // 1_000_000 % 10**11)
    return ComputeWorld("skypilot", compute, CloudTime(), numbers, SLOW), compute


def node_with_double(home: Path) -> Path:
    """The node's own package, with the contract's double in the supervisor's place."""
    package = home / "package" / "workers"
    if not package.exists():
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(CHECKOUT / "workers" / "node", package / "node", ignore=ignored)
        shutil.copyfile(CHECKOUT / "workers" / "__init__.py", package / "__init__.py")
        shutil.copyfile(NODE_DOUBLE / "workers" / "node" / "supervisor.py", package / "node" / "supervisor.py")
    return package.parent
