"""Whole runs on rented machines: the service, the real SkyPilot, a real scheduler and the real trainer."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import demonstration as demonstration
from tests.e2e.demonstration import assert_loads, assert_settled, await_step, evaluations, ledger_of, wish
from tests.e2e.service import WholeService, until
from tests.skypilot.cluster import TestCluster
from tests.skypilot.slurm import CLUSTER, ON_DEMAND_DOLLARS

pytestmark = [pytest.mark.e2e, pytest.mark.trainer]

PATIENCE = 900.0
ON_ONE: dict[str, Any] = {"accelerators": ["H200"], "gpus": 1}
"""Training begun on two goes on from a checkpoint on GPUs only: PyTorch 2.13 reads none back onto `cpu:0`."""
ON_TWO: dict[str, Any] = {"accelerators": ["H200"], "gpus": 2}
ON_THREE: dict[str, Any] = {"accelerators": ["H200"], "gpus": 3}
PRICES = f"""provider,region,instance_type,accelerator,count,price_per_hour,billing_quantum_seconds,minimum_seconds
slurm,{CLUSTER}/ondemand,h200-1,H200,1,{ON_DEMAND_DOLLARS},1,1
slurm,{CLUSTER}/ondemand,h200-2,H200,2,{2 * ON_DEMAND_DOLLARS},1,1
slurm,{CLUSTER}/nowhere,h200-3,H200,3,{3 * ON_DEMAND_DOLLARS},1,1
"""
"""One and two H200s that there are, and three of a partition that there is not."""


@pytest.fixture
def service(cluster: TestCluster, demonstration: Path, tmp_path: Path) -> Iterator[WholeService]:
    """A service that may rent machines of the test cluster; the node sees its home, as on a shared file system."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    shutil.copytree(demonstration, home / "demo")
    (tmp_path / "prices.csv").write_text(PRICES)
    running = WholeService(
        home,
        {
            "LATTICEFORGE_SKYPILOT_URL": cluster.url,
            "LATTICEFORGE_SKYPILOT_PROVIDERS": "slurm",
            "LATTICEFORGE_SKYPILOT_NODE_DEVICE": "cpu",
            "LATTICEFORGE_PRICE_FILE": str(tmp_path / "prices.csv"),
        },
    )
    try:
        running.await_alive("database", "worker", "beat", "guard", "trainer", "demonstration", "skypilot")
        yield running
    finally:
        running.stop()
        keep(running)
        left = cluster.clear()
    assert left == []


def keep(service: WholeService) -> None:
    """Leave the service's logs where LATTICEFORGE_TEST_LOGS says, to be read after a failure."""
    if target := os.environ.get("LATTICEFORGE_TEST_LOGS"):
        shutil.copytree(service.home / "logs", Path(target) / service.home.parent.name, dirs_exist_ok=True)


def test_strategy_a_trains_on_two_rented_accelerators_and_gives_them_back(
    service: WholeService, cluster: TestCluster
) -> None:
    asked = time.monotonic()
    run_id = service.submit(**wish("dora_neftune"), **ON_TWO)
    await_step(service, run_id, 1)
    print(f"\nfirst step seen {time.monotonic() - asked:.0f} s after POST /runs")
    assert len(cluster.queue()) == 1
    document = service.await_end(run_id, PATIENCE)
    assert document["outcome"] == "completed", document["reason"]
    until(lambda: not cluster.queue(), 5.0, "the scheduler shows nothing")
    steps = service.http.get(f"/runs/{run_id}/metrics", params={"event": "step", "limit": 5000}).json()["metrics"]
    assert [point["data"]["step"] for point in steps] == list(range(1, len(steps) + 1))
    begin = service.http.get(f"/runs/{run_id}/metrics", params={"event": "begin"}).json()["metrics"][0]["data"]
    assert begin["world_size"] == 2
    assert evaluations(document)["tuned"]["heldout_loss"] < evaluations(document)["base"]["heldout_loss"]
    assert_settled(service, run_id, "50")
    assert_loads(service, run_id, adapter=True, dora=True)


def test_a_preempted_run_is_funded_anew_and_goes_on_from_its_checkpoint(
    service: WholeService, cluster: TestCluster
) -> None:
    run_id = service.submit(**wish("lora", num_epochs=5), **ON_ONE)
    until(lambda: checkpoints(service, run_id), PATIENCE, "a checkpoint is there")
    (machine,) = cluster.queue()
    cluster.preempt(machine)
    document = service.await_end(run_id, PATIENCE)
    assert document["outcome"] == "completed", document["reason"]
    begins = service.http.get(f"/runs/{run_id}/metrics", params={"event": "begin"}).json()["metrics"]
    assert [begin["data"]["step"] > 0 for begin in begins] == [False, True]
    kinds = [posting["kind"] for posting in ledger_of(service, run_id)["postings"]]
    assert kinds.count("reserve") == kinds.count("settle") == 2
    assert_settled(service, run_id, "50")


def test_skypilots_server_is_killed_and_the_training_does_not_notice(
    service: WholeService, cluster: TestCluster
) -> None:
    run_id = service.submit(**wish("lora", num_epochs=4), **ON_ONE)
    await_step(service, run_id, 3)
    cluster.kill_server()
    time.sleep(5)
    cluster.start_server()
    document = service.await_end(run_id, PATIENCE)
    assert document["outcome"] == "completed", document["reason"]
    assert [stage["attempt"] for stage in document["stages"]] == [1, 1]
    steps = service.http.get(f"/runs/{run_id}/metrics", params={"event": "step", "limit": 5000}).json()["metrics"]
    assert [point["data"]["step"] for point in steps] == list(range(1, len(steps) + 1))
    assert_settled(service, run_id, "50")


def test_what_can_never_be_placed_ends_with_a_reason_and_costs_nothing(
    service: WholeService, cluster: TestCluster
) -> None:
    run_id = service.submit(**wish("lora"), **ON_THREE)
    document = service.await_end(run_id, PATIENCE)
    assert document["outcome"] == "failed"
    assert "nowhere" in document["reason"]
    balance = {name: Decimal(amount) for name, amount in ledger_of(service, run_id)["balance"].items()}
    assert (balance["reserved"], balance["spent"]) == (0, 0)
    assert cluster.queue() == []


def checkpoints(service: WholeService, run_id: str) -> int:
    """How many checkpoints the run has told of."""
    document = service.run(run_id)
    assert document["status"] != "ended", document["reason"]
    answer = service.http.get(f"/runs/{run_id}/metrics", params={"event": "checkpoint"})
    return len(answer.json()["metrics"])
