"""Quotes at the command line: one that can be checked by hand, and tables of many."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.cli_quote import wishes
from tests.unit.cli.conftest import CommandLine

LLAMA = ("--model", "meta-llama/Llama-3.1-8B", "--dataset-tokens", "20M")


def document(cli: CommandLine, *words: str) -> dict[str, Any]:
    result = cli("quote", *words, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_number_of_tokens_is_quoted_on_the_clouds_unless_another_place_is_named(cli: CommandLine) -> None:
    assert document(cli, "lora", "-b", "50", *LLAMA)["where"] == "clouds"
    assert document(cli, "lora", "-b", "5")["where"] == "here"
    assert document(cli, "lora", "-b", "50", *LLAMA, "--where", "anywhere")["where"] == "anywhere"


@pytest.mark.parametrize("strategy", ["dora_neftune", "relora", "split"])
def test_the_printed_quote_has_all_that_its_dollars_are_made_of(cli: CommandLine, strategy: str) -> None:
    words = (strategy, "-b", "50", *LLAMA)
    plan = document(cli, *words)["plan"]
    text = cli("quote", *words).stdout
    told = [each["title"] for each in plan["stages"]]
    told += [each["name"] for each in plan["assumptions"]]
    told += [each["name"].replace("_", " ") for each in plan["items"]]
    told += [term["name"] for stage in plan["stages"] for term in stage["step_terms"]]
    told += [term["name"] for stage in plan["stages"] if stage["memory"] for term in stage["memory"]["terms"]]
    told += [plan["offer"]["id"], plan["dollars_per_hour"], "never more than", "peak, p95", "no plan"]
    told += [f"${float(plan['cost'][of]):.4f}" for of in ("p50", "p90", "worst")]
    assert [each for each in told if each not in text] == []


def test_alternatives_are_printed_where_there_are_some(cli: CommandLine) -> None:
    text = cli("quote", "dora_neftune", "-b", "50", *LLAMA).stdout
    assert "dollars against hours" in text
    assert "best of its count" in text
    here = cli("quote", "lora", "-b", "5").stdout
    assert "dollars against hours" not in here


def test_what_stands_in_the_way_of_a_launch_is_printed(cli: CommandLine) -> None:
    obstacles = document(cli, "lora", "-b", "50", *LLAMA)["obstacles"]
    text = cli("quote", "lora", "-b", "50", *LLAMA).stdout
    assert obstacles
    assert all(each in text for each in obstacles)


def test_wishes_about_the_machine_are_kept_to(cli: CommandLine) -> None:
    words = ("lora", "-b", "50", *LLAMA, "--accelerator", "h100", "--accelerator", "A100-80GB", "--no-spot")
    quote = document(cli, *words, "--prefer", "dollars", "--gpus", "1")
    assert quote["machine"] == {"accelerators": ["H100", "A100-80GB"], "spot": False, "prefer": "dollars"}
    offer = quote["plan"]["offer"]
    assert offer["accelerator"] in {"H100", "A100-80GB"}
    assert (offer["spot"], offer["accelerator_count"]) == (False, 1)


def test_a_run_takes_wishes_about_its_machine_too(cli: CommandLine) -> None:
    result = cli("run", "lora", "-b", "0.5", "--no-spot", "--prefer", "dollars", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["machine"] == {"accelerators": [], "spot": False, "prefer": "dollars"}
    assert cli("run", "lora", "-b", "0.5", "--accelerator", "H200").exit_code == 2


def test_several_of_anything_make_a_table_of_all(cli: CommandLine) -> None:
    words = ("A", "lora", "full", "-b", "0.01", "-b", "50", "--gpus", "1", "--gpus", "2", *LLAMA)
    found = document(cli, *words)
    asked = [(each["strategy"], each["budget"], each["gpus_asked"]) for each in found["quotes"]]
    assert asked == [
        (strategy, budget, count)
        for strategy in ("dora_neftune", "lora", "full")
        for budget in ("0.01", "50.00")
        for count in (1, 2)
    ]
    text = cli("quote", *words).stdout
    lines = [line for line in text.splitlines() if line.startswith(("dora_neftune", "lora", "full"))]
    assert len(lines) == len(asked)
    for each, line in zip(found["quotes"], lines, strict=True):
        if each["offer"] is None:
            assert "is the least that trains" in line
        else:
            assert f"{each['gpus']} x {each['offer']['accelerator']}" in line
            assert f"${float(each['dollars']):.2f}" in line


def test_no_figure_is_broken_where_the_terminal_is_narrow(cli: CommandLine) -> None:
    words = ("A", "lora", "-b", "10", "-b", "50", *LLAMA)
    narrow = CommandLine(cli.service, {**cli.environment, "COLUMNS": "80"})
    text = narrow("quote", *words).stdout
    for each in document(cli, *words)["quotes"]:
        assert f"${float(each['dollars']):.2f}" in text
        assert f"${float(each['dollars_p90']):.2f}" in text
    assert text.count("dora_neftune") == 2
    one = narrow("quote", "A", "-b", "50", *LLAMA).stdout
    worst = document(cli, "A", "-b", "50", *LLAMA)["plan"]["cost"]["worst"]
    (billed,) = [line for line in one.splitlines() if line.startswith("all, as billed")]
    assert billed.rstrip().endswith(f"${float(worst):.2f}")


def test_one_of_each_is_a_single_wish_and_more_of_one_are_lists() -> None:
    assert wishes(strategy=["lora"], budget=["5"], gpus=[2]) == {"strategy": "lora", "budget": "5", "gpus": 2}
    assert wishes(strategy=["lora"], budget=["5", "6"]) == {"strategies": ["lora"], "budgets": ["5", "6"]}
    assert wishes(strategy=["lora"], budget=["5"], dataset_tokens="1M") == {
        "strategy": "lora", "budget": "5", "where": "clouds", "dataset_tokens": "1M",
    }  # fmt: skip


def test_a_cap_that_buys_nothing_is_told_the_reasons_and_the_nearest_plan(cli: CommandLine) -> None:
    result = cli("quote", "lora", "-b", "0.01", *LLAMA)
    assert result.exit_code == 2
    assert "The least budget that trains: " in result.stderr
    assert "The nearest plan: " in result.stderr
    assert "kinds more" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("lora", "-b", "lots"), "budget: is not a number"),
        (("lora", "-b", "5", "-b", "lots"), "budget: is not a number"),
        (("lora", "-b", "1000000000"), "budget: must be at most"),
        (("lora", "-b", "5", "--where", "moon"), "--where"),
        (("lora", "-b", "5", "--prefer", "luck"), "--prefer"),
        (("lora", "-b", "5", "--dataset-tokens", "many"), "dataset_tokens: must be a whole number"),
        (("lora", "-b", "5", "--dataset-tokens", "5M", "--dataset", "x.jsonl"), "dataset_tokens: is for a dataset"),
        (("lora", "-b", "5", "--row-tokens", "5"), "dataset_tokens: must be"),
        (("lora", "-b", "5", "--accelerator", "H2000"), "accelerators: unknown accelerator"),
        (("lora", "sorcery", "-b", "5"), "strategy: unknown strategy"),
        (("lora", "-b", "5", "--gpus", "1", "--gpus", "99"), "gpus: must be"),
        (("lora", *(word for number in range(1, 102) for word in ("-b", str(number)))), "budgets: "),
    ],
    ids=lambda value: " ".join(value[:4]) if isinstance(value, tuple) else "",
)
def test_nonsense_is_refused_by_its_name(cli: CommandLine, words: tuple[str, ...], said: str) -> None:
    result = cli("quote", *words)
    assert result.exit_code == 2
    assert said in result.stderr
