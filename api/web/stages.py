"""The stages of a run as its page tells them, and the recipes of its trainings. Pure; every value is still to be
escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from api.web.progress import pace, steps_of
from api.web.wording import duration, words
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.run import Run
from orchestrator.domain.stages import ExitCause, Stage, StageKind, StageSpec, StageStatus
from orchestrator.domain.techniques import TECHNIQUES

_TONES = {StageStatus.RUNNING: "live", StageStatus.DONE: "good", StageStatus.FAILED: "bad",
          StageStatus.PENDING: "wait", StageStatus.SKIPPED: "quiet"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Chip:
    """A technique's name; `key` leads to its place in the guide."""

    key: str
    title: str


@dataclass(frozen=True, slots=True)
class StageRow:
    """A stage in words. `took` is empty before it began, `time_share` (percent) 0 before the run is funded, `steps` 0
    for what takes none, `left` what it made, as a path among the run's artifacts."""

    stage: Stage
    number: int
    title: str
    chips: tuple[Chip, ...]
    tone: str
    is_current: bool
    steps: int
    pace: float | None
    time_share: float
    took: str
    left: str
    exit: str

    @property
    def is_merge(self) -> bool:
        return self.stage.kind is StageKind.MERGE

    @property
    def why_skipped(self) -> str:
        if self.stage.attempt:
            return "Left out: there was no time left to finish it."
        return "Left out: no time was set aside for it, or what it builds on was not made."


def stage_rows(run: Run, now: datetime) -> tuple[StageRow, ...]:
    """Every stage that the run has or will have, in order."""
    current = run.current_stage
    whole = sum(stage.planned_seconds for stage in run.all_stages)
    return tuple(
        StageRow(
            stage=stage,
            number=number,
            title=run.spec_of(stage).title,
            chips=chips(run.spec_of(stage).techniques),
            tone=_TONES[stage.status],
            is_current=current is not None and stage.id == current.id and run.outcome is None,
            steps=steps_of(run, stage) if stage.kind is StageKind.TRAIN else 0,
            pace=pace(run, stage) if stage.kind is StageKind.TRAIN else None,
            time_share=100 * stage.planned_seconds / whole if whole else 0.0,
            took=_took(stage, now),
            left=_place(run, stage.checkpoint),
            exit=_exit(stage),
        )
        for number, stage in enumerate(run.all_stages, start=1)
    )


def chips(techniques: Sequence[str]) -> tuple[Chip, ...]:
    return tuple(Chip(key, TECHNIQUES[key].title if key in TECHNIQUES else key) for key in techniques)


def _took(stage: Stage, now: datetime) -> str:
    if stage.started_at is None:
        return ""
    return duration(((stage.ended_at or now) - stage.started_at).total_seconds())


def _place(run: Run, path: str | None) -> str:
    """A node's path from the run's folder on: that is what the artifacts are called."""
    if path is None:
        return ""
    before, found, inside = path.rpartition(f"/{run.id}/")
    return inside if found else before or inside


def _exit(stage: Stage) -> str:
    """Why the stage's last job ended; empty while it has not, and where the status says it."""
    if stage.exit is None or stage.status is StageStatus.RUNNING or stage.exit.cause is ExitCause.COMPLETED:
        return ""
    return words(stage.exit.cause) + (f": {stage.exit.message}" if stage.exit.message else "")


@dataclass(frozen=True, slots=True)
class Recipe:
    """The settings of a training, or of several that have the same."""

    titles: tuple[str, ...]
    chips: tuple[Chip, ...]
    settings: tuple[tuple[str, JsonValue], ...]


def recipes(stages: Sequence[StageSpec]) -> tuple[Recipe, ...]:
    """The recipe of each training; those with the same one, such as ReLoRA's cycles, are told together."""
    found: list[tuple[StageSpec, list[str]]] = []
    for spec in stages:
        if spec.kind is not StageKind.TRAIN:
            continue
        if found and (found[-1][0].recipe, found[-1][0].techniques) == (spec.recipe, spec.techniques):
            found[-1][1].append(spec.title)
        else:
            found.append((spec, [spec.title]))
    return tuple(
        Recipe(tuple(titles), chips(spec.techniques), tuple(sorted(spec.recipe.items()))) for spec, titles in found
    )
