"""A dataset in the model's own tokens."""

from __future__ import annotations

from pydantic import Field

from api.schemas.view import View
from orchestrator.domain.cost.tokens import TYPICAL_MICRO_BATCH, TokenFacts, TokenRange


class TokenRangeView(View):
    """The middle, and what the truth lies between nine times out of ten."""

    middle: int
    low: int
    high: int

    @classmethod
    def of(cls, tokens: TokenRange) -> TokenRangeView:
        return cls(middle=tokens.middle, low=tokens.low, high=tokens.high)


class TokensView(View):
    """One epoch over the rows in the model's own tokens."""

    tokens: TokenRangeView = Field(description="What is trained, after what is too long was dropped, cut or split.")
    whole_tokens: TokenRangeView = Field(description="What there would be if nothing were too long.")
    exact: bool = Field(description="All rows were tokenised.")
    rows: int
    counted_rows: int
    examples: int = Field(description="What a micro-batch counts: rows, pairs, or pieces of completions.")
    sequences: int = Field(description="Of each example: two for a pair.")
    mean_length: float = Field(description="Tokens of one sequence.")
    longest: int = Field(description="Tokens of the longest row.")
    sequence_len: int
    dropped_rows: int
    cut_rows: int = Field(description="Rows that are truncated or split.")
    fill_packed: float = Field(description="Share of packed sequences that holds tokens.")
    fill_padded: float = Field(description=f"The same of padded micro-batches of {TYPICAL_MICRO_BATCH}.")
    source: str
    notes: list[str]

    @classmethod
    def of(cls, facts: TokenFacts) -> TokensView:
        return cls(
            tokens=TokenRangeView.of(facts.tokens),
            whole_tokens=TokenRangeView.of(facts.whole_tokens),
            exact=facts.exact,
            rows=facts.rows,
            counted_rows=facts.counted_rows,
            examples=facts.examples,
            sequences=facts.sequences,
            mean_length=facts.mean_length,
            longest=facts.longest,
            sequence_len=facts.sequence_len,
            dropped_rows=facts.dropped_rows,
            cut_rows=facts.cut_rows,
            fill_packed=facts.fill_packed,
            fill_padded=facts.fill_padded,
            source=facts.source,
            notes=list(facts.notes),
        )
