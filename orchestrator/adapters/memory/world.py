"""The laws of the simulated world: how long things take, and what goes wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from orchestrator.domain.ids import LeaseId


@dataclass(frozen=True, slots=True)
class World:
    """Durations in seconds. `intended_steps` is what a training without `max_steps` in its configuration would do.

    `teardown_seconds` is how long a machine is still billed after its end was asked for; it is shown as READY and
    listed for so long. `peak_memory_bytes` is what a training reserves of its device, 0 for a world without devices.
    """

    provision_seconds: float = 30.0
    startup_seconds: float = 10.0
    seconds_per_step: float = 1.0
    checkpoint_seconds: float = 2.0
    merge_seconds: float = 5.0
    evaluate_seconds: float = 10.0
    teardown_seconds: float = 0.0
    intended_steps: int = 120
    steps_per_checkpoint: int = 25
    dataset_rows: int = 1000
    peak_memory_bytes: int = 0


class LaunchFault(StrEnum):
    """How a launch can go wrong."""

    REFUSED = "refused"
    """`ComputeError`, and nothing was launched."""
    UNKNOWN = "unknown"
    """`ComputeError`, but the machine is on its way: the answer was lost, not the deed."""
    STILLBORN = "stillborn"
    """Accepted, but the machine never becomes ready: it is GONE when it should be READY."""


@dataclass(slots=True)
class Faults:
    """What goes wrong from now on; change it at any time. Lists are used up from the front, one entry an occasion."""

    launches: list[LaunchFault | None] = field(default_factory=list)
    """One per new launch; None for one that goes well."""
    unreachable_until: datetime | None = None
    """Until then every call raises `ComputeError` and does nothing."""
    lost_answers: int = 0
    """So many of the next changing calls do what they should, and raise `ComputeError` all the same."""
    lost_at: dict[LeaseId, datetime] = field(default_factory=dict)
    """When the provider takes a machine away."""
    crash_steps: list[int] = field(default_factory=list)
    """The next training that reaches the first of these steps fails there."""
    deaf_to_soft: bool = False
    """The trainer hears neither soft deadlines nor stop requests, and does not size itself."""
    deaf_to_hard: bool = False
    """The supervisor does not end the trainer at the hard deadline."""
    deaf_to_gone_by: bool = False
    """The provider does not end the machine when it should."""


def loss_after(steps: int) -> float:
    """The loss of a model after so many steps: the simulated training always learns the same."""
    return round(1.0 + 1.5 * 0.98**steps, 6)
