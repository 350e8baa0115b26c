"""What the terminal shows of stages, strategies and results."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from api.cli_results import results_tables
from api.cli_stages import place, stages_table, steps
from api.cli_strategies import kinds
from api.cli_watch import Watched, panel
from tests.unit.cli.conftest import CommandLine

MARKUP = "[bold]not markup[/bold]"


def shown(picture: RenderableType, width: int = 200) -> str:
    text = StringIO()
    Console(file=text, width=width, color_system=None).print(picture)
    return text.getvalue()


def stage(kind: str = "train", **more: Any) -> dict[str, Any]:
    whole = {
        "id": "01-train", "kind": kind, "title": "LoRA", "techniques": ["lora"], "status": "pending", "attempt": 0,
        "step": 0, "max_steps": 0, "seconds_per_step": None, "exit_cause": None, "message": "", "results": [],
    }  # fmt: skip
    return {**whole, **more}


def chain() -> dict[str, Any]:
    """A run of two trainings with a merge between them, at the merge."""
    return {
        "id": "run_000000000001", "status": "running", "outcome": None,
        "plan": {"stages": [{"planned_steps": 9}, {"planned_steps": 0}, {"planned_steps": 20}]},
        "progress": {"stage": "02-merge", "step": 0, "max_steps": 0, "seconds_left": 90},
        "budget": {"spent": "0.10", "cap": "2.00"},
        "stages": [
            stage(status="done", attempt=2, step=10, max_steps=10, seconds_per_step=0.5),
            stage("merge", id="02-merge", title=MARKUP, techniques=[], status="running", attempt=1),
            stage(id="03-train", title="ORPO", message=MARKUP),
        ],
    }  # fmt: skip


def test_steps_are_counted_over_all_trainings_as_sized_or_else_as_planned() -> None:
    assert steps(chain()) == (10, 30)
    run = chain()
    run["stages"][2]["status"] = "skipped"
    assert steps(run) == (10, 10)
    assert steps({"stages": [stage()], "plan": None}) == (0, 0)


def test_stages_are_listed_with_title_techniques_steps_and_pace() -> None:
    text = shown(stages_table(chain()))
    assert "done (2)" in text
    assert "10/10" in text
    assert "0/20" in text
    assert "0.5" in text
    assert text.count(MARKUP) == 2


def test_watching_says_which_stage_of_how_many() -> None:
    text = shown(panel(Watched(chain()), 120), 120)
    assert f"stage 2 of 3: {MARKUP}" in text
    assert "step 10/30" in text
    assert "1:30 left" in text
    assert place({"stages": [], "progress": None}) == (0, "")
    early = {**chain(), "progress": None}
    assert "stage" not in shown(panel(Watched(early), 120), 120)


def test_results_are_told_in_two_tables_beside_the_baseline() -> None:
    def heldout(subject: str, loss: float | None) -> dict[str, Any]:
        return {"event": "evaluation", "subject": subject, "heldout_loss": loss, "exact_match": None, "rows": 8,
                "of_rows": 9}  # fmt: skip

    def task(subject: str, value: float) -> dict[str, Any]:
        return {"event": "harness", "subject": subject, "task": MARKUP, "metric": "acc", "value": value, "stderr": 0.01}

    evaluated = stage("evaluate", results=[heldout("base", 2.0), heldout("tuned", None), task("base", 0.25)])
    plain = [shown(table) for table in results_tables({"stages": [evaluated]})]
    assert "before" in plain[0]
    assert "8/9" in plain[0]
    assert "0.25 ± 0.01" in plain[1]
    assert MARKUP in plain[1]
    assert "LoRA baseline" not in "".join(plain)
    baseline = {"run_id": "run_000000000002", "results": [heldout("tuned", 1.75), task("tuned", 0.5)]}
    beside = [shown(table) for table in results_tables({"stages": [evaluated], "baseline": baseline})]
    assert "1.75" in beside[0]
    assert "LoRA baseline" in beside[1]
    assert "0.5 ± 0.01" in beside[1]
    assert list(results_tables({"stages": [stage()]})) == []


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["train", "evaluate"], "train, evaluate"),
        (["train", "merge"] * 3 + ["evaluate"], "3 x (train, merge), evaluate"),
        (["train", "merge", "train", "evaluate"], "train, merge, train, evaluate"),
        ([], ""),
    ],
)
def test_the_kinds_of_stages_are_told_shortly(names: list[str], told: str) -> None:
    assert kinds({"kind": name} for name in names) == told


def test_a_strategy_is_told_with_stages_papers_ranges_and_recipe(cli: CommandLine) -> None:
    for word in ("relora", "C", "Strategy-C"):
        result = cli("strategies", word)
        assert result.exit_code == 0
    text = result.stdout
    assert "ReLoRA, cycle 2 of 3" in text
    assert "https://arxiv.org/abs/2307.05695" in text
    assert "a whole number from 1 to 20" in text
    assert text.count("recipe of") == 1
    assert "learning_rate" in text
    assert json.loads(cli("strategies", "relora", "--json").stdout)["key"] == "relora"


def test_custom_is_told_with_every_technique(cli: CommandLine) -> None:
    text = cli("strategies", "custom").stdout
    assert "noise_alpha" in text
    assert "https://arxiv.org/abs/2403.07691" in text


def test_an_unknown_strategy_exits_2(cli: CommandLine) -> None:
    result = cli("strategies", MARKUP)
    assert result.exit_code == 2
    assert "known: dora_neftune" in result.stderr


def test_a_quote_shows_the_part_of_every_stage(cli: CommandLine) -> None:
    text = cli("quote", "relora", "--budget", "1", "-p", "iterations=2").stdout
    assert "ReLoRA, cycle 2 of 2" in text
    assert "merge after cycle 2 of 2" in text
    assert "all, as billed" in text


def test_a_run_of_ones_own_techniques_is_submitted_and_shown_with_its_stages(cli: CommandLine) -> None:
    result = cli("run", "custom", "-b", "1", "-t", "dora", "-t", "neftune", "--merged", "--task", "arc_easy", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["techniques"] == ["lora", "dora", "neftune"]
    assert document["harness"]["tasks"] == ["arc_easy"]
    assert [each["kind"] for each in document["stages"]] == ["train", "merge", "evaluate"]
    text = cli("show", document["id"]).stdout
    assert "the adapter merged into the model" in text
    assert "LoRA + DoRA + NEFTune" in text


def test_a_recipe_needs_no_strategy(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("adapter: lora\nlora_r: 4\nlora_alpha: 8\n")
    result = cli("run", "-b", "1", "--recipe", str(tmp_path / "mine.yaml"), "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["strategy"] == "custom"


@pytest.mark.parametrize(
    "words", [(), ("lora", "-p", "rank=0"), ("lora", "-t", "dora"), ("lora", "--task-limit", "5"), ("sorcery",)]
)
def test_what_is_refused_exits_2(cli: CommandLine, words: tuple[str, ...]) -> None:
    assert cli("quote", "-b", "1", *words).exit_code == 2
