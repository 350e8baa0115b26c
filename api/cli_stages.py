"""The stages of a run, and those of a plan, in the terminal."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from api.cli_figures import Json, figure, plain_table

STYLES = {"running": "cyan", "done": "green", "failed": "red", "skipped": "dim", "pending": "dim"}


def stages_table(run: Json) -> Table:
    """Every stage of a run and what became of it."""
    table = plain_table(
        "#", "stage", "status", "techniques", "step", "s/step", "ended by", "message", right=frozenset({"s/step"})
    )
    for number, stage in enumerate(run["stages"], start=1):
        attempt = f" ({stage['attempt']})" if stage["attempt"] > 1 else ""
        table.add_row(
            str(number),
            escape(stage["title"]),
            Text(stage["status"] + attempt, style=STYLES.get(stage["status"], "")),
            escape(", ".join(stage["techniques"])),
            f"{stage['step']}/{most_steps(run, number - 1)}" if stage["kind"] == "train" else "",
            figure(stage["seconds_per_step"], 3) if stage["seconds_per_step"] else "",
            stage["exit_cause"] or "",
            escape(stage["message"][-200:]),
        )
    return table


def most_steps(run: Json, index: int) -> int:
    """Steps that the budget allows a stage: as the trainer sized them, or as planned until it has."""
    sized = int(run["stages"][index]["max_steps"])
    if sized or not run.get("plan"):
        return sized
    return int(run["plan"]["stages"][index]["planned_steps"])


def steps(run: Json) -> tuple[int, int]:
    """Steps done and steps allowed, over all trainings that are not left out."""
    trainings = [
        (stage["step"], most_steps(run, index))
        for index, stage in enumerate(run["stages"])
        if stage["kind"] == "train" and stage["status"] != "skipped"
    ]
    return sum(step for step, _ in trainings), sum(most for _, most in trainings)


def place(run: Json) -> tuple[int, str]:
    """Number and title of the stage that the run is at, or was at last; 0 and nothing before there was any."""
    at = (run.get("progress") or {}).get("stage")
    for number, stage in enumerate(run.get("stages", ()), start=1):
        if stage["id"] == at:
            return number, str(stage["title"])
    return 0, ""
