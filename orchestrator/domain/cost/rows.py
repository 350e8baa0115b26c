"""The rows of a training as planning sees them: how many, how long, how well they fill what is computed."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.domain.recipe import TrainingShape

UNKNOWN_ROWS = 10_000
TOKEN_FILL = 0.5
"""Share of `sequence_len` that an average row fills before the rows were counted in tokens."""


@dataclass(frozen=True, slots=True)
class Rows:
    """`count` rows (None while they are not counted)."""

    count: int | None = None

    @property
    def number(self) -> int:
        """Rows to plan with."""
        return UNKNOWN_ROWS if self.count is None else self.count

    def padded(self, micro_batch: int, sequence_len: int) -> float:
        """Tokens that a row costs in a micro-batch of so many, padding counted."""
        return sequence_len * TOKEN_FILL

    def longest_of(self, sequence_len: int) -> int:
        """Tokens of the longest row that is trained on."""
        return sequence_len

    def sequences(self, shape: TrainingShape, *, packed: bool) -> int:
        """Sequences of an epoch: rows, or what they are packed into."""
        return self.number

    def tokens(self, shape: TrainingShape) -> float:
        """Tokens of all epochs, padding not counted."""
        return self.number * shape.sequence_len * TOKEN_FILL * shape.num_epochs

    @property
    def told(self) -> tuple[str, str]:
        """Their number in words, and where it comes from."""
        if self.count is None:
            return "unknown", f"{UNKNOWN_ROWS} assumed"
        return str(self.count), "counted"

    @property
    def tokens_source(self) -> str:
        """Where the number of tokens comes from."""
        return f"rows that fill {TOKEN_FILL:.0%} of sequence_len, assumed"


NOT_COUNTED = Rows()
