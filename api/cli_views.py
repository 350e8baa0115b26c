"""How the command line shows things: plain facts in Rich tables, taken from the API's own documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from api.cli_figures import dollars, duration, facts
from api.cli_results import results_tables
from api.cli_stages import planned_table, stages_table, steps

Json = Mapping[str, Any]

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


def quote_details(quote: Json) -> RenderableType:
    plan = quote["plan"]
    seconds, cost = plan["seconds"], plan["cost"]
    limit = f", cut short by the {plan['limit'].replace('_', ' ')}" if plan["limit"] else ""
    told = facts(
        [
            ("strategy", quote["strategy"]),
            ("model", escape(quote["model"])),
            ("dataset", f"{escape(quote['dataset']['source'])} ({quote['dataset']['rows'] or '?'} rows)"),
            ("machine", f"{plan['offer']['id']} at {dollars(plan['dollars_per_hour'], 2)} an hour"),
            ("steps", f"{plan['planned_steps']} of {plan['intended_steps']}{limit}"),
            ("time", f"{duration(seconds['p50'])}, nine times in ten below {duration(seconds['p90'])}"),
            ("cost", f"{dollars(cost['p50'])}, nine times in ten below {dollars(cost['p90'])}"),
            ("never more than", dollars(cost["worst"])),
            *(("note", escape(note)) for note in quote["notes"]),
        ]
    )
    return Group(told, Text(), planned_table(plan["stages"]))


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
    for refusal in problem.get("refusals") or []:
        console.print(Text(f"  {refusal}", style="dim"))
    if problem.get("cheapest_budget"):
        console.print(Text(f"The least budget that trains: {problem['cheapest_budget']} dollars"))
