"""What is typed as options becomes the body of a draft."""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import typer

from api.cli_options import takes_a_wish, wish


def asked(**wanted: Any) -> dict[str, Any]:
    """The body without the budget, which every wish has."""
    body = wish(budget="1", **wanted)
    assert body.pop("budget") == "1"
    return body


def test_what_is_here_is_named_by_its_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("rows.jsonl", "pairs.jsonl", "heldout.jsonl"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "tasks").mkdir()
    body = asked(
        strategy="split", dataset="rows.jsonl", preferences="pairs.jsonl", heldout="heldout.jsonl", model="owner/name",
        task=["mine"], tasks_folder="tasks",
    )  # fmt: skip
    assert body == {
        "strategy": "split",
        "dataset": str(tmp_path / "rows.jsonl"),
        "preferences": str(tmp_path / "pairs.jsonl"),
        "heldout": str(tmp_path / "heldout.jsonl"),
        "model": "owner/name",
        "harness": {"tasks": ["mine"], "include_path": str(tmp_path / "tasks")},
    }


def test_overrides_are_json_where_they_are_json_and_text_elsewhere() -> None:
    body = asked(strategy="lora", override=["lora_r=64", "optimizer=adamw_torch", "weight_decay=0.1"])
    assert body["overrides"] == {"lora_r": 64, "optimizer": "adamw_torch", "weight_decay": 0.1}


@pytest.mark.parametrize("text", ["lora_r: 8\nlearning_rate: 1e-4", '{"lora_r": 8, "learning_rate": 0.0001}'])
def test_a_file_of_overrides_is_yaml_or_json_and_the_line_wins(tmp_path: Path, text: str) -> None:
    (tmp_path / "overrides").write_text(text)
    body = asked(strategy="lora", overrides=tmp_path / "overrides", override=["lora_r=4"])
    assert body["overrides"] == {"lora_r": 4, "learning_rate": 1e-4}


def test_parameters_techniques_tasks_and_a_merge_are_asked_for() -> None:
    body = asked(
        strategy="custom", param=["rank=64", "scale = 0.5"], technique=["dora", "neftune"], merged=True,
        task=["arc_easy", "hellaswag"], task_limit=10,
    )  # fmt: skip
    assert body == {
        "strategy": "custom",
        "parameters": {"rank": 64, "scale": 0.5},
        "techniques": ["dora", "neftune"],
        "merged": True,
        "harness": {"tasks": ["arc_easy", "hellaswag"], "limit": 10},
    }


def test_a_recipe_is_sent_as_it_was_written_and_needs_no_strategy(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("# mine\nadapter: lora\n")
    assert asked(recipe=tmp_path / "mine.yaml") == {"recipe": "# mine\nadapter: lora\n"}


def test_what_cannot_be_read_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("- 1")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    for wrong in (
        {},
        {"strategy": "relora", "param": ["rank"]},
        {"strategy": "relora", "param": ["=1"]},
        {"strategy": "lora", "overrides": tmp_path / "list.yaml"},
        {"recipe": tmp_path / "bytes.yaml"},
    ):
        with pytest.raises(typer.BadParameter):
            asked(**wrong)


def test_a_command_takes_the_options_of_a_wish_in_place_of_its_first_parameter() -> None:
    seen: list[tuple[dict[str, Any], str]] = []

    @takes_a_wish
    def command(body: dict[str, Any], more: str = "x") -> None:
        seen.append((body, more))

    given = {"strategy": "lora", "budget": "1", "more": "y"}
    parameters = signature(command).parameters
    assert "body" not in parameters
    command(**{name: given.get(name, each.default) for name, each in parameters.items()})
    assert seen == [({"strategy": "lora", "budget": "1"}, "y")]
