"""Stages: the steps of a run, and what became of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from orchestrator.domain.ids import StageId
from orchestrator.domain.json_value import JsonValue


class StageKind(StrEnum):
    TRAIN = "train"
    MERGE = "merge"
    EVALUATE = "evaluate"

    @property
    def makes_model(self) -> bool:
        """Whether later stages build on what it leaves."""
        return self is not StageKind.EVALUATE


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
    """How one attempt at a stage ended. Paths are the node's; `result` is what it made, an adapter or a model."""

    cause: ExitCause
    ended_at: datetime
    last_step: int = 0
    max_steps: int = 0
    intended_steps: int = 0
    checkpoint: str | None = None
    result: str | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class PeakMemory:
    """Bytes at their highest in one attempt, on the fullest device or process; None for what was not measured. A
    process on a CPU has only `process_resident`, which says nothing about a device."""

    device_reserved: int | None = None
    device_allocated: int | None = None
    process_resident: int | None = None


@dataclass(frozen=True, slots=True)
class Devices:
    """So many devices of one accelerator: what a measured speed holds for."""

    accelerator: str
    count: int


@dataclass(frozen=True, slots=True)
class StageSpec:
    """What one stage of a run is to do; it never changes.

    For trainings: `recipe` is complete and in the trainer's keys, `share` weighs this training's part of the training
    time, `continues` says that it goes on with the adapter before it instead of a merged model, `cycle` of `cycles`
    counts ReLoRA's. `on_pairs` trainings read the preference pairs themselves. `pinned` are the keys of the recipe that
    the user chose, of those that a plan would choose otherwise.
    """

    kind: StageKind
    title: str
    techniques: tuple[str, ...] = ()
    recipe: Mapping[str, JsonValue] = field(default_factory=dict)
    share: int = 1
    continues: bool = False
    cycle: int = 1
    cycles: int = 1
    pinned: tuple[str, ...] = ()

    @property
    def on_pairs(self) -> bool:
        return "orpo" in self.techniques


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a run, and what became of it: the stage of the same place in the run's wish.

    `planned_seconds` is its share of the window that later stages must leave free. `max_steps` is what the budget
    allows, `intended_steps` what the strategy would use. `attempt` counts every start, `failures` those since the last
    checkpoint that ended badly through no fault of their machine. `metrics_offset` counts the bytes of metrics read.
    `checkpoint` is the newest thing that it made and that can be gone on from; `seconds_per_step` and `peak_memory`
    were measured, the former on `measured_on` (None: a version that did not write it down).
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
    seconds_per_step: float | None = None
    results: tuple[dict[str, JsonValue], ...] = field(default=())
    peak_memory: PeakMemory | None = None
    measured_on: Devices | None = None

    @property
    def is_finished(self) -> bool:
        return self.status in {StageStatus.DONE, StageStatus.SKIPPED, StageStatus.FAILED}


def was_cut(stage: Stage) -> bool:
    """Whether a training that is over got fewer steps than its strategy could use: also when it never came to its own
    end, because its machine was lost or there was no time for it."""
    if stage.exit is None or stage.status is StageStatus.SKIPPED:
        return True
    return stage.exit.cause is not ExitCause.COMPLETED or stage.exit.max_steps < stage.exit.intended_steps
