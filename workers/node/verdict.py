"""How a job ended, judged from what was seen: pure, from the journal's events to `exit.json`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workers.node.job import CONTRACT_VERSION, MERGED_FOLDER, Job


@dataclass(slots=True)
class Progress:
    """What the journal has told so far."""

    trainer_pid: int | None = None
    last_step: int = 0
    max_steps: int | None = None
    intended_steps: int | None = None
    end_reason: str | None = None

    def follow(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Take in more events, in order."""
        for event in events:
            name = event["event"]
            if name == "begin":
                self.trainer_pid = event.get("pid")
                self.intended_steps = event.get("max_steps")
            if name == "end":
                self.end_reason = event.get("reason")
                self.intended_steps = event.get("intended_steps", self.intended_steps)
            self.last_step = event.get("step", self.last_step)
            self.max_steps = event.get("max_steps", self.max_steps)


@dataclass(frozen=True, slots=True)
class StageEnd:
    """How the last child ended. `interrupted`: why it was asked to stop, if it was; `killed`: it had to be."""

    exit_code: int
    interrupted: str | None
    killed: bool
    message: str


def cause(end: StageEnd, progress: Progress) -> str:
    """The one word for it. The end line is believed before the exit code: a stopped trainer exits 0 too."""
    if progress.end_reason is not None:
        return progress.end_reason
    if end.killed:
        return "hard_deadline"
    if end.interrupted is not None and end.exit_code <= 0:
        return end.interrupted
    return "failed"


def exit_document(
    job: Job, end: StageEnd, progress: Progress, checkpoint: Path | None, times: tuple[float, float]
) -> dict[str, object]:
    """The contents of `exit.json`. `times` are when the supervisor started and when nothing was left running."""
    why = cause(end, progress)
    return {
        "version": CONTRACT_VERSION,
        "stage_id": job.stage_id,
        "attempt": job.attempt,
        "cause": why,
        "exit_code": end.exit_code,
        "started_at": times[0],
        "ended_at": times[1],
        "last_step": progress.last_step,
        "max_steps": progress.max_steps,
        "intended_steps": progress.intended_steps,
        "checkpoint": None if checkpoint is None else str(checkpoint),
        "result": _result(job, why, checkpoint),
        "message": end.message if why == "failed" else "",
    }


def _result(job: Job, why: str, checkpoint: Path | None) -> str | None:
    if job.kind == "merge":
        return str(job.output_dir / MERGED_FOLDER) if why == "completed" else None
    if job.kind != "train":
        return None
    if why == "completed":
        return str(job.output_dir)
    return None if checkpoint is None else str(checkpoint)
