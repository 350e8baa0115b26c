"""What SkyPilot is asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import yaml

from orchestrator.adapters.skypilot.tasks import NodeSetup, job_task, launch_task
from orchestrator.domain.money import Rate
from orchestrator.domain.offers import Offer

NODE = NodeSetup(Path("/opt/trainer/bin/python"), "", {"HF_TOKEN": "secret"})
SLURM = Offer("slurm", "lab/spot", "node", "H200", 2, False, Rate(1), 1, 1, date(2026, 1, 1), "a test")
RUNPOD = replace(SLURM, provider="runpod", region="US", instance_type="2x_H200", spot=True, listed_as="H200-SXM")
HYPERBOLIC = replace(RUNPOD, provider="hyperbolic")


def test_a_machine_on_slurm_has_two_ends_of_its_own_before_it_begins() -> None:
    task = yaml.safe_load(launch_task(SLURM, 45, NODE))
    assert task["resources"]["infra"] == "slurm/lab/spot"
    assert task["resources"]["accelerators"] == {"H200": 2}
    assert task["resources"]["autostop"] == {"idle_minutes": 45, "down": True, "wait_for": "none"}
    assert task["config"]["slurm"]["sbatch_options"]["time"] == 45


def test_a_cloud_is_asked_in_its_own_words() -> None:
    resources = yaml.safe_load(launch_task(RUNPOD, 45, NODE))["resources"]
    assert resources["accelerators"] == {"H200-SXM": 2}
    assert (resources["instance_type"], resources["use_spot"]) == ("2x_H200", True)


def test_a_provider_without_autodown_is_not_asked_for_it() -> None:
    assert "autostop" not in yaml.safe_load(launch_task(HYPERBOLIC, 45, NODE))["resources"]


def test_secrets_go_as_secrets_and_no_command_holds_a_value() -> None:
    task = yaml.safe_load(job_task("01-train-1", {"H200": 2}, Path("/home/lf/brought"), NODE))
    assert task["secrets"] == {"HF_TOKEN": "secret"}
    assert "secret" not in task["run"] + str(task["envs"])
    assert "01-train-1" not in task["run"]
    assert "/opt" not in task["run"]
