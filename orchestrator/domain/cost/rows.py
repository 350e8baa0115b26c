"""The rows of a training as planning sees them: how many, how long, how well they fill what is computed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from orchestrator.domain.cost.tokens import TokenFacts, padded_width, rescaled, steps_per_epoch
from orchestrator.domain.json_value import JsonValue

UNKNOWN_ROWS = 10_000
TOKEN_FILL = 0.5
"""Share of `sequence_len` that an average row fills before the rows were counted in tokens."""


@dataclass(frozen=True, slots=True)
class Rows:
    """`count` rows (None while they are not counted), and what they are in the model's tokens, where that was found
    out."""

    count: int | None = None
    facts: TokenFacts | None = None

    @property
    def number(self) -> int:
        """Rows to plan with."""
        return UNKNOWN_ROWS if self.count is None else self.count

    def padded(self, micro_batch: int, sequence_len: int, recipe: Mapping[str, JsonValue]) -> float:
        """Tokens that each sequence of a micro-batch of so many rows costs, padding counted."""
        if recipe.get("sample_packing") is True or recipe.get("pad_to_sequence_len") is True:
            return sequence_len
        if self.facts is None:
            return sequence_len * TOKEN_FILL
        return _width(rescaled(self.facts, sequence_len), micro_batch)

    def longest_of(self, sequence_len: int) -> int:
        """Tokens of the longest sequence that is trained on."""
        if self.facts is None:
            return sequence_len
        return min(sequence_len, self.facts.longest)

    def steps_per_epoch(
        self, micro_batch: int, accumulation: int, devices: int, sequence_len: int, *, packed: bool
    ) -> int:
        """Optimizer steps of one epoch, at least 1."""
        if self.facts is not None:
            facts = rescaled(self.facts, sequence_len)
            return steps_per_epoch(
                facts, packed=packed, micro_batch=micro_batch, accumulation=accumulation, devices=devices
            )
        fill = TOKEN_FILL if packed else 1.0
        return max(math.ceil(self.number * fill / (micro_batch * accumulation * devices)), 1)

    def tokens(self, sequence_len: int) -> float:
        """Tokens of one epoch, padding not counted."""
        if self.facts is not None:
            return rescaled(self.facts, sequence_len).tokens.middle
        return self.number * sequence_len * TOKEN_FILL

    @property
    def told(self) -> tuple[str, str]:
        """Their number in words, and where it comes from."""
        if self.count is None:
            return "unknown", f"{UNKNOWN_ROWS} assumed"
        return str(self.count), "counted" if self.facts is None else self.facts.source

    @property
    def tokens_source(self) -> str:
        """Where the number of tokens comes from."""
        if self.facts is None:
            return f"rows that fill {TOKEN_FILL:.0%} of sequence_len, assumed"
        return self.facts.source


NOT_COUNTED = Rows()


@lru_cache(maxsize=1024)
def _width(facts: TokenFacts, micro_batch: int) -> float:
    return padded_width(facts, micro_batch)
