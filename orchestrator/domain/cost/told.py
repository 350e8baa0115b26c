"""A dataset of which somebody only says how many tokens it has."""

from __future__ import annotations

import math
from statistics import NormalDist

from orchestrator.domain.cost.tokens import TokenFacts, facts_from_lengths

ROW_TOKENS = 400
"""What an instruction with its answer has, if nothing is said: between Alpaca's 130 and a chat's 800."""
LENGTH_SIGMA = 0.6
"""Spread of the logarithm of a row's length; instruction data sets have 0.5 to 0.9."""
QUANTILES = 200


def told_facts(tokens: int, sequence_len: int, row_tokens: int | None = None) -> TokenFacts:
    """The facts of `tokens` tokens in rows of about `row_tokens`. Their lengths are log-normal: were they all alike,
    nothing would be padded."""
    mean = min(ROW_TOKENS if row_tokens is None else row_tokens, sequence_len, tokens)
    rows = max(round(tokens / mean), 1)
    count = min(rows, QUANTILES)
    middle = mean * math.exp(-(LENGTH_SIGMA**2) / 2)
    drawn = [middle * math.exp(LENGTH_SIGMA * NormalDist().inv_cdf((index + 0.5) / count)) for index in range(count)]
    bounded = [min(max(length, 2.0), sequence_len) for length in drawn]
    scale = mean * count / sum(bounded)
    lengths = [min(max(round(length * scale), 2), sequence_len) for length in bounded]
    how = "as said" if row_tokens is not None else "assumed"
    return facts_from_lengths(
        lengths, rows, sequence_len, source=f"{tokens} tokens, as said; rows of {mean} tokens on average, {how}"
    )
