"""What was measured, before and after, in the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.markup import escape
from rich.table import Table

from api.cli_figures import Json, figure, plain_table

LABELS = (("base", "before"), ("tuned", "after"))
HARNESS = "harness"


def results_tables(run: Json) -> Iterator[Table]:
    """The held-out rows, then the evaluation tasks; nothing where there is no result."""
    results = [each for stage in run["stages"] for each in stage["results"] if "subject" in each]
    baseline = (run.get("baseline") or {}).get("results", ())
    if heldout := {each["subject"]: each for each in results if each.get("event") != HARNESS}:
        yield _heldout(heldout, [each for each in baseline if each.get("event") != HARNESS])
    if tasks := [each for each in results if each.get("event") == HARNESS]:
        yield _tasks(tasks, [each for each in baseline if each.get("event") == HARNESS])


def _heldout(found: dict[str, Json], baseline: list[Json]) -> Table:
    right = frozenset({"held-out loss", "exact match", "rows"})
    table = plain_table("evaluation", "held-out loss", "exact match", "rows", right=right)
    others = {each.get("subject"): each for each in baseline}
    for subject, label in (*LABELS, ("baseline", "LoRA baseline")):
        each = found.get(subject) if subject != "baseline" else others.get("tuned")
        if each is not None:
            match = each.get("exact_match")
            matched = "-" if match is None else f"{100 * match:.1f} %"
            rows = f"{each.get('rows')}/{each.get('of_rows')}"
            table.add_row(label, figure(each.get("heldout_loss"), 5), matched, rows)
    return table


def _tasks(results: list[Json], baseline: list[Json]) -> Table:
    columns = ("before", "after", *(("LoRA baseline",) if baseline else ()))
    table = plain_table("task", "metric", *columns, right=frozenset(columns))
    found: dict[tuple[str, str], dict[str, Json]] = {}
    for each in results:
        found.setdefault((str(each.get("task")), str(each.get("metric"))), {})[each["subject"]] = each
    others = {(str(each.get("task")), str(each.get("metric"))): each for each in baseline if each["subject"] == "tuned"}
    for (task, metric), subjects in found.items():
        shown = [_measured(subjects.get(subject)) for subject, _ in LABELS]
        shown += [_measured(others.get((task, metric)))] if baseline else []
        table.add_row(escape(task), escape(metric), *shown)
    return table


def _measured(result: Json | None) -> str:
    """The value with its standard error."""
    if result is None:
        return "-"
    error = figure(result.get("stderr"), 2)
    return figure(result.get("value")) + ("" if error == "-" else f" ± {error}")
