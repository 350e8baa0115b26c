"""Rows of which a person says only how many tokens they have: enough for a quote, not for a run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from orchestrator.domain.cost.told import told_facts
from orchestrator.domain.errors import FieldProblem, InvalidInputError
from orchestrator.domain.recipe import TrainingShape
from orchestrator.domain.run import DatasetRef
from orchestrator.domain.stages import StageKind, StageSpec
from orchestrator.services.rows import Rows

MOST_TOKENS = 10**12
MOST_ROW_TOKENS = 1 << 20
HELDOUT_ROWS = 64
_COUNT = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,6}))?\s*([kmb]?)", re.IGNORECASE)
_TIMES = {"": 0, "k": 3, "m": 6, "b": 9}


@dataclass(frozen=True, slots=True)
class ToldTokens:
    """`tokens` in all, in rows of `row_tokens` on average (None: an assumption)."""

    tokens: int
    row_tokens: int | None = None

    @classmethod
    def parse(cls, tokens: object, row_tokens: object) -> ToldTokens:
        """Raises `InvalidInputError` naming `dataset_tokens` or `row_tokens`."""
        problems: list[FieldProblem] = []
        whole = _count(tokens, "dataset_tokens", MOST_TOKENS, problems)
        row = None if row_tokens is None else _count(row_tokens, "row_tokens", MOST_ROW_TOKENS, problems)
        if problems:
            raise InvalidInputError(problems)
        return cls(whole, row)

    def rows(self, stages: Sequence[StageSpec]) -> Rows:
        """What they are taken for: as many rows as the tokens fill, pairs where a training needs them."""
        trainings = [stage for stage in stages if stage.kind is StageKind.TRAIN]
        length = max(TrainingShape.from_recipe(stage.recipe).sequence_len for stage in trainings)
        facts = told_facts(self.tokens, length, self.row_tokens)
        name = f"{self.tokens} tokens"
        told = DatasetRef(name, "alpaca", facts.rows, HELDOUT_ROWS, name, is_local=False, tokens=facts)
        if not any(stage.on_pairs for stage in trainings):
            return Rows(told)
        # Every token is read once by each training; a pair's are those of its two sides.
        pairs = replace(facts, rows=max(facts.rows // 2, 1), examples=max(facts.examples // 2, 1), sequences=2)
        paired = replace(told, format="alpaca_pairs", rows=pairs.rows, tokens=pairs)
        return Rows(paired) if all(stage.on_pairs for stage in trainings) else Rows(told, paired)


def _count(value: object, field: str, most: int, problems: list[FieldProblem]) -> int:
    """A whole number from 1, as a number or as text with K, M or B."""
    found = _whole(value)
    if found is None or not 1 <= found <= most:
        problems.append(FieldProblem(field, f"must be a whole number from 1 to {most}, for example 20000000 or 20M"))
        return 1
    return found


def _whole(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    matched = _COUNT.fullmatch(value.strip()) if isinstance(value, str) and len(value) <= 40 else None
    if matched is None:
        return None
    digits, fraction, unit = matched.group(1), matched.group(2) or "", matched.group(3).lower()
    zeros = _TIMES[unit] - len(fraction)
    return int(digits + fraction + "0" * zeros) if zeros >= 0 else None
