"""The provider's side of a rented machine, with nobody watching."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from orchestrator.adapters.skypilot.client import SkyPilotClient
from orchestrator.adapters.skypilot.tasks import NodeSetup, launch_task
from tests.e2e.service import until
from tests.skypilot.cluster import TestCluster
from tests.skypilot.worlds import H200

NAME = "lf-fuses0000000-1"
PATIENCE = 240.0
NODE = NodeSetup(Path("/usr/bin/python3"))


@pytest.fixture
def client(cluster: TestCluster) -> Iterator[SkyPilotClient]:
    made = SkyPilotClient(cluster.url, "f05e5f05")
    yield made
    made.close()
    cluster.clear()


def test_skypilots_own_end_comes_though_a_job_runs(cluster: TestCluster, client: SkyPilotClient) -> None:
    """Without the scheduler's limit: it is set far beyond, so that it is SkyPilot that acts."""
    task = yaml.safe_load(launch_task(replace(H200, accelerator_count=2), 1, NODE))
    task["config"]["slurm"]["sbatch_options"]["time"] = 60
    client.result(client.launch(NAME, yaml.safe_dump(task)), PATIENCE)
    client.result(client.execute(NAME, yaml.safe_dump({"name": "endless", "run": "sleep 3600"})), PATIENCE)
    began = time.monotonic()
    assert cluster.queue()
    until(lambda: not cluster.queue(), PATIENCE, "the machine goes down by itself")
    print(f"\ngone {time.monotonic() - began:.0f} s after the job began, one minute was set")
