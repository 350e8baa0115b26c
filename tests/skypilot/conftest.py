"""The test cluster, brought up once for all tests of this folder."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.skypilot.cluster import TestCluster, missing


@pytest.fixture(scope="session")
def cluster() -> Iterator[TestCluster]:
    """A Slurm node and SkyPilot before it; skipped with the reason where it cannot be."""
    if lacks := missing():
        if os.environ.get("LATTICEFORGE_TEST_REQUIRE") == "all":
            pytest.fail(lacks)
        pytest.skip(lacks)
    made = TestCluster()
    try:
        made.up()
        yield made
    finally:
        made.down()
