"""Which runs may stand side by side, and what was measured on them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.domain.baseline import comparison_key, offered_key, wanted_key
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.lifecycle import Outcome, RunStatus
from orchestrator.domain.measured import Measure, measures_of, results_of
from orchestrator.domain.run import DatasetRef, Run
from tests.unit.domain import making

SPLIT = DatasetRef("/data/rows.jsonl", "alpaca", 800, 64)
BASE: dict[str, JsonValue] = {"subject": "base", "rows": 64, "of_rows": 64, "heldout_loss": 3.0, "exact_match": 0.0}
TUNED: dict[str, JsonValue] = {"subject": "tuned", "rows": 64, "of_rows": 64, "heldout_loss": 1.5, "exact_match": 0.5}


def completed(strategy: str = "lora", *results: dict[str, JsonValue], **changes: Any) -> Run:
    run = making.run(spec=making.spec(strategy=strategy, stages=making.stages(strategy)))
    *others, evaluation = run.all_stages
    stages = (*others, replace(evaluation, results=results or (BASE, TUNED)))
    return replace(run, **{"stages": stages, "status": RunStatus.ENDED, "outcome": Outcome.COMPLETED, **changes})


def test_a_completed_and_measured_lora_run_is_what_another_strategy_wants() -> None:
    assert offered_key(completed()) == wanted_key(completed("dora_neftune")) is not None


@pytest.mark.parametrize(
    "run",
    [
        completed("galore"),
        completed(outcome=Outcome.BUDGET_REACHED),
        completed(status=RunStatus.QUEUED),
        completed("lora", BASE),
        completed(stages=()),
    ],
)
def test_no_other_run_is_a_baseline(run: Run) -> None:
    assert offered_key(run) is None


def test_a_run_of_the_baseline_strategy_wants_none() -> None:
    assert wanted_key(completed()) is None


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"seed": 7}, True),
        ({"name": "another", "model_parameters": None, "max_seconds": 60}, True),
        ({"model": "/models/other"}, False),
        ({"dataset": replace(SPLIT, heldout_source="/data/other.jsonl")}, False),
        ({"dataset": replace(SPLIT, source="/data/more.jsonl", heldout_source="/data/heldout.jsonl")}, False),
    ],
)
def test_runs_on_a_heldout_file_compare_whatever_their_seed(changes: dict[str, Any], same: bool) -> None:
    spec = making.spec(dataset=replace(SPLIT, heldout_source="/data/heldout.jsonl"))
    assert (comparison_key(spec) == comparison_key(replace(spec, **changes))) is same


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"name": "another"}, True),
        ({"seed": 7}, False),
        ({"dataset": replace(SPLIT, rows=801)}, False),
        ({"dataset": replace(SPLIT, heldout_rows=32)}, False),
    ],
)
def test_runs_on_split_rows_compare_only_where_the_same_rows_were_kept_out(changes: dict[str, Any], same: bool) -> None:
    spec = making.spec(dataset=SPLIT)
    assert (comparison_key(spec) == comparison_key(replace(spec, **changes))) is same


def test_rows_cut_at_another_length_are_other_rows() -> None:
    spec = making.spec()
    longer = tuple(replace(each, recipe={**each.recipe, "sequence_len": 4096}) for each in spec.stages)
    assert comparison_key(spec) != comparison_key(replace(spec, stages=longer))


def test_the_newest_figures_of_each_subject_and_task_count() -> None:
    task: dict[str, JsonValue] = {"subject": "tuned", "task": "arc", "metric": "acc", "value": 0.25, "samples": 8}
    run = completed("lora", {**TUNED, "heldout_loss": 9.0}, {**task, "value": 0.1}, BASE, TUNED, task)
    assert results_of(run) == (BASE, TUNED, task)


def test_measures_pair_what_was_measured_before_and_after() -> None:
    sides: list[dict[str, JsonValue]] = [
        {"subject": subject, "task": "arc", "metric": "acc", "value": value, "samples": 8}
        for subject, value in (("base", 0.25), ("tuned", 0.5))
    ]
    assert measures_of((BASE, TUNED, *sides)) == (
        Measure("Held-out loss", "loss", 3.0, 1.5, "", 64),
        Measure("Exact match", "exact_match", 0.0, 0.5, "", 64),
        Measure("arc: acc", "acc", 0.25, 0.5, "arc", 8),
    )


@pytest.mark.parametrize("value", [None, "0.5", True, float("nan"), float("inf")])
def test_a_figure_that_is_no_number_is_none(value: Any) -> None:
    assert measures_of(({**TUNED, "heldout_loss": value, "exact_match": value},)) == ()
