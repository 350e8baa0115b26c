"""Tokens of a dataset: by hand, against brute force, and by simulation."""

from __future__ import annotations

import json
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.adapters.codec import decode, encode
from orchestrator.domain.cost.lengths import RowTokens, histogram, spread
from orchestrator.domain.cost.packing import first_fit, mean_longest
from orchestrator.domain.cost.tokens import (
    Excess,
    Reading,
    TokenFacts,
    TokenRange,
    facts_from_lengths,
    facts_from_rows,
    packed_fill,
    padded_fill,
    padded_width,
    rescaled,
    steps_per_epoch,
)

LENGTHS = st.lists(st.integers(1, 300), min_size=1, max_size=200)


def drawn(seed: int, number: int) -> list[int]:
    draw = random.Random(seed)
    return [max(2, int(draw.lognormvariate(5, 0.8))) for _ in range(number)]


def test_rows_that_are_too_long_are_dropped_or_cut_or_split_as_the_strategy_has_it() -> None:
    lengths = [1, 5, 8, 20]
    told = {each: facts_from_lengths(lengths, 4, 8, excess=each) for each in Excess}

    assert {each: (facts.examples, facts.tokens.middle) for each, facts in told.items()} == {
        Excess.DROP: (2, 13),
        Excess.RAISE: (2, 13),
        Excess.TRUNCATE: (3, 21),
        Excess.SPLIT: (5, 33),  # 5, 8, 8 + 8 + 4; the single token is too short
    }
    assert (told[Excess.DROP].dropped_rows, told[Excess.DROP].cut_rows) == (2, 0)
    assert (told[Excess.TRUNCATE].dropped_rows, told[Excess.TRUNCATE].cut_rows) == (1, 1)
    assert {facts.longest for facts in told.values()} == {20}
    assert {facts.whole_tokens for facts in told.values()} == {TokenRange(34, 34, 34)}


def test_a_completion_ends_after_sixty_four_pieces_and_loses_a_rest_of_one_token() -> None:
    assert facts_from_lengths([1000], 1, 8, excess=Excess.SPLIT).examples == 64
    assert facts_from_lengths([17], 1, 8, excess=Excess.SPLIT).tokens.middle == 16


def test_a_pair_is_two_sequences_as_wide_as_the_longer_answer_makes_it() -> None:
    facts = facts_from_rows([RowTokens(9, 10, 16), RowTokens(5, 6, 12)], 2, Reading(32, sequences=2, least=1))

    assert (facts.examples, facts.tokens.middle, facts.mean_length, facts.longest) == (2, 28, 7.0, 10)
    assert padded_width(facts, 1) == 8.0
    assert padded_width(facts, 2) == 9.0  # the mean of the longest of two draws: 10 in three of four cases
    assert padded_fill(facts, 1) == 7 / 8


def test_a_dataset_whose_rows_are_all_too_long_is_not_usable() -> None:
    facts = facts_from_lengths([50, 60], 2, 16)

    assert not facts.usable
    assert (facts.tokens.middle, facts.fill_packed, facts.fill_padded, padded_width(facts, 4)) == (0, 0.0, 0.0, 0.0)
    assert steps_per_epoch(facts, packed=True, micro_batch=2) == 1


@pytest.mark.parametrize(("counted", "rows"), [([], 3), ([1, 2], 1)])
def test_no_counted_row_or_more_of_them_than_there_are_is_refused(counted: list[int], rows: int) -> None:
    with pytest.raises(ValueError, match="rows were counted"):
        facts_from_lengths(counted, rows, 16)


def test_steps_are_those_of_full_batches_and_packing_drops_what_is_left_over() -> None:
    facts = facts_from_lengths([4] * 30, 30, 8)  # two in a bin: 15 bins

    assert steps_per_epoch(facts, packed=False, micro_batch=2, accumulation=2, devices=2) == 4
    assert steps_per_epoch(facts, packed=True, micro_batch=2, accumulation=2, devices=1) == 3
    assert steps_per_epoch(facts, packed=True, micro_batch=2, accumulation=2, devices=2) == 1
    assert steps_per_epoch(facts, packed=True, micro_batch=2, joined=True) == 8
    assert packed_fill(facts, 16) == 30 * 4 / (8 * 16)


def bins_by_brute_force(lengths: list[int], capacity: int, most: int) -> int:
    bins: list[list[int]] = []
    for length in lengths:
        for each in bins:
            if sum(each) + length <= capacity and len(each) < most:
                each.append(length)
                break
        else:
            bins.append([length])
    return len(bins)


@given(LENGTHS, st.integers(300, 900), st.integers(1, 12))
def test_packing_is_first_fit(lengths: list[int], capacity: int, most: int) -> None:
    assert first_fit(lengths, capacity, most) == bins_by_brute_force(lengths, capacity, most)


def test_the_mean_longest_is_that_of_many_drawn_batches() -> None:
    lengths = drawn(5, 4000)
    widths = [(length, float(lengths.count(length))) for length in sorted(set(lengths))]
    draw = random.Random(6)
    batches = [max(draw.choices(lengths, k=8)) for _ in range(20_000)]

    assert mean_longest(widths, 8) == pytest.approx(sum(batches) / len(batches), rel=0.01)
    assert mean_longest(widths, 8, 64) >= mean_longest(widths, 8)


def test_the_interval_of_a_sample_covers_the_truth_nine_times_out_of_ten() -> None:
    population = drawn(1, 5000)
    truth = facts_from_lengths(population, 5000, 512).tokens.middle
    draw = random.Random(2)
    covered = 0
    for _ in range(300):
        told = facts_from_lengths(draw.sample(population, 500), 5000, 512)
        assert not told.exact
        covered += told.tokens.low <= truth <= told.tokens.high

    assert 0.86 <= covered / 300 <= 0.94


def test_doubt_about_every_length_widens_the_interval_of_a_whole_count() -> None:
    facts = facts_from_rows([RowTokens(100, 100, 100)] * 4, 4, Reading(512), doubt=0.5)

    assert facts.tokens == TokenRange(400, 200, 600)
    assert not facts.exact


@given(LENGTHS, st.integers(8, 400))
def test_what_is_kept_tells_another_sequence_length_exactly_while_lengths_are_few(
    lengths: list[int], other: int
) -> None:
    few = [length // 3 + 1 for length in lengths]
    for excess in (Excess.DROP, Excess.TRUNCATE, Excess.SPLIT):
        kept = facts_from_lengths(few, len(few), 64, excess=excess)
        anew = facts_from_lengths(few, len(few), other, excess=excess)
        told = rescaled(kept, other)
        assert (told.tokens, told.examples, told.dropped_rows, told.cut_rows) == (
            anew.tokens, anew.examples, anew.dropped_rows, anew.cut_rows
        )  # fmt: skip


@pytest.mark.parametrize("other", [128, 512, 1024, 8192])
def test_what_is_kept_tells_another_sequence_length_closely_for_many_lengths(other: int) -> None:
    lengths = drawn(3, 20_000)
    told, anew = rescaled(facts_from_lengths(lengths, 20_000, 2048), other), facts_from_lengths(lengths, 20_000, other)

    assert told.tokens.middle == pytest.approx(anew.tokens.middle, rel=0.02)
    assert told.fill_packed == pytest.approx(anew.fill_packed, abs=0.01)
    assert told.fill_padded == pytest.approx(anew.fill_padded, abs=0.01)
    assert (told.longest, told.whole_tokens) == (anew.longest, anew.whole_tokens)


@given(LENGTHS)
def test_a_histogram_loses_no_row_and_no_token(lengths: list[int]) -> None:
    rows = {RowTokens(length, length + 1, 2 * length): lengths.count(length) for length in lengths}
    kept = histogram(rows)
    again = spread(kept)

    assert len(kept.rows) <= 129
    assert all(one < other for one, other in pairwise(kept.longest))
    assert sum(again.values()) == len(lengths)
    for index in (1, 2):
        assert sum(row[index] * n for row, n in again.items()) == sum(row[index] * n for row, n in rows.items())


@given(LENGTHS, st.integers(16, 512), st.integers(1, 64))
def test_shares_are_shares_and_padding_never_falls_below_the_mean(
    lengths: list[int], sequence_len: int, micro_batch: int
) -> None:
    facts = facts_from_lengths(lengths, len(lengths), sequence_len)

    assert 0 <= facts.fill_packed <= 1
    assert 0 <= facts.fill_padded <= 1.000001
    assert facts.tokens.low == facts.tokens.middle == facts.tokens.high
    if facts.usable:
        assert padded_width(facts, micro_batch) >= facts.mean_length - 1e-6
        assert padded_width(facts, micro_batch + 1) >= padded_width(facts, micro_batch) - 1e-6


def test_facts_are_written_and_read_again_and_stay_small() -> None:
    facts = facts_from_lengths(drawn(4, 30_000), 60_000, 2048, notes=("a sample",))
    document = json.dumps(encode(TokenFacts, facts))

    assert decode(TokenFacts, json.loads(document)) == facts
    assert len(document) < 5000
