"""A run: what somebody asked for, and where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from orchestrator.domain.ids import LeaseId, RunId
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.lifecycle import HOLDS_LEASE, Outcome, RunEvent, RunStatus, next_status
from orchestrator.domain.planner import Plan
from orchestrator.domain.stages import Stage, StageKind, StageStatus, was_cut


@dataclass(frozen=True, slots=True)
class DatasetRef:
    """Where the rows are: a local file or a hub id, their format, and how many are kept out of training.

    `heldout_format` is that of the rows in `heldout_source`, None when it is the dataset's own.
    """

    source: str
    format: str
    rows: int | None
    heldout_rows: int
    heldout_source: str | None = None
    is_local: bool = True
    heldout_format: str | None = None

    @property
    def train_rows(self) -> int | None:
        """Rows that are trained on, None while they are not counted."""
        if self.rows is None or self.heldout_source is not None:
            return self.rows
        return self.rows - self.heldout_rows


@dataclass(frozen=True, slots=True)
class RunSpec:
    """The wish, validated and complete. It never changes.

    `recipe` holds the trainer's own keys (strategy defaults with the user's overrides applied); `notes` what was said
    to the user about them, such as a translated spelling.
    """

    strategy: str
    model: str
    model_parameters: int | None
    model_is_local: bool
    dataset: DatasetRef
    recipe: Mapping[str, JsonValue]
    seed: int
    name: str = ""
    gpus: int | None = None
    max_seconds: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """The aggregate. `version` counts saves and guards them; `leases` counts the leases opened so far,
    `machine_seconds` the length of those that are closed."""

    id: RunId
    spec: RunSpec
    created_at: datetime
    status: RunStatus = RunStatus.QUEUED
    version: int = 0
    plan: Plan | None = None
    stages: tuple[Stage, ...] = ()
    leases: int = 0
    machine_seconds: int = 0
    lease_id: LeaseId | None = None
    losses_without_progress: int = 0
    seconds_per_step: float | None = None
    cancel_requested_at: datetime | None = None
    stopping_since: datetime | None = None
    outcome: Outcome | None = None
    reason: str = ""
    ended_at: datetime | None = None
    wake_at: datetime | None = None

    def after(self, event: RunEvent) -> Run:
        """The run moved along the table; `IllegalTransitionError` if the table has no such move."""
        return replace(self, status=next_status(self.status, event))

    @property
    def machine_seconds_left(self) -> int | None:
        """What `max_hours` leaves for the leases to come, None without such a limit."""
        limit = self.spec.max_seconds
        return None if limit is None else max(limit - self.machine_seconds, 0)

    @property
    def holds_lease(self) -> bool:
        return self.status in HOLDS_LEASE

    @property
    def current_stage(self) -> Stage | None:
        """The first stage that is not finished."""
        return next((stage for stage in self.stages if not stage.is_finished), None)

    def with_stage(self, stage: Stage) -> Run:
        """The run with `stage` in the place of the one of its id."""
        return replace(self, stages=tuple(stage if old.id == stage.id else old for old in self.stages))

    @property
    def checkpoint(self) -> str | None:
        """The newest complete checkpoint or adapter of any stage: what the money bought so far."""
        return next((stage.checkpoint for stage in reversed(self.stages) if stage.checkpoint), None)

    @property
    def failed_stage(self) -> Stage | None:
        return next((stage for stage in self.stages if stage.status is StageStatus.FAILED), None)

    def reopened(self) -> Run:
        """An ended run made ready to go on with more money: what was cut short or left out is pending again."""
        stages = tuple(
            replace(stage, status=StageStatus.PENDING, ended_at=None, failures=0)
            if stage.kind is StageKind.EVALUATE or stage.status is not StageStatus.DONE or was_cut(stage)
            else stage
            for stage in self.stages
        )
        return replace(
            self,
            stages=stages,
            outcome=None,
            reason="",
            ended_at=None,
            cancel_requested_at=None,
            stopping_since=None,
            losses_without_progress=0,
        )
