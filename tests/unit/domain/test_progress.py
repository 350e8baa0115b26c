"""What becomes of the lines that a node reports."""

from __future__ import annotations

from typing import Any

from orchestrator.domain.measured import measures_of, results_of
from orchestrator.domain.observations import JobState, JobView
from orchestrator.domain.progress import absorb
from orchestrator.domain.run import Run
from orchestrator.domain.stages import PeakMemory
from tests.unit.domain import making


def test_the_harness_figures_are_kept_beside_the_heldout_ones() -> None:
    run = making.run()
    run = making.run(stages=run.all_stages)
    evaluation = run.stages[-1]
    lines = (
        {"event": "evaluation", "at": 1.0, "subject": "tuned", "rows": 8, "of_rows": 8, "heldout_loss": 1.5},
        {"event": "harness", "at": 2.0, "subject": "tuned", "task": "arc", "metric": "acc", "value": 0.5, "samples": 4},
    )
    run, entries = absorb(run, evaluation, JobView(JobState.RUNNING, lines, 100))
    assert len(entries) == 2
    assert [each.name for each in measures_of(results_of(run))] == ["Held-out loss", "arc: acc"]


def told(*lines: dict[str, Any]) -> PeakMemory | None:
    """The peak memory of a training after these lines of its node."""
    run: Run = making.run()
    run = making.run(stages=run.all_stages)
    run, _ = absorb(run, run.stages[0], JobView(JobState.RUNNING, tuple(lines), 100))
    return run.stages[0].peak_memory


def step(number: int, **sizes: object) -> dict[str, Any]:
    return {"event": "step", "at": 1.0, "step": number, "max_steps": 9, **sizes}


BEGIN = {"event": "begin", "at": 0.0, "step": 0, "max_steps": 9}


def test_the_newest_step_tells_the_peak_of_the_devices_memory() -> None:
    first = step(1, device_reserved_peak_bytes=90, device_allocated_peak_bytes=70)
    second = step(2, device_reserved_peak_bytes=100, device_allocated_peak_bytes=80)
    assert told(BEGIN, first, second) == PeakMemory(device_reserved=100, device_allocated=80)


def test_a_peak_never_falls() -> None:
    assert told(BEGIN, step(1, device_reserved_peak_bytes=100), step(2, device_reserved_peak_bytes=99)) == PeakMemory(
        100
    )


def test_a_processs_memory_is_never_taken_for_a_devices() -> None:
    assert told(BEGIN, step(1, process_resident_peak_bytes=500)) == PeakMemory(process_resident=500)


def test_a_step_that_says_nothing_of_memory_leaves_what_is_known() -> None:
    known = step(1, device_reserved_peak_bytes=90, device_allocated_peak_bytes=70)
    assert told(BEGIN, known, step(2)) == PeakMemory(90, 70)
    assert told(BEGIN, step(1)) is None
    assert told(BEGIN, step(1, device_reserved_peak_bytes=-5, device_allocated_peak_bytes="much")) is None


def test_another_attempt_measures_its_own_memory() -> None:
    assert told(BEGIN, step(1, device_reserved_peak_bytes=90), BEGIN) is None
