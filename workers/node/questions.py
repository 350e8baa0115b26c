"""What a row asks: to keep the questions that a run is evaluated on out of every dataset that it trains on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from workers.node.rows import Row


def question(row: Mapping[str, Any]) -> str:
    """The text that an answer follows, the same for every form of row; empty for rows that ask nothing."""
    if "instruction" in row:
        return _plain(f"{row['instruction']}\n{row.get('input') or ''}")
    turns = row.get("chosen") if isinstance(row.get("chosen"), list) else row.get("messages")
    if not isinstance(turns, list):
        return ""
    return _plain("\n".join(str(turn["content"]) for turn in turns[:-1] if turn["role"] != "system"))


def without_questions_of(rows: Sequence[Row], heldout: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Those of `rows` that ask nothing that a held-out row asks."""
    asked = {question(row) for row in heldout} - {""}
    return [row for row in rows if question(row) not in asked]


def _plain(text: str) -> str:
    return " ".join(text.split())
