"""Taking in what a node reported: metrics lines become facts of the run, a job's exit becomes a stage's end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from orchestrator.domain.journal import Entry, EntryKind
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.observations import JobView
from orchestrator.domain.run import Run
from orchestrator.domain.stages import ExitCause, Stage, StageExit, StageKind, StageStatus

MAX_FAILURES = 3
"""Attempts at one stage that may fail without a new checkpoint between them."""

_BAD_ENDS = frozenset({ExitCause.SIGNAL, ExitCause.VANISHED, ExitCause.HARD_DEADLINE, ExitCause.FAILED})


def absorb(run: Run, stage: Stage, view: JobView) -> tuple[Run, tuple[Entry, ...]]:
    """The run after the lines in `view`, and a journal entry for each of them."""
    entries: list[Entry] = []
    for index, line in enumerate(view.lines):
        run, stage = _absorb_line(run, stage, line)
        key = f"metric:{stage.id}:{stage.attempt}:{stage.metrics_offset}:{index}"
        entries.append(Entry(run.id, EntryKind.METRIC, _moment(line), key, line, stage.id))
    stage = replace(stage, metrics_offset=max(view.next_offset, stage.metrics_offset))
    return run.with_stage(stage), tuple(entries)


def _absorb_line(run: Run, stage: Stage, line: Mapping[str, JsonValue]) -> tuple[Run, Stage]:
    event = line.get("event")
    if event == "begin":
        most = _count(line.get("max_steps"))
        stage = replace(stage, max_steps=most, intended_steps=max(stage.intended_steps, most))
    elif event == "step":
        stage = replace(stage, step=_count(line.get("step")), max_steps=_count(line.get("max_steps")))
    elif event == "sized":
        seconds = line.get("seconds_per_step")
        if isinstance(seconds, int | float) and seconds > 0:
            stage = replace(stage, seconds_per_step=float(seconds))
        stage = replace(stage, max_steps=_count(line.get("max_steps")))
    elif event == "checkpoint" and isinstance(line.get("path"), str):
        stage = replace(stage, checkpoint=str(line["path"]), failures=0)
        run = replace(run, losses_without_progress=0)
    elif event in {"evaluation", "harness"}:
        stage = replace(stage, results=(*stage.results, dict(line)))
    return run, stage


def _count(value: JsonValue) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def _moment(line: Mapping[str, JsonValue]) -> datetime:
    at = line.get("at")
    seconds = at if isinstance(at, int | float) and 0 <= at < 4e9 else 0
    return datetime.fromtimestamp(seconds, UTC)


def conclude(stage: Stage, exit_: StageExit, now: datetime) -> Stage:
    """The stage after its job exited: finished, failed, or pending again for the next attempt."""
    checkpoint = exit_.result or exit_.checkpoint or stage.checkpoint
    stage = replace(
        stage,
        exit=exit_,
        failures=stage.failures + (exit_.cause in _BAD_ENDS),
        checkpoint=checkpoint,
        step=max(exit_.last_step, stage.step),
        max_steps=exit_.max_steps or stage.max_steps,
        intended_steps=exit_.intended_steps or stage.intended_steps,
    )
    if _worth_another_attempt(stage, exit_, now):
        return replace(stage, status=StageStatus.PENDING)
    status = StageStatus.DONE if _is_good(stage, exit_) else StageStatus.FAILED
    if stage.kind is StageKind.MERGE and status is StageStatus.FAILED and _was_out_of_time(stage, exit_):
        # Nothing went wrong: there was no time for it. What builds on it is left out, its adapter is the result.
        status = StageStatus.SKIPPED
    return replace(stage, status=status, ended_at=exit_.ended_at)


def _is_good(stage: Stage, exit_: StageExit) -> bool:
    if exit_.cause is ExitCause.COMPLETED:
        return True
    if exit_.cause in {ExitCause.SOFT_DEADLINE, ExitCause.STOP_REQUESTED}:
        return stage.kind is not StageKind.MERGE
    # The money ran out: that is how a budget ends, not a failure, if a checkpoint was kept where one is due.
    at_the_deadline = exit_.cause is not ExitCause.FAILED and _is_past_soft(stage, exit_.ended_at)
    if stage.kind is StageKind.TRAIN:
        return at_the_deadline and stage.checkpoint is not None
    return at_the_deadline and stage.kind is StageKind.EVALUATE


def _was_out_of_time(stage: Stage, exit_: StageExit) -> bool:
    return exit_.cause is not ExitCause.FAILED and (
        exit_.cause is ExitCause.STOP_REQUESTED or _is_past_soft(stage, exit_.ended_at)
    )


def _worth_another_attempt(stage: Stage, exit_: StageExit, now: datetime) -> bool:
    if stage.failures >= MAX_FAILURES or _is_past_soft(stage, now):
        return False
    if exit_.cause in {ExitCause.SIGNAL, ExitCause.VANISHED, ExitCause.HARD_DEADLINE}:
        return True
    # A crash repeats itself unless the attempt got somewhere: trying again from the very start would buy it twice.
    return exit_.cause is ExitCause.FAILED and exit_.checkpoint is not None


def _is_past_soft(stage: Stage, moment: datetime) -> bool:
    return stage.soft_deadline is not None and moment >= stage.soft_deadline
