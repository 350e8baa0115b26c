"""How the command line shows things: plain facts in Rich tables, taken from the API's own documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from api.cli_figures import dollars, facts
from api.cli_results import results_tables
from api.cli_stages import stages_table, steps

Json = Mapping[str, Any]

MOST_REFUSALS = 8
"""Told of a wish that nothing can be planned for; there is one for every kind of machine."""

OUTCOME_STYLES = {"completed": "green", "budget_reached": "yellow", "time_reached": "yellow", "cancelled": "dim",
                  "failed": "red"}  # fmt: skip


def state(run: Json) -> Text:
    """Where a run stands, in one word or two."""
    outcome = run.get("outcome")
    if outcome:
        return Text(str(outcome), style=OUTCOME_STYLES.get(str(outcome), ""))
    return Text(str(run["status"]), style="cyan")


def runs_table(runs: Iterable[Json]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    # An id that is cut short cannot be copied: when the terminal is narrow, names give way.
    table.add_column("run", no_wrap=True, min_width=16)
    table.add_column("name", no_wrap=True, overflow="ellipsis")
    table.add_column("strategy", no_wrap=True)
    table.add_column("state", no_wrap=True, min_width=9)
    table.add_column("step", no_wrap=True, justify="right", min_width=7)
    table.add_column("spent / budget", no_wrap=True, justify="right", min_width=15)
    for run in runs:
        step, most = steps(run)
        table.add_row(
            run["id"],
            escape(run["name"]),
            run["strategy"],
            state(run),
            f"{step}/{most}",
            f"{dollars(run['budget']['spent'], 2)} / {dollars(run['budget']['cap'], 2)}",
        )
    return table


def run_details(run: Json) -> RenderableType:
    money = run["budget"]
    rows: list[tuple[str, RenderableType]] = [
        ("run", run["id"]),
        ("name", escape(run["name"]) or "-"),
        ("strategy", run["strategy"]),
        ("state", state(run)),
        ("why", escape(run["reason"]) or "-"),
        ("model", escape(run["model"])),
        ("dataset", escape(run["dataset"]["source"])),
        (
            "spent",
            f"{dollars(money['spent'], 6)} of {dollars(money['cap'], 2)} ({dollars(money['reserved'])} reserved)",
        ),
        ("result", escape(run["checkpoint"] or "-")),
    ]
    rows += [("note", escape(note)) for note in run["notes"]]
    parts: list[RenderableType] = [facts(rows), Text(), stages_table(run)]
    for results in results_tables(run):
        parts += [Text(), results]
    return Group(*parts)


def checks_table(checks: Iterable[Json]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for check in checks:
        mark = Text("ok", style="green") if check["ok"] else Text("missing", style="red")
        table.add_row(mark, check["name"], escape(check["detail"]))
    return table


def show_problem(console: Console, problem: Json) -> None:
    """A refusal with every field that it names."""
    console.print(Text(str(problem.get("title") or "The service refused"), style="bold red"))
    errors = problem.get("errors") or []
    if not errors and problem.get("detail"):
        console.print(Text(str(problem["detail"])))
    for each in errors:
        console.print(Text.assemble((str(each["field"]), "bold"), ": ", str(each["message"])))
    refusals = [str(each) for each in problem.get("refusals") or []]
    for refusal in refusals[:MOST_REFUSALS]:
        console.print(Text(f"  {refusal}", style="dim"))
    if len(refusals) > MOST_REFUSALS:
        console.print(Text(f"  and {len(refusals) - MOST_REFUSALS} kinds more", style="dim"))
    cheapest = problem.get("cheapest_budget")
    if cheapest:
        console.print(Text(f"The least budget that trains: {cheapest} dollars"))
        nearest = next((each for each in refusals if f" {cheapest} dollars would do" in each), None)
        if nearest:
            console.print(Text(f"The nearest plan: {nearest}"))
