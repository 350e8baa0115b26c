"""The relay, with the contract's double as its supervisor: what it tells is all that the control plane learns."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator.adapters.skypilot.mirror import Mirror, Taken
from orchestrator.adapters.skypilot.places import JobNotes

CHECKOUT = Path(__file__).parents[3]
NAME = "01-train-1"


class Brought:
    """A folder as SkyPilot brings it to a machine, with one job in it."""

    def __init__(self, root: Path) -> None:
        self.root, self.job_dir = root / "brought", root / "job"
        shutil.copytree(CHECKOUT / "workers" / "node", self.root / "workers" / "node")
        (self.root / "workers" / "__init__.py").touch()
        double = CHECKOUT / "tests/contract/node_double/workers/node/supervisor.py"
        shutil.copyfile(double, self.root / "workers" / "node" / "supervisor.py")

    def order(self, max_steps: int) -> None:
        orders = self.root / "orders" / NAME
        orders.mkdir(parents=True)
        job = {"lease_id": "lf-aaaaaaaaaaaa-1", "stage_id": "01-train", "attempt": 1, "soft_deadline": 9e9}
        folders = {"job_dir": self.job_dir, "output_dir": self.job_dir / "output", "data_dir": self.job_dir / "data"}
        (orders / "job.json").write_text(json.dumps({**job, **{name: str(path) for name, path in folders.items()}}))
        (orders / "config.yaml").write_text(f"max_steps: {max_steps}\n")

    def start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "workers.node.relay", NAME]
        return subprocess.Popen(command, cwd=self.root, stdout=subprocess.PIPE, text=True)

    def verdict(self, notes: JobNotes) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(notes.exit.read_text())
        return found


@pytest.fixture
def brought(tmp_path: Path) -> Brought:
    return Brought(tmp_path)


@pytest.fixture
def notes(tmp_path: Path) -> JobNotes:
    (tmp_path / "notes").mkdir()
    return JobNotes(tmp_path / "notes")


def test_all_that_a_job_writes_is_told_and_its_verdict_last(brought: Brought, notes: JobNotes) -> None:
    brought.order(max_steps=20)
    told, _ = brought.start().communicate(timeout=30)
    mirror = Mirror(notes)
    assert [mirror.take(line) for line in told.splitlines()][-1] is Taken.EXIT
    assert notes.metrics.read_bytes() == (brought.job_dir / "metrics.jsonl").read_bytes()
    assert brought.verdict(notes)["last_step"] == 20


def test_orders_that_come_later_reach_the_job(brought: Brought, notes: JobNotes) -> None:
    brought.order(max_steps=100_000)
    relay = brought.start()
    (brought.root / "control").mkdir()
    while not (brought.job_dir / "metrics.jsonl").exists():
        time.sleep(0.05)
    (brought.root / "control" / f"{NAME}.json").write_text(json.dumps({"stop": True}))
    told, _ = relay.communicate(timeout=30)
    mirror = Mirror(notes)
    for line in told.splitlines():
        mirror.take(line)
    assert brought.verdict(notes)["cause"] == "stop_requested"


def test_a_second_relay_of_a_job_starts_nothing_and_tells_the_same(brought: Brought, notes: JobNotes) -> None:
    brought.order(max_steps=60)
    first = brought.start()
    second = brought.start()
    told, also = first.communicate(timeout=30)[0], second.communicate(timeout=30)[0]
    steps = [line for line in told.splitlines() if '\\"step\\"' in line]
    assert steps == [line for line in also.splitlines() if '\\"step\\"' in line]
    assert sum('"begin' in line for line in told.replace("\\", "").splitlines()) == 1


def test_a_name_without_a_job_is_refused(brought: Brought) -> None:
    relay = brought.start()
    relay.communicate(timeout=30)
    assert relay.returncode == 2
