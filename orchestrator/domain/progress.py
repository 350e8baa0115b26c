"""Taking in what a node reported: metrics lines become facts of the run, a job's exit becomes a stage's end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from orchestrator.domain.journal import Entry, EntryKind
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.observations import JobView
from orchestrator.domain.run import Run
from orchestrator.domain.stages import Devices, ExitCause, PeakMemory, Stage, StageExit, StageKind, StageStatus

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
        stage = replace(stage, max_steps=most, intended_steps=max(stage.intended_steps, most), peak_memory=None)
    elif event == "step":
        stage = replace(
            stage,
            step=_count(line.get("step")),
            max_steps=_count(line.get("max_steps")),
            peak_memory=_peak(line, stage.peak_memory or PeakMemory()),
        )
    elif event == "sized":
        seconds = line.get("seconds_per_step")
        if isinstance(seconds, int | float) and seconds > 0:
            stage = replace(stage, seconds_per_step=float(seconds), measured_on=_devices(run))
        stage = replace(stage, max_steps=_count(line.get("max_steps")))
    elif event == "checkpoint" and isinstance(line.get("path"), str):
        stage = replace(stage, checkpoint=str(line["path"]), failures=0)
        run = replace(run, losses_without_progress=0)
    elif event in {"evaluation", "harness"}:
        # A node of the first version says "adapter".
        subject = "tuned" if line.get("subject") == "adapter" else line.get("subject")
        stage = replace(stage, results=(*stage.results, {**line, "subject": subject}))
    return run, stage


def _peak(line: Mapping[str, JsonValue], known: PeakMemory) -> PeakMemory | None:
    """What is `known`, raised by what the line tells; None while there is nothing, as from a node of before."""
    told = (
        (known.device_reserved, line.get("device_reserved_peak_bytes")),
        (known.device_allocated, line.get("device_allocated_peak_bytes")),
        (known.process_resident, line.get("process_resident_peak_bytes")),
    )
    sizes = [max(held or 0, _count(size)) or None for held, size in told]
    return PeakMemory(*sizes) if any(sizes) else None


def _devices(run: Run) -> Devices | None:
    """What the run trains on."""
    return None if run.plan is None else Devices(run.plan.offer.accelerator, run.plan.offer.accelerator_count)


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
    return replace(stage, status=_verdict(stage, exit_), ended_at=exit_.ended_at)


def _verdict(stage: Stage, exit_: StageExit) -> StageStatus:
    if exit_.cause is ExitCause.COMPLETED:
        return StageStatus.DONE
    if exit_.cause is ExitCause.FAILED or not _was_out_of_time(stage, exit_):
        return StageStatus.FAILED
    # The time ran out: that is how a budget ends, and no failure. What was to be made and is not there was left out,
    # and so is what builds on it.
    made = stage.kind is StageKind.EVALUATE or (stage.kind is StageKind.TRAIN and stage.checkpoint is not None)
    return StageStatus.DONE if made else StageStatus.SKIPPED


def _was_out_of_time(stage: Stage, exit_: StageExit) -> bool:
    asked = exit_.cause in {ExitCause.SOFT_DEADLINE, ExitCause.STOP_REQUESTED}
    return asked or _is_past_soft(stage, exit_.ended_at)


def _worth_another_attempt(stage: Stage, exit_: StageExit, now: datetime) -> bool:
    if stage.failures >= MAX_FAILURES or _is_past_soft(stage, now):
        return False
    if exit_.cause in {ExitCause.SIGNAL, ExitCause.VANISHED, ExitCause.HARD_DEADLINE}:
        return True
    if exit_.cause is ExitCause.SOFT_DEADLINE and stage.kind is StageKind.MERGE:
        # It was ended at a deadline that has moved since: a merge has nothing to show for half of its way.
        return True
    # A crash repeats itself unless the attempt got somewhere: trying again from the very start would buy it twice.
    return exit_.cause is ExitCause.FAILED and exit_.checkpoint is not None


def _is_past_soft(stage: Stage, moment: datetime) -> bool:
    return stage.soft_deadline is not None and moment >= stage.soft_deadline
