"""How far a run is, over all its stages. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.domain.lifecycle import Outcome, RunStatus
from orchestrator.domain.run import Run
from orchestrator.domain.stages import Stage, StageKind, StageStatus


@dataclass(frozen=True, slots=True)
class Extent:
    """Steps done `of` those that the budget allows, over all trainings, and the `number` of the stage that the run is
    at among `count`. `share` is the training's progress from 0 to 1 by the time that its steps take, None while it is
    not known."""

    step: int
    of: int
    share: float | None
    number: int
    count: int

    @property
    def steps(self) -> str:
        return f"{self.step} of {self.of} steps" if self.of else ""

    @property
    def stages(self) -> str:
        """The place among the stages, empty where it says nothing: a run of one training and an evaluation."""
        return f"stage {self.number} of {self.count}" if self.number and self.count > 2 else ""


def extent(run: Run) -> Extent:
    trainings = [
        stage for stage in run.stages if stage.kind is StageKind.TRAIN and stage.status is not StageStatus.SKIPPED
    ]
    most = {stage.id: steps_of(run, stage) for stage in trainings}
    paces = [pace(run, stage) or 0.0 for stage in trainings]
    # Without a speed for each of them, steps are all that can be counted.
    weights = paces if all(paces) else [1.0] * len(paces)
    whole = sum(most[stage.id] * weight for stage, weight in zip(trainings, weights, strict=True))
    done = sum(stage.step * weight for stage, weight in zip(trainings, weights, strict=True))
    return Extent(
        step=sum(stage.step for stage in trainings),
        of=sum(most.values()),
        share=min(done / whole, 1.0) if whole else (None if run.status is not RunStatus.ENDED else 0.0),
        number=_number(run),
        count=len(run.stages),
    )


def steps_of(run: Run, stage: Stage) -> int:
    """Steps that the budget allows `stage`: as the trainer sized them, or as planned until it has."""
    if stage.max_steps or run.plan is None:
        return stage.max_steps
    return run.plan.stages[run.index_of(stage)].planned_steps


def pace(run: Run, stage: Stage) -> float | None:
    """Seconds per step, measured or else expected; None for what takes no steps or is not planned."""
    planned = run.plan.stages[run.index_of(stage)].seconds_per_step if run.plan is not None else 0.0
    return stage.seconds_per_step or planned or None


def _number(run: Run) -> int:
    """Of the stage that runs or ran last, from 1; 0 before there was any, and when all are done."""
    if run.outcome is Outcome.COMPLETED:
        return 0
    at = run.current_stage if run.status is not RunStatus.ENDED else None
    if at is None:
        at = next((stage for stage in reversed(run.stages) if stage.attempt), None)
    return 0 if at is None else run.index_of(at) + 1
