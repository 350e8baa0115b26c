"""A run: what somebody asked for, and where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from orchestrator.domain.cost.architecture import Architecture
from orchestrator.domain.cost.tokens import TokenFacts
from orchestrator.domain.ids import LeaseId, RunId, stage_id
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.lifecycle import HOLDS_LEASE, Outcome, RunEvent, RunStatus, next_status
from orchestrator.domain.plan import Plan
from orchestrator.domain.publication import Publication
from orchestrator.domain.stages import Stage, StageKind, StageSpec, StageStatus, was_cut


@dataclass(frozen=True, slots=True)
class DatasetRef:
    """Where the rows are: a local file or a hub id, their format, and how many are kept out of training.

    `heldout_format` is that of the rows in `heldout_source`, None when it is the dataset's own. `tokens` are as the
    first training that reads the rows will see them, None where model or rows are not here to be counted.
    """

    source: str
    format: str
    rows: int | None
    heldout_rows: int
    heldout_source: str | None = None
    is_local: bool = True
    heldout_format: str | None = None
    tokens: TokenFacts | None = None

    @property
    def train_rows(self) -> int | None:
        """Rows that are trained on, None while they are not counted."""
        if self.rows is None or self.heldout_source is not None:
            return self.rows
        return self.rows - self.heldout_rows


@dataclass(frozen=True, slots=True)
class Harness:
    """Tasks of lm-evaluation-harness, run on the model before and after. `include_path` is a folder with tasks of the
    user's own; `limit` bounds the rows of each task."""

    tasks: tuple[str, ...]
    include_path: str | None = None
    limit: int | None = None


class Prefer(StrEnum):
    """What decides between plans that train the same."""

    TIME = "time"
    DOLLARS = "dollars"


@dataclass(frozen=True, slots=True)
class MachineWishes:
    """What the search for a machine keeps to: these `accelerators` (empty: any), `spot` only, none (False) or both."""

    accelerators: tuple[str, ...] = ()
    spot: bool | None = None
    prefer: Prefer = Prefer.TIME


ANY_MACHINE = MachineWishes()


@dataclass(frozen=True, slots=True)
class RunSpec:
    """The wish, validated and complete. It never changes.

    `stages` are what the strategy expands to, each training with its complete recipe; `preferences` are pairs for the
    trainings that need them, None when `dataset` holds them or none does; `harness` names further tasks to evaluate on;
    `notes` are what was said to the user about the wish, such as a translated spelling. `architecture` is None where
    the model's family is not known; `machine` narrows and steers the search for one.
    """

    strategy: str
    model: str
    model_parameters: int | None
    model_is_local: bool
    dataset: DatasetRef
    stages: tuple[StageSpec, ...]
    seed: int
    name: str = ""
    gpus: int | None = None
    max_seconds: int | None = None
    parameters: Mapping[str, JsonValue] = field(default_factory=dict)
    preferences: DatasetRef | None = None
    harness: Harness | None = None
    notes: tuple[str, ...] = ()
    architecture: Architecture | None = None
    machine: MachineWishes = ANY_MACHINE

    @property
    def trainings(self) -> tuple[StageSpec, ...]:
        return tuple(stage for stage in self.stages if stage.kind is StageKind.TRAIN)

    @property
    def techniques(self) -> tuple[str, ...]:
        """Those of all trainings, each once."""
        return tuple(dict.fromkeys(key for stage in self.trainings for key in stage.techniques))

    def rows_of(self, stage: StageSpec) -> DatasetRef:
        """The dataset that `stage` reads."""
        return self.preferences if stage.on_pairs and self.preferences is not None else self.dataset


@dataclass(frozen=True, slots=True)
class Run:
    """The aggregate. `version` counts saves and guards them; `leases` counts the leases opened so far,
    `machine_seconds` the length of those that are closed; `publication` is the newest push of its result."""

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
    cancel_requested_at: datetime | None = None
    stopping_since: datetime | None = None
    outcome: Outcome | None = None
    reason: str = ""
    ended_at: datetime | None = None
    wake_at: datetime | None = None
    publication: Publication | None = None

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
    def all_stages(self) -> tuple[Stage, ...]:
        """The run's stages; before it was funded, those that it will have."""
        return self.stages or tuple(
            Stage(stage_id(ordinal, each.kind), each.kind, 0) for ordinal, each in enumerate(self.spec.stages, start=1)
        )

    @property
    def current_stage(self) -> Stage | None:
        """The first stage that is not finished."""
        return next((stage for stage in self.stages if not stage.is_finished), None)

    def spec_of(self, stage: Stage) -> StageSpec:
        """What `stage` is to do."""
        return self.spec.stages[self.index_of(stage)]

    def index_of(self, stage: Stage) -> int:
        """The place of `stage` among the run's, from 0."""
        return next(index for index, each in enumerate(self.all_stages) if each.id == stage.id)

    def with_stage(self, stage: Stage) -> Run:
        """The run with `stage` in the place of the one of its id."""
        return replace(self, stages=tuple(stage if old.id == stage.id else old for old in self.stages))

    @property
    def checkpoint(self) -> str | None:
        """The newest complete checkpoint or adapter of any stage: what the money bought so far."""
        return next((stage.checkpoint for stage in reversed(self.stages) if stage.checkpoint), None)

    def base_of(self, stage: Stage) -> str:
        """The model that `stage` starts from: the newest whole model that an earlier stage made, or the run's own."""
        before = self.stages[: self.index_of(stage)]
        made = (each.checkpoint for each in reversed(before) if each.checkpoint and self.makes_whole_model(each))
        return next(made, self.spec.model)

    def adapter_before(self, stage: Stage) -> str | None:
        """What the training before `stage` left, None when it left nothing."""
        before = self.stages[: self.index_of(stage)]
        return next((each.checkpoint for each in reversed(before) if each.kind is StageKind.TRAIN), None)

    def lacks_input(self, stage: Stage) -> bool:
        """Whether the stage that `stage` builds on was left out or left nothing; for an evaluation, whether all did."""
        before = [each for each in self.stages[: self.index_of(stage)] if each.kind.makes_model]
        if stage.kind is StageKind.EVALUATE:
            return not any(each.checkpoint for each in before)
        return bool(before) and not before[-1].checkpoint

    def makes_whole_model(self, stage: Stage) -> bool:
        """Whether what `stage` leaves is a whole model rather than an adapter."""
        trains_all = stage.kind is StageKind.TRAIN and not self.spec_of(stage).recipe.get("adapter")
        return stage.kind is StageKind.MERGE or trains_all

    @property
    def was_cut(self) -> bool:
        """Whether a training got less than it could use, or something that was to be made was left out."""
        return any(
            stage.status is StageStatus.SKIPPED or (stage.kind is StageKind.TRAIN and was_cut(stage))
            for stage in self.stages
            if stage.kind.makes_model
        )

    @property
    def can_use_more(self) -> bool:
        """Whether a training of an ended run would go on if there were more money."""
        return any(stage.status is StageStatus.PENDING for stage in self.reopened().stages if stage.kind.makes_model)

    @property
    def failed_stage(self) -> Stage | None:
        return next((stage for stage in self.stages if stage.status is StageStatus.FAILED), None)

    def reopened(self) -> Run:
        """An ended run made ready to go on with more money: what was cut short or left out is pending again, and what
        was made from it is made anew. A training whose result another one has gone on from is not."""
        last = max((index for index, stage in enumerate(self.stages)
                    if stage.kind is StageKind.TRAIN and stage.attempt), default=0)  # fmt: skip
        stages: list[Stage] = []
        anew = False
        for index, stage in enumerate(self.stages):
            cut = index >= last and (stage.status is not StageStatus.DONE or was_cut(stage))
            again = cut or stage.kind is StageKind.EVALUATE or (anew and stage.kind is StageKind.MERGE)
            anew = anew or (cut and stage.kind is StageKind.TRAIN)
            stages.append(_pending(stage) if again else stage)
        return replace(
            self,
            stages=tuple(stages),
            outcome=None,
            reason="",
            ended_at=None,
            cancel_requested_at=None,
            stopping_since=None,
            losses_without_progress=0,
        )


def _pending(stage: Stage) -> Stage:
    again = replace(stage, status=StageStatus.PENDING, ended_at=None, failures=0)
    # Only a training goes on from what it has; a merge and an evaluation of what was before say nothing of what comes.
    return again if stage.kind is StageKind.TRAIN else replace(again, checkpoint=None, exit=None, results=())
