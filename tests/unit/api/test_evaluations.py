"""What a run's page says about the results: before, after, and beside the baseline."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from api.web.records import Evaluation, evaluation
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.run import Run
from orchestrator.domain.stages import Stage, StageKind
from tests.unit.domain import making

Result = dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Baseline:
    run_id: str
    results: tuple[Result, ...]


def heldout(subject: str, loss: JsonValue, match: JsonValue = None) -> Result:
    return {
        "event": "evaluation", "subject": subject, "rows": 8, "of_rows": 9, "heldout_loss": loss, "exact_match": match,
    }  # fmt: skip


def task(
    subject: str, value: JsonValue, metric: str = "acc", stderr: JsonValue = 0.01, name: str = "arc_local"
) -> Result:
    return {"event": "harness", "subject": subject, "task": name, "metric": metric, "value": value, "stderr": stderr}


def evaluated(*results: Result) -> Run:
    run = making.run()
    return replace(
        run,
        stages=tuple(
            replace(stage, results=results) if stage.kind is StageKind.EVALUATE else stage for stage in run.all_stages
        ),
    )


def found(*results: Result, baseline: Baseline | None = None) -> Evaluation:
    evaluation_ = evaluation(evaluated(*results), baseline)
    assert evaluation_ is not None
    return evaluation_


@pytest.mark.parametrize(
    ("base", "tuned", "loss", "match"),
    [
        ((2.0, 0.25), (1.5, 0.5), ("-0.5000", "better"), ("+25.0 points", "better")),
        ((2.0, 0.25), (2.5, 0.125), ("+0.5000", "worse"), ("-12.5 points", "worse")),
        ((2.0, 0.25), (2.0, 0.25), ("+0.0000", "same"), ("+0.0 points", "same")),
        ((2.0, None), (1.5, None), ("-0.5000", "better"), ("", "")),
        ((float("nan"), True), (1.5, "1"), ("", ""), ("", "")),
    ],
)
def test_an_evaluation_says_what_changed_and_which_way_is_better(
    base: tuple[JsonValue, JsonValue], tuned: tuple[JsonValue, JsonValue], loss: tuple[str, str], match: tuple[str, str]
) -> None:
    rows = found(heldout("base", *base), heldout("tuned", *tuned)).rows
    assert [(row.change, row.verdict) for row in rows] == [loss, match]


def test_a_run_without_results_has_no_evaluation() -> None:
    assert evaluation(evaluated()) is None
    assert evaluation(making.run()) is None


def test_tasks_have_a_table_of_their_own_and_leave_the_held_out_rows_alone() -> None:
    both = found(
        heldout("base", 2.0), heldout("tuned", 1.5), task("base", 0.25), task("tuned", 0.5), task("base", 0.75, "f1")
    )
    assert [row.before for row in both.rows] == ["2", "–"]  # noqa: RUF001
    assert [(row.measure, row.metric, row.before, row.after) for row in both.tasks] == [
        ("arc_local", "acc", "0.25 ± 0.01", "0.5 ± 0.01"),
        ("arc_local", "f1", "0.75 ± 0.01", "–"),  # noqa: RUF001
    ]
    assert both.note.startswith("On 8 of 9 held-out rows")
    assert found(task("base", 0.25)).rows == ()


@pytest.mark.parametrize(
    ("metric", "base", "tuned", "stderr", "verdict"),
    [
        ("acc", 0.25, 0.5, 0.01, "better"),
        ("acc", 0.5, 0.25, 0.01, "worse"),
        ("acc", 0.25, 0.26, 0.01, "unclear"),
        ("acc", 0.25, 0.26, None, "better"),
        ("acc", 0.25, 0.25, 0.01, "same"),
        ("word_perplexity,none", 20.0, 10.0, None, "better"),
        ("bits_per_byte", 1.0, 2.0, None, "worse"),
        ("character_overlap", 1.0, 2.0, None, "better"),
        ("acc", None, 0.5, 0.01, ""),
    ],
)
def test_a_task_is_better_the_way_that_its_metric_counts_and_only_beyond_the_error(
    metric: str, base: JsonValue, tuned: JsonValue, stderr: JsonValue, verdict: str
) -> None:
    (row,) = found(task("base", base, metric, stderr), task("tuned", tuned, metric, stderr)).tasks
    assert row.verdict == verdict


def test_a_baseline_is_a_third_column_of_its_tuned_results() -> None:
    baseline = Baseline(
        "run_000000000007", (heldout("base", 2.0), heldout("tuned", 1.75, 0.5), task("base", 0.1), task("tuned", 0.4))
    )
    results = heldout("base", 2.0), heldout("tuned", 1.5), task("tuned", 0.5), task("tuned", 0.5, name="elsewhere")
    shown = found(*results, baseline=baseline)
    assert shown.baseline == "run_000000000007"
    assert [row.baseline for row in shown.rows] == ["1.75", "50.0 %"]
    assert [row.baseline for row in shown.tasks] == ["0.4 ± 0.01", "–"]  # noqa: RUF001
    assert found(*results).baseline is None


def test_a_stage_of_another_kind_is_no_evaluation() -> None:
    run = making.run()
    stages: tuple[Stage, ...] = tuple(replace(stage, results=(heldout("base", 1.0),)) for stage in run.all_stages[:1])
    assert evaluation(replace(run, stages=(*stages, *run.all_stages[1:]))) is None
