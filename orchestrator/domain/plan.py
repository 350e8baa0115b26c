"""A plan: what will be done with the money, stage by stage, and what that rests on."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.domain.budget import Limit, Window
from orchestrator.domain.cost.calibration import Predicted
from orchestrator.domain.offers import Offer
from orchestrator.domain.stages import StageKind


@dataclass(frozen=True, slots=True)
class Assumption:
    """One number that a quote rests on, and where it comes from."""

    name: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """A quantity with its interval; `worst` is what is reserved."""

    p50: int
    p90: int
    worst: int


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage's part of a plan.

    `seconds` is its share of the window (0 = left out, or done before this plan), `expected` what it will take at p50,
    its own start-up included. For trainings, `intended_steps` is what the strategy can use and `planned_steps` what is
    expected to fit, those done before included. `predicted` is what the cost model foretold before anything of the
    stage was measured, None where it foretold nothing; measuring does not change it.
    """

    kind: StageKind
    title: str
    seconds: int
    expected: int
    intended_steps: int = 0
    planned_steps: int = 0
    seconds_per_step: float = 0.0
    predicted: Predicted | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done with the money. `limit` says what cuts the training, if anything is expected to; `cost` is in
    micro-dollars. `stages` has a part for every stage of the run, in order."""

    offer: Offer
    window: Window
    stages: tuple[StagePlan, ...]
    seconds: Estimate
    cost: Estimate
    limit: Limit | None
    assumptions: tuple[Assumption, ...]

    @property
    def intended_steps(self) -> int:
        """Optimizer steps that the strategy can use, over all trainings."""
        return sum(stage.intended_steps for stage in self.stages)

    @property
    def planned_steps(self) -> int:
        """Steps that are expected to fit, over all trainings."""
        return sum(stage.planned_steps for stage in self.stages)
