"""Stages: the steps of a run, and what became of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from orchestrator.domain.ids import StageId
from orchestrator.domain.json_value import JsonValue


class StageKind(StrEnum):
    TRAIN = "train"
    EVALUATE = "evaluate"


class StageStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


class ExitCause(StrEnum):
    """Why a job ended, as its completion marker says; `VANISHED` when it left none."""

    COMPLETED = "completed"
    SOFT_DEADLINE = "soft_deadline"
    STOP_REQUESTED = "stop_requested"
    HARD_DEADLINE = "hard_deadline"
    SIGNAL = "signal"
    FAILED = "failed"
    VANISHED = "vanished"


@dataclass(frozen=True, slots=True)
class StageExit:
    """How one attempt at a stage ended. Paths are the node's."""

    cause: ExitCause
    ended_at: datetime
    last_step: int = 0
    max_steps: int = 0
    intended_steps: int = 0
    checkpoint: str | None = None
    result: str | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a run.

    `planned_seconds` is its share of the window that later stages must leave free. `max_steps` is what the budget
    allows, `intended_steps` what the strategy would use. `attempt` counts every start, `failures` those since the last
    checkpoint that ended badly through no fault of their machine. `metrics_offset` counts the bytes of metrics read.
    """

    id: StageId
    kind: StageKind
    planned_seconds: int
    status: StageStatus = StageStatus.PENDING
    attempt: int = 0
    failures: int = 0
    step: int = 0
    max_steps: int = 0
    intended_steps: int = 0
    soft_deadline: datetime | None = None
    hard_deadline: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    metrics_offset: int = 0
    exit: StageExit | None = None
    checkpoint: str | None = None
    results: tuple[dict[str, JsonValue], ...] = field(default=())

    @property
    def is_finished(self) -> bool:
        return self.status in {StageStatus.DONE, StageStatus.SKIPPED, StageStatus.FAILED}


def was_cut(stage: Stage) -> bool:
    """Whether a finished training stage got fewer steps than its strategy could use."""
    if stage.exit is None:
        return False
    return stage.exit.cause is not ExitCause.COMPLETED or stage.exit.max_steps < stage.exit.intended_steps
