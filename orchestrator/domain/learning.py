"""What a finished training teaches: the measured values beside what its plan foretold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from orchestrator.domain.cost.calibration import Observation, Predicted, Quantity, Span
from orchestrator.domain.cost.pilot import Mark, Pace, measure, paused_after
from orchestrator.domain.journal import Entry, EntryKind
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.run import Run
from orchestrator.domain.stages import Stage, StageStatus, was_cut


@dataclass(frozen=True, slots=True)
class StageFacts:
    """What was measured of the newest attempt at a training. `pace` is over all its steps, None with too few of them;
    `began_at` is when its job was asked for, `stepping_at` when the trainer said that it begins."""

    pace: Pace | None
    began_at: datetime | None
    stepping_at: datetime | None


def stage_facts(stage: Stage, entries: Iterable[Entry]) -> StageFacts:
    """What the journal's `entries` of a run, in order, say of the newest attempt at `stage`."""
    marks: tuple[Mark, ...] = ()
    began_at = stepping_at = None
    for entry in entries:
        if _starts(entry, stage):
            began_at = entry.at
        elif entry.kind is EntryKind.METRIC and entry.key.startswith(f"metric:{stage.id}:{stage.attempt}:"):
            marks = marked(marks, entry.data)
            stepping_at = entry.at if entry.data.get("event") == "begin" else stepping_at
    return StageFacts(measure(marks, window=None), began_at, stepping_at)


def observations_of(run: Run, stage_index: int, facts: StageFacts) -> tuple[Observation, ...]:
    """One observation for each quantity that was both foretold and measured. None for a stage that was planned without
    a prediction, and none for one that did not end well: memory that ran out was not all that was needed."""
    stage = run.stages[stage_index]
    predicted = run.plan.stages[stage_index].predicted if run.plan is not None else None
    if run.plan is None or predicted is None or stage.status is not StageStatus.DONE:
        return ()
    at = stage.ended_at or facts.stepping_at or run.created_at
    cell, offer = predicted.cell, run.plan.offer
    return tuple(
        Observation(
            run_id=run.id,
            stage_index=stage_index,
            attempt=stage.attempt,
            at=at,
            framework=cell.framework,
            gpu=cell.gpu,
            gpu_count=offer.accelerator_count,
            method=cell.method,
            precision=cell.precision,
            model=run.spec.model,
            quantity=quantity,
            predicted=span.middle,
            predicted_low=span.low,
            predicted_high=span.high,
            actual=actual,
            correction=_correction(predicted, quantity),
        )
        for quantity, span, actual in _pairs(stage, predicted, facts)
        if span is not None and actual is not None and actual > 0
    )


def _pairs(
    stage: Stage, predicted: Predicted, facts: StageFacts
) -> tuple[tuple[Quantity, Span | None, float | None], ...]:
    """Every quantity, what was foretold of it and what came of it; None for what was not."""
    return (
        (
            Quantity.SECONDS_PER_STEP,
            Span(predicted.seconds_per_step, predicted.low, predicted.high),
            None if facts.pace is None else facts.pace.seconds,
        ),
        (Quantity.PEAK_MEMORY, _memory(predicted), stage.peak_memory.device_reserved if stage.peak_memory else None),
        (Quantity.STARTUP, predicted.startup, _seconds(facts.began_at, facts.stepping_at)),
        (Quantity.STAGE, predicted.stage, _whole(stage, facts)),
    )


def _correction(predicted: Predicted, quantity: Quantity) -> float:
    applied = {Quantity.SECONDS_PER_STEP: predicted.correction, Quantity.PEAK_MEMORY: predicted.memory_correction}
    return applied.get(quantity, 0.0)


def _memory(predicted: Predicted) -> Span | None:
    if predicted.peak_memory is None or predicted.memory_low is None or predicted.memory_high is None:
        return None
    return Span(predicted.peak_memory, predicted.memory_low, predicted.memory_high)


def _whole(stage: Stage, facts: StageFacts) -> float | None:
    """Seconds of the whole stage; None when it was cut, since the steps foretold were others."""
    return None if was_cut(stage) or stage.exit is None else _seconds(facts.began_at, stage.exit.ended_at)


def _seconds(since: datetime | None, until: datetime | None) -> float | None:
    return None if since is None or until is None else (until - since).total_seconds()


def _starts(entry: Entry, stage: Stage) -> bool:
    """Whether `entry` tells of the start of the stage's newest attempt."""
    return entry.kind is EntryKind.STAGE and entry.key == f"stage:{stage.id}:{stage.attempt}:{StageStatus.RUNNING}"


def marked(marks: tuple[Mark, ...], line: Mapping[str, JsonValue]) -> tuple[Mark, ...]:
    """The marks after one more metrics line of the node."""
    event, step, seconds = line.get("event"), line.get("step"), line.get("seconds")
    elapsed, tokens = line.get("elapsed_seconds"), line.get("tokens")
    if event == "begin" and isinstance(step, int):
        return (Mark(step, 0.0),)
    if event == "step" and isinstance(step, int) and isinstance(elapsed, int | float):
        return (*marks, Mark(step, float(elapsed), tokens if isinstance(tokens, int) else 0))
    if event == "checkpoint" and isinstance(seconds, int | float):
        return paused_after(marks, float(seconds))
    return marks
