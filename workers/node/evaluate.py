"""Held-out loss and exact match of the base and the tuned model, on the same rows in the same order; then the harness.

Imports no Axolotl: an evaluation should not pay for a trainer's start.
Run as `python -m workers.node.evaluate JOB_DIR`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workers.node import commands, processes, stop_signal
from workers.node.clock import SYSTEM_CLOCK, Clock
from workers.node.harness_tasks import HarnessError, local_tasks
from workers.node.job import METRICS_FILE, EvaluateTask, Job, read_job
from workers.node.journal import Journal
from workers.node.orders import Orders
from workers.node.pairs import heldout_form
from workers.node.prepare import HELDOUT_FILE
from workers.node.score import Score

if TYPE_CHECKING:
    from workers.node.subjects import Row, Subjects


class StopWatch:
    """Says between batches, and between generated tokens, whether to go on."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._reason: str | None = None

    def reason(self) -> str | None:
        """Why to stop now, or None. Said once it stays said: whoever has begun to stop must find the same reason."""
        self._reason = self._reason or self._found()
        return self._reason

    def _found(self) -> str | None:
        self._orders.refresh()
        if self._orders.soft_left <= 0:
            return "soft_deadline"
        if self._orders.stop_requested:
            return "stop_requested"
        return "signal" if stop_signal.received() else None


def evaluate(job: Job, journal: Journal, clock: Clock) -> None:
    """Evaluate batch by batch, each with every subject in turn: whenever it must stop, both have seen the same rows.

    Raises HarnessError for a harness task that cannot be run; what the held-out rows showed is written by then.
    """
    assert job.evaluate is not None
    from workers.node.subjects import load_subjects

    watch = StopWatch(Orders(job, clock))
    subjects = load_subjects(job.evaluate)
    rows, of_rows = subjects.rows(job.data_dir / HELDOUT_FILE, heldout_form(job.dataset))
    scores = {name: Score() for name in subjects.names}
    reason = watch.reason()
    for batch in _batches(rows, job.evaluate.batch_size):
        outcomes = None if reason else _scored(subjects, batch, watch, clock)
        reason = watch.reason()
        if outcomes is None:
            break
        for name, outcome in outcomes.items():
            scores[name] += outcome
    _report(scores, of_rows, journal)
    done = min(score.rows for score in scores.values())
    finished = done == len(rows) and _harnessed(job.evaluate, subjects, watch, journal, clock)
    end = "completed" if finished else watch.reason()
    journal.write("end", reason=end, step=done, max_steps=of_rows, intended_steps=of_rows)


def _report(scores: Mapping[str, Score], of_rows: int, journal: Journal) -> None:
    for name, score in scores.items():
        journal.write(
            "evaluation",
            subject=name,
            rows=score.rows,
            of_rows=of_rows,
            heldout_loss=score.heldout_loss,
            exact_match=score.exact_match,
            seconds=score.seconds,
        )


def _harnessed(
    task: EvaluateTask,
    subjects: Subjects,
    watch: StopWatch,
    journal: Journal,
    clock: Clock,
) -> bool:
    """Run the harness, if there is one to run; False when it had to stop."""
    if task.harness is None:
        return True
    local = _local_tasks(task)
    from workers.node.harness import run_harness  # takes seconds to import, which most evaluations need not pay

    return run_harness(task.harness, local, subjects, journal, clock, should_stop=lambda: watch.reason() is not None)


def _local_tasks(task: EvaluateTask) -> dict[str, dict[str, Any]]:
    if task.harness is None or task.harness.include_path is None:
        return {}
    return local_tasks(task.harness.include_path, task.harness.tasks)


def _sources(task: EvaluateTask) -> list[str]:
    """All that this evaluation reads by name: the harness's built-in tasks read their rows from the hub."""
    remote = ["built-in tasks"] if task.harness is not None and task.harness.include_path is None else []
    return [*filter(None, (task.base_model, task.tuned_dir, task.tuned_base)), *remote]


def _scored(subjects: Subjects, batch: Sequence[Row], watch: StopWatch, clock: Clock) -> dict[str, Score] | None:
    """Each subject's score on the batch; None when it had to stop before the last of them was through."""
    outcomes: dict[str, Score] = {}
    for name in subjects.names:
        begun = clock.monotonic()
        outcome = subjects.score(name, batch, should_stop=lambda: watch.reason() is not None)
        if outcome is None:
            return None
        outcome.seconds = clock.monotonic() - begun
        outcomes[name] = outcome
    return outcomes


def _batches(rows: Sequence[Row], size: int) -> Iterator[Sequence[Row]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def main(arguments: Sequence[str]) -> None:
    """Evaluate the job in the folder `arguments[0]`; ends the process itself."""
    stop_signal.arm()
    processes.die_with_parent()
    job = read_job(Path(arguments[0]))
    assert job.evaluate is not None
    commands.offline_when_local(*_sources(job.evaluate))
    try:
        evaluate(job, Journal(job.job_dir / METRICS_FILE, SYSTEM_CLOCK), SYSTEM_CLOCK)
    except HarnessError as error:
        sys.exit(str(error))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # as in train: no paid seconds for taking an interpreter apart


if __name__ == "__main__":
    main(sys.argv[1:])
