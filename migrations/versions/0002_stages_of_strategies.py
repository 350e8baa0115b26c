"""A strategy expands to stages: recipes, plans and measured speeds are theirs; a result need not be an adapter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str = "0001"
branch_labels: None = None
depends_on: None = None

RUNS = sa.table("runs", sa.column("id", sa.String), sa.column("document", sa.JSON))
ENTRIES = sa.table(
    "journal_entries", sa.column("seq", sa.BigInteger), sa.column("kind", sa.String), sa.column("data", sa.JSON)
)
TECHNIQUES = {"dora_neftune": ["lora", "dora", "neftune", "lora_plus", "rslora"], "lora": ["lora"]}
"""The strategies that there were."""
TRAIN, EVALUATE = "Training", "before and after, on the same held-out rows"
PLAN_NUMBERS = [
    "intended_steps",
    "planned_steps",
    "seconds_per_step",
    "train_seconds",
    "evaluate_seconds",
    "evaluate_expected",
]


def upgrade() -> None:
    _rewrite(run_up, subject_up)


def downgrade() -> None:
    """Runs of one training come back as they were; those that only this version can make are in nobody's way."""
    _rewrite(run_down, subject_down)


def _rewrite(of_run: Callable[[dict[str, Any]], None], of_entry: Callable[[dict[str, Any]], None]) -> None:
    connection = op.get_bind()
    for key, document in connection.execute(sa.select(RUNS.c.id, RUNS.c.document)).all():
        of_run(document)
        connection.execute(RUNS.update().where(RUNS.c.id == key).values(document=document))
    metrics = sa.select(ENTRIES.c.seq, ENTRIES.c.data).where(ENTRIES.c.kind == "metric")
    for seq, data in connection.execute(metrics).all():
        if data.get("event") == "evaluation":
            of_entry(data)
            connection.execute(ENTRIES.update().where(ENTRIES.c.seq == seq).values(data=data))


def run_up(document: dict[str, Any]) -> None:
    """One run's document of revision 0001, brought up in place."""
    spec = document["spec"]
    train = {"kind": "train", "title": TRAIN, "techniques": TECHNIQUES.get(spec["strategy"], ["lora"])}
    spec["stages"] = [{**train, "recipe": spec.pop("recipe")}, {"kind": "evaluate", "title": EVALUATE}]
    measured = document.pop("seconds_per_step", None)
    if document.get("plan"):
        _plan_up(document["plan"])
    for stage in document["stages"]:
        stage["seconds_per_step"] = measured if stage["kind"] == "train" else None
        if stage["exit"]:
            stage["exit"]["result"] = stage["exit"].pop("adapter", None)
        for result in stage["results"]:
            subject_up(result)


def _plan_up(plan: dict[str, Any]) -> None:
    old = {name: plan.pop(name) for name in PLAN_NUMBERS}
    train = {name: old[name] for name in ("intended_steps", "planned_steps", "seconds_per_step")}
    steps = round(old["planned_steps"] * old["seconds_per_step"])
    plan["stages"] = [
        {"kind": "train", "title": TRAIN, "seconds": old["train_seconds"], "expected": steps, **train},
        {
            "kind": "evaluate",
            "title": EVALUATE,
            "seconds": old["evaluate_seconds"],
            "expected": old["evaluate_expected"],
        },
    ]


def run_down(document: dict[str, Any]) -> None:
    """The opposite of `run_up`, for runs of one training."""
    spec = document["spec"]
    stages = spec.pop("stages")
    spec["recipe"] = next(stage["recipe"] for stage in stages if stage["kind"] == "train")
    for name in ("parameters", "preferences", "harness"):
        spec.pop(name, None)
    spec["dataset"].pop("heldout_format", None)
    speeds = [stage.pop("seconds_per_step", None) for stage in document["stages"]]
    document["seconds_per_step"] = next((speed for speed in speeds if speed is not None), None)
    if document.get("plan"):
        _plan_down(document["plan"])
    for stage in document["stages"]:
        if stage["exit"]:
            stage["exit"]["adapter"] = stage["exit"].pop("result", None)
        for result in stage["results"]:
            subject_down(result)


def _plan_down(plan: dict[str, Any]) -> None:
    train, evaluate = plan["stages"][0], plan.pop("stages")[-1]
    plan.update({name: train.get(name, 0) for name in ("intended_steps", "planned_steps", "seconds_per_step")})
    plan["train_seconds"] = train["seconds"]
    plan["evaluate_seconds"], plan["evaluate_expected"] = evaluate["seconds"], evaluate["expected"]


def subject_up(result: dict[str, Any]) -> None:
    """What was trained may be a whole model: it is called tuned."""
    if result.get("subject") == "adapter":
        result["subject"] = "tuned"


def subject_down(result: dict[str, Any]) -> None:
    if result.get("subject") == "tuned":
        result["subject"] = "adapter"
