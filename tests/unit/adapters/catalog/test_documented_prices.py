"""What docs/prices.md shows is what is taken."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from orchestrator.adapters.catalog.list_forms import read_price_list
from orchestrator.adapters.catalog.price_list import COLUMNS

TEXT = (Path(__file__).parents[4] / "docs" / "prices.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("form", "offers"), [("csv", 2), ("yaml", 1)])
def test_the_examples_are_price_files(form: str, offers: int) -> None:
    (example,) = re.findall(rf"```{form}\n(.*?)```", TEXT, re.DOTALL)
    day = date(2026, 11, 24)
    assert len(read_price_list(f"prices.{form}", example.encode(), day, day, "the document")) == offers


def test_every_column_is_described() -> None:
    table = TEXT.split("| column | |")[1]
    assert all(f"`{name}`" in table for name in COLUMNS)
