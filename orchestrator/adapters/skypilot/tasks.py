"""What SkyPilot is asked for, as its task files. Nothing that a user wrote is ever part of a command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.offers import Offer

SLURM = "slurm"
WITHOUT_AUTODOWN = frozenset({"hyperbolic", "primeintellect", "verda", "yotta"})
"""Providers on which SkyPilot 0.14 cannot arm a machine's end: there the node and the guard alone end it."""

_RELAY = 'exec "$LATTICEFORGE_PYTHON" -m workers.node.relay "$LATTICEFORGE_JOB"'
_MOVE_END = 'scontrol update "JobId=$SLURM_JOB_ID" "EndTime=$(date -d "@$LATTICEFORGE_END" +%FT%T)"'


@dataclass(frozen=True, slots=True)
class NodeSetup:
    """How a rented machine runs jobs: the Python of its trainer's environment, by its path there, the commands that
    make it where the image has none, and what is secret (never shown by SkyPilot, never in a command)."""

    python: Path
    setup: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict)


def launch_task(offer: Offer, minutes: int, node: NodeSetup) -> str:
    """A machine of `offer` that goes down by itself after `minutes`, whatever runs on it then.

    Two ends at once on Slurm: SkyPilot's own on the node, and the scheduler's, which needs nobody alive.
    """
    resources: dict[str, JsonValue] = {
        "infra": f"{offer.provider}/{offer.region}",
        "accelerators": {accelerator_of(offer): offer.accelerator_count},
    }
    task: dict[str, JsonValue] = {"name": "machine", "resources": resources}
    if offer.provider == SLURM:
        task["config"] = {"slurm": {"sbatch_options": {"time": minutes}}}
    else:
        resources |= {"instance_type": offer.instance_type, "use_spot": offer.spot}
    if offer.provider not in WITHOUT_AUTODOWN:
        resources["autostop"] = {"idle_minutes": minutes, "down": True, "wait_for": "none"}
    if node.setup:
        task["setup"] = node.setup
    return yaml.safe_dump(task, sort_keys=False)


def job_task(name: str, accelerators: Mapping[str, JsonValue], brought: Path, node: NodeSetup) -> str:
    """One job, as the relay runs it: it came as a file among what is brought over."""
    task: dict[str, JsonValue] = {
        "name": name,
        "workdir": str(brought),
        "resources": {"accelerators": dict(accelerators)},
        "envs": {"LATTICEFORGE_PYTHON": str(node.python), "LATTICEFORGE_JOB": name},
        "run": _RELAY,
    }
    if node.secrets:
        task["secrets"] = dict(node.secrets)
    return yaml.safe_dump(task, sort_keys=False)


def orders_task(brought: Path) -> str:
    """Brings orders over; the relay of the job finds them by itself."""
    return yaml.safe_dump({"name": "orders", "workdir": str(brought), "run": "true"}, sort_keys=False)


def move_end_task(at: float) -> str:
    """Moves the scheduler's end to the Unix second `at`. Later ends need an operator's rights on some clusters."""
    task = {"name": "move-end", "envs": {"LATTICEFORGE_END": str(int(at))}, "run": _MOVE_END}
    return yaml.safe_dump(task, sort_keys=False)


def accelerator_of(offer: Offer) -> str:
    """The accelerator in the provider's own words."""
    return offer.listed_as or offer.accelerator
