"""The study book's three options, and the table in which they stand beside a planner's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.study_book import BUDGET, OPTIONS, Compared, Spending, render
from orchestrator.domain.money import Money
from orchestrator.domain.strategies import find_strategy

BOOK = Spending("2 x H200", 2, 6.0, 300_000_000, Money(48_000_000), Money(48_000_000))
PLAN = Spending("seeweb it-fr2 1 x H200", 1, 19.12, 450_000_000, Money(49_700_001), Money(50_000_000),
                "cheaper per hour, and the whole $50 is used")  # fmt: skip


def table(plan: Spending | str, book: Spending | None = BOOK) -> str:
    return render(OPTIONS, {option.number: Compared(book, plan) for option in OPTIONS})


def test_every_option_costs_what_its_hours_cost() -> None:
    assert [option.adds_up for option in OPTIONS] == [True, True, True]
    assert [option.gpu_hours for option in OPTIONS] == [12, 10, 12]


def test_no_option_spends_more_than_the_budget() -> None:
    assert all(option.cost <= BUDGET for option in OPTIONS)


def test_every_option_and_each_of_its_parts_is_a_strategy_of_the_catalogue() -> None:
    for option in OPTIONS:
        for word in (option.strategy, *(part.strategy for part in option.parts)):
            assert find_strategy(word).key == word


def test_the_split_option_has_the_phases_of_its_strategy() -> None:
    split = OPTIONS[2]
    phases = find_strategy(split.strategy).phases
    assert [part.strategy == "orpo" for part in split.parts] == ["orpo" in phase.techniques for phase in phases]


def test_both_sides_of_an_option_stand_in_one_line_of_as_many_cells_as_the_head() -> None:
    head, rule, *lines = table(PLAN).split("\n\n")[0].splitlines()
    assert len(lines) == len(OPTIONS)
    assert {line.count("|") for line in (head, rule, *lines)} == {7}
    assert "$48: 6 h of 2 x H200 at $8/h" in lines[0]
    assert "$49.71 (at most $50): 19.1 h on seeweb it-fr2 1 x H200" in lines[0]
    assert re.search(r"\| 300\.0 M tokens \|.*\| 450\.0 M tokens \| 1\.50 \|$", lines[0])


def test_a_plan_that_was_refused_is_told_with_its_reason() -> None:
    text = table("GaLore of 8 billion weights fits no offer under the cap")
    assert "| none |  |  |" in text
    assert "- Option 2: no plan: GaLore of 8 billion weights fits no offer under the cap" in text


def test_what_the_book_would_train_may_be_unknown() -> None:
    assert "| not predicted |" in table(PLAN, book=None)


def test_an_option_without_a_comparison_is_an_error() -> None:
    with pytest.raises(KeyError):
        render(OPTIONS, {1: Compared(None, PLAN)})


def test_the_table_renders_into_text_that_ends_in_one_newline(tmp_path: Path) -> None:
    text = table(PLAN)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
