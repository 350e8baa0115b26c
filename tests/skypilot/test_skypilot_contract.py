"""What orchestrator/ports/compute.py promises, kept by the real SkyPilot on a real scheduler."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract import test_compute
from tests.contract.compute_adapters import ComputeWorld
from tests.skypilot.cluster import TestCluster
from tests.skypilot.worlds import sky_world

globals().update({name: test for name, test in vars(test_compute).items() if name.startswith("test_")})


@pytest.fixture
def world(cluster: TestCluster, tmp_path: Path) -> Iterator[ComputeWorld]:
    made, compute = sky_world(cluster, tmp_path, f"{hash(tmp_path) % 16**8:08x}")
    yield made
    made.close()
    compute.close()
    assert cluster.clear() == []
