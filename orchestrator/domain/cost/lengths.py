"""How long rows are, one by one and as a histogram that is small enough to be kept with a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

_SHARE_OF_A_BIN = 1 / 64


class RowTokens(NamedTuple):
    """One row, whole: the shortest `sequence_len` that keeps it, the tokens of its longest sequence, and of all."""

    needed: int
    width: int
    tokens: int


@dataclass(frozen=True, slots=True)
class LengthHistogram:
    """Rows from short to long in at most 129 bins: what the longest of a bin needs, how many there are, and sums of
    their width and of their tokens. Rows of one length make a bin of their own while there are few lengths."""

    longest: tuple[int, ...]
    rows: tuple[int, ...]
    width: tuple[int, ...]
    tokens: tuple[int, ...]


Weighted = Mapping[RowTokens, int]
"""Rows, and how many are alike."""


def histogram(weighted: Weighted) -> LengthHistogram:
    """The rows in bins, each with at least a 64th of the rows or of the tokens where there are many lengths."""
    rows, tokens = sum(weighted.values()), sum(row.tokens * count for row, count in weighted.items())
    few = len({row.needed for row in weighted}) <= 2 / _SHARE_OF_A_BIN
    bins: list[list[int]] = []
    for row, count in sorted(weighted.items()):
        if not bins or (row.needed != bins[-1][0] and (few or _is_full(bins[-1], rows, tokens))):
            bins.append([row.needed, 0, 0, 0])
        last = bins[-1]
        last[:] = [row.needed, last[1] + count, last[2] + row.width * count, last[3] + row.tokens * count]
    longest, number, width, total = zip(*bins, strict=True)
    return LengthHistogram(longest, number, width, total)


def _is_full(one: Sequence[int], rows: int, tokens: int) -> bool:
    return one[1] >= rows * _SHARE_OF_A_BIN or one[3] >= tokens * _SHARE_OF_A_BIN


def spread(lengths: LengthHistogram) -> Weighted:
    """Rows of which the histogram could have been made: those of a bin are as alike as whole numbers let them be."""
    found: Counter[RowTokens] = Counter()
    for longest, rows, width, tokens in zip(lengths.longest, lengths.rows, lengths.width, lengths.tokens, strict=True):
        (wide, wider), (many, more) = divmod(width, rows), divmod(tokens, rows)
        edges = sorted({0, wider, more, rows})
        for start, end in pairwise(edges):
            each = wide + (start < wider)
            found[RowTokens(min(longest, each), each, many + (start < more))] += end - start
    return found
