"""A plan: what will be done with the money, stage by stage, and what that rests on."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.domain.budget import Limit, Window
from orchestrator.domain.cost.calibration import Predicted
from orchestrator.domain.cost.layout import Layout
from orchestrator.domain.cost.model import Fit
from orchestrator.domain.cost.prediction import Term
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
class Item:
    """One stretch of a lease's time in seconds, p50 and p90, and how it was reckoned."""

    name: str
    p50: float
    p90: float
    formula: str


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage's part of a plan.

    `seconds` is its share of the window (0 = left out, or done before this plan), `expected` what it will take at p50
    and `slow` at p90, its own start-up included. For trainings, `intended_steps` is what the strategy can use and
    `planned_steps` what is expected to fit, those done before included; `sure_steps` fit at p95 of the step's time.
    `tokens` are those of the steps still to be made, padding not counted. `layout` says how the training is cut for
    the machine, `fit` what it needs of a device's memory (bytes); `step_terms` (seconds) add up to the step's time, and
    `memory_terms` (bytes) to the peak. `predicted` is what the cost model foretold before anything of the stage was
    measured, None where it foretold nothing; measuring does not change it.
    """

    kind: StageKind
    title: str
    seconds: int
    expected: int
    intended_steps: int = 0
    planned_steps: int = 0
    seconds_per_step: float = 0.0
    slow: int = 0
    sure_steps: int = 0
    tokens: int = 0
    layout: Layout | None = None
    fit: Fit | None = None
    speed_source: str = ""
    step_terms: tuple[Term, ...] = ()
    memory_terms: tuple[Term, ...] = ()
    predicted: Predicted | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done with the money. `limit` says what cuts the training, if anything is expected to; `cost` is in
    micro-dollars. `stages` has a part for every stage of the run, in order; `items` are the stretches of the lease as
    it was funded, waits included. `intended_tokens` are those that the strategy can still use."""

    offer: Offer
    window: Window
    stages: tuple[StagePlan, ...]
    seconds: Estimate
    cost: Estimate
    limit: Limit | None
    assumptions: tuple[Assumption, ...]
    items: tuple[Item, ...] = ()
    intended_tokens: int = 0

    @property
    def intended_steps(self) -> int:
        """Optimizer steps that the strategy can use, over all trainings."""
        return sum(stage.intended_steps for stage in self.stages)

    @property
    def planned_steps(self) -> int:
        """Steps that are expected to fit, over all trainings."""
        return sum(stage.planned_steps for stage in self.stages)

    @property
    def planned_tokens(self) -> int:
        """Tokens that are expected to be trained on."""
        return sum(stage.tokens for stage in self.stages)
