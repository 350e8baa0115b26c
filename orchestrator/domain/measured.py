"""What was measured on a run's model before and after, as far as it is known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.run import Run
from orchestrator.domain.stages import StageKind

Results = tuple[dict[str, JsonValue], ...]
BASE, TUNED = "base", "tuned"


def results_of(run: Run) -> Results:
    """The newest result of every subject, and of every task and metric of it: a run that was topped up is evaluated
    again, and the older figures say nothing about its model any more."""
    newest: dict[tuple[str, str, str], dict[str, JsonValue]] = {}
    for stage in run.stages:
        for result in stage.results if stage.kind is StageKind.EVALUATE else ():
            key = (str(result.get("subject")), str(result.get("task", "")), str(result.get("metric", "")))
            newest.pop(key, None)
            newest[key] = result
    return tuple(newest.values())


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of base and tuned model, None where it is missing. `kind` is `loss`, `exact_match` or the harness's
    metric; `task` is empty for the run's own held-out rows. `rows` counts what the tuned figure was measured on."""

    name: str
    kind: str
    before: float | None
    after: float | None
    task: str = ""
    rows: int | None = None


def measures_of(results: Results) -> tuple[Measure, ...]:
    """Held-out loss, exact match, then the harness's tasks in their order; those without any figure are left out."""
    own = {str(each.get("subject")): each for each in results if "task" not in each}
    measures = [
        _measure("Held-out loss", "loss", own.get(BASE, {}), own.get(TUNED, {}), "heldout_loss"),
        _measure("Exact match", "exact_match", own.get(BASE, {}), own.get(TUNED, {}), "exact_match"),
    ]
    tasks: dict[tuple[str, str], dict[str, dict[str, JsonValue]]] = {}
    for each in results:
        if "task" in each:
            tasks.setdefault((str(each["task"]), str(each.get("metric"))), {})[str(each.get("subject"))] = each
    for (task, metric), sides in tasks.items():
        measures.append(_measure(f"{task}: {metric}", metric, sides.get(BASE, {}), sides.get(TUNED, {}), "value", task))
    return tuple(each for each in measures if each.before is not None or each.after is not None)


def _measure(
    name: str, kind: str, before: Mapping[str, JsonValue], after: Mapping[str, JsonValue], key: str, task: str = ""
) -> Measure:
    rows = after.get("samples" if task else "rows")
    counted = rows if isinstance(rows, int) and not isinstance(rows, bool) else None
    return Measure(name, kind, _figure(before.get(key)), _figure(after.get(key)), task, counted)


def _figure(value: JsonValue) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
