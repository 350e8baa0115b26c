"""How many tokens a dataset is to a model: counted rows in, totals with their interval out, at any sequence length."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from statistics import NormalDist
from typing import NamedTuple

from orchestrator.domain.cost.lengths import LengthHistogram, RowTokens, Weighted, histogram, spread
from orchestrator.domain.cost.packing import first_fit, mean_longest, packed_steps, padded_steps

LEAST_TOKENS = 2
"""Axolotl drops what is shorter (`min_sample_len`)."""
LONGEST_PIECES = 64
"""Axolotl cuts a completion's text after this many pieces of `sequence_len`."""
TYPICAL_MICRO_BATCH = 4
MOST_PACKED = 20_000
"""Sequences that packing is simulated on; more change its fill by less than a per mille."""
_Z90 = NormalDist().inv_cdf(0.95)


class Excess(StrEnum):
    """What becomes of a row that is longer than `sequence_len` (`excess_length_strategy`; completions are split)."""

    DROP = "drop"
    TRUNCATE = "truncate"
    RAISE = "raise"
    """The trainer stops with an error."""
    SPLIT = "split"


@dataclass(frozen=True, slots=True)
class TokenRange:
    """Tokens: the middle, and what the truth lies between with a probability of 90 %."""

    middle: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """One epoch over a dataset in one model's tokens, trained at `sequence_len`.

    `rows` are those that are trained on, of which `counted_rows` were tokenised; `exact` says that these are all.
    `tokens` is what is trained, `whole_tokens` what there would be if no row were too long. An example is what a
    micro-batch counts: a row, or a piece of a completion; it is `sequences` sequences, two for a pair. `mean_length`
    is the tokens of one sequence, `longest` those of the longest row before it is cut. Held-out rows are not in it.

    `fill_packed` is the share of packed bins of `sequence_len` that holds tokens (first-fit, simulated), `fill_padded`
    the share of micro-batches of `TYPICAL_MICRO_BATCH` that does when each is padded to its own longest sequence.
    `doubt` is the share by which all lengths may be wrong alike, zero for a real tokenizer. `least` is the shortest
    row that is trained on.
    """

    rows: int
    counted_rows: int
    exact: bool
    tokens: TokenRange
    whole_tokens: TokenRange
    examples: int
    sequences: int
    mean_length: float
    longest: int
    sequence_len: int
    excess: Excess
    dropped_rows: int
    cut_rows: int
    fill_packed: float
    fill_padded: float
    lengths: LengthHistogram
    source: str
    notes: tuple[str, ...] = ()
    doubt: float = 0.0
    least: int = LEAST_TOKENS

    @property
    def usable(self) -> bool:
        """Whether anything is left to train on."""
        return self.examples > 0


class Reading(NamedTuple):
    """How rows become examples: `sequences` of each, and what happens to the ones that are too long or too short."""

    sequence_len: int
    excess: Excess = Excess.DROP
    sequences: int = 1
    least: int = LEAST_TOKENS


def facts_from_lengths(
    lengths: Iterable[int],
    rows: int,
    sequence_len: int,
    *,
    excess: Excess = Excess.DROP,
    source: str = "counted",
    notes: Sequence[str] = (),
) -> TokenFacts:
    """The facts of rows of one sequence each, as `facts_from_rows`."""
    counted = (RowTokens(length, length, length) for length in lengths)
    return facts_from_rows(counted, rows, Reading(sequence_len, excess), source=source, notes=notes)


def facts_from_rows(
    counted: Iterable[RowTokens],
    rows: int,
    reading: Reading,
    *,
    source: str = "counted",
    notes: Sequence[str] = (),
    doubt: float = 0.0,
) -> TokenFacts:
    """The facts of `rows` training rows, of which `counted` are all or a random sample. ValueError for no counted row,
    or more of them than rows."""
    weighted = Counter(counted)
    number = weighted.total()
    if not 0 < number <= rows:
        raise ValueError(f"{number} rows were counted of {rows}")
    known = _Known(rows, number, histogram(weighted), source, tuple(notes), doubt)
    return _facts(weighted, known, reading)


@lru_cache(maxsize=64)
def rescaled(facts: TokenFacts, sequence_len: int, excess: Excess | None = None) -> TokenFacts:
    """The same rows trained at another `sequence_len` (or with another fate of the long ones), without counting again.
    What depends on where inside a bin of the histogram the limit falls is off by at most that bin."""
    chosen = facts.excess if excess is None else excess
    if (sequence_len, chosen) == (facts.sequence_len, facts.excess):
        return facts
    known = _Known(facts.rows, facts.counted_rows, facts.lengths, facts.source, facts.notes, facts.doubt)
    done = _facts(spread(facts.lengths), known, Reading(sequence_len, chosen, facts.sequences, facts.least))
    return replace(done, longest=facts.longest, whole_tokens=facts.whole_tokens)


def padded_width(facts: TokenFacts, micro_batch: int, multiple: int = 1) -> float:
    """Mean tokens that each sequence of a micro-batch is padded to: its longest one's, rounded up to `multiple` (64
    where `pad_to_sequence_len` is not set; `sequence_len` where it is true). Zero for facts that are not usable."""
    widths = _widths(_examples(spread(facts.lengths), _reading(facts)))
    return mean_longest(widths, min(micro_batch, max(facts.examples, 1)), multiple) if widths else 0.0


def padded_fill(facts: TokenFacts, micro_batch: int, multiple: int = 1) -> float:
    """The share of padded micro-batches that holds tokens."""
    width = padded_width(facts, micro_batch, multiple)
    return facts.mean_length / width if width else 0.0


def packed_fill(facts: TokenFacts, capacity: int) -> float:
    """The share of packed bins of `capacity` tokens, at least `sequence_len`, that holds tokens."""
    if capacity == facts.sequence_len:
        return facts.fill_packed
    return _packed(_examples(spread(facts.lengths), _reading(facts)), capacity)


def steps_per_epoch(
    facts: TokenFacts, *, packed: bool, micro_batch: int, accumulation: int = 1, devices: int = 1, joined: bool = False
) -> int:
    """Optimizer steps of one epoch, at least 1. `joined` is told in `packed_steps`."""
    if not packed:
        return padded_steps(facts.examples, micro_batch, accumulation, devices)
    capacity = facts.sequence_len * (micro_batch if joined else 1)
    fill = packed_fill(facts, capacity)
    bins = round(facts.tokens.middle / (capacity * fill)) if fill else 0
    return packed_steps(bins, micro_batch, accumulation, devices, joined=joined)


class _Known(NamedTuple):
    """What does not depend on the reading."""

    rows: int
    counted: int
    lengths: LengthHistogram
    source: str
    notes: tuple[str, ...]
    doubt: float


def _facts(weighted: Weighted, known: _Known, reading: Reading) -> TokenFacts:
    examples = _examples(weighted, reading)
    trained = [(sum(each.tokens for each in pieces), count) for pieces, count in examples]
    scale = known.rows / known.counted
    number = sum(len(pieces) * count for pieces, count in examples)
    tokens = sum(total * count for total, count in trained)
    widths = _widths(examples)
    mean = tokens / (number * reading.sequences) if number else 0.0
    return TokenFacts(
        rows=known.rows,
        counted_rows=known.counted,
        exact=known.counted == known.rows and known.doubt == 0,
        tokens=_total(trained, known),
        whole_tokens=_total([(row.tokens, count) for row, count in weighted.items()], known),
        examples=round(number * scale),
        sequences=reading.sequences,
        mean_length=mean,
        longest=max(row.width for row in weighted),
        sequence_len=reading.sequence_len,
        excess=reading.excess,
        dropped_rows=round(scale * sum(count for pieces, count in examples if not pieces)),
        cut_rows=round(scale * sum(count for row, count in weighted.items() if _is_cut(row, reading))),
        fill_packed=_packed(examples, reading.sequence_len),
        fill_padded=mean / mean_longest(widths, min(TYPICAL_MICRO_BATCH, number)) if widths else 0.0,
        lengths=known.lengths,
        source=known.source,
        notes=known.notes,
        doubt=known.doubt,
        least=reading.least,
    )


Examples = list[tuple[list[RowTokens], int]]
"""What each row becomes, and how many rows become it."""


def _examples(weighted: Weighted, reading: Reading) -> Examples:
    return [(_trained(row, reading), count) for row, count in weighted.items()]


def _trained(row: RowTokens, reading: Reading) -> list[RowTokens]:
    limit = reading.sequence_len
    if reading.excess is Excess.SPLIT:
        whole, rest = divmod(min(row.width, limit * LONGEST_PIECES), limit)
        sizes = [limit] * whole + [rest] * (rest > 0)
        return [RowTokens(size, size, size) for size in sizes if size >= reading.least]
    if row.needed < reading.least or (row.needed > limit and reading.excess is not Excess.TRUNCATE):
        return []
    # A pair may outgrow what it was admitted by, by the tokens that begin and end a text: TRL cuts it then.
    width = min(row.width, limit)
    return [RowTokens(min(row.needed, limit), width, min(row.tokens, width * reading.sequences))]


def _is_cut(row: RowTokens, reading: Reading) -> bool:
    return reading.excess in {Excess.TRUNCATE, Excess.SPLIT} and row.needed > reading.sequence_len


def _total(values: Sequence[tuple[int, int]], known: _Known) -> TokenRange:
    """Of all rows, from the counted ones: normal, with the correction for a finite population. Cochran, Sampling
    Techniques, 3rd ed., section 2.6."""
    number, rows = known.counted, known.rows
    mean = sum(value * count for value, count in values) / number
    squares = sum((value - mean) ** 2 * count for value, count in values)
    error = math.sqrt(squares / max(number - 1, 1) / number * (1 - number / rows))
    middle, half = rows * mean, _Z90 * rows * error
    low, high = (middle - half) * (1 - known.doubt), (middle + half) * (1 + known.doubt)
    return TokenRange(round(middle), max(math.floor(low + 0.5), 0), math.ceil(high - 0.5))


def _packed(examples: Examples, capacity: int) -> float:
    """By simulation on the examples, or on a sample of them, in a shuffled order that is always the same."""
    sizes = [size for size, count in _widths(examples) for _ in range(round(count))]
    if not sizes:
        return 0.0
    order = random.Random(len(sizes))  # noqa: S311 - a repeatable shuffle, no secret
    chosen = order.sample(sizes, min(len(sizes), MOST_PACKED))
    return sum(chosen) / (first_fit(chosen, capacity) * capacity)


def _widths(examples: Examples) -> list[tuple[int, float]]:
    counts: Counter[int] = Counter()
    for pieces, count in examples:
        for each in pieces:
            counts[each.width] += count
    return [(width, float(count)) for width, count in sorted(counts.items())]


def _reading(facts: TokenFacts) -> Reading:
    return Reading(facts.sequence_len, facts.excess, facts.sequences, facts.least)
