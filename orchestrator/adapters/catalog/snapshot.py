"""The prices that come with the project: read by hand from many places, dated one by one. docs/prices.md tells how."""

from __future__ import annotations

from datetime import date
from functools import cache
from pathlib import Path

from orchestrator.adapters.catalog.list_forms import read_price_list
from orchestrator.domain.offers import Offer

FILE = Path(__file__).parent / "snapshot.csv"
MADE_ON = date(2026, 11, 24)


@cache
def snapshot() -> tuple[Offer, ...]:
    """The offers of the snapshot; every row has its own day, and its own source."""
    return read_price_list(FILE.name, FILE.read_bytes(), MADE_ON, MADE_ON, "the project's snapshot")
