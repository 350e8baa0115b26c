"""What becomes of the lines that a node reports about an evaluation."""

from __future__ import annotations

from orchestrator.domain.measured import measures_of, results_of
from orchestrator.domain.observations import JobState, JobView
from orchestrator.domain.progress import absorb
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
