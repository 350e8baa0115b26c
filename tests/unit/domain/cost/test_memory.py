from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.cost.architecture import Architecture
from orchestrator.domain.cost.coefficients import CellKey, Correction, cell_key
from orchestrator.domain.cost.fitted_memory import MEMORY_COEFFICIENTS
from orchestrator.domain.cost.gpus import GIB, GPUS
from orchestrator.domain.cost.known import known
from orchestrator.domain.cost.memory import fits, p95, predict_memory
from orchestrator.domain.cost.memory_coefficients import ANY, MemoryCell, MemoryCoefficients
from orchestrator.domain.cost.prediction import Prediction
from orchestrator.domain.cost.setup import Checkpointing, Method, Sharding, TrainingSetup
from orchestrator.domain.errors import InvalidInputError

H200 = GPUS["H200"]
COUNTED = MemoryCoefficients({CellKey(ANY, ANY, ANY, ANY): MemoryCell(const=GIB, sigma=0.1)}, {})
"""Bytes as they were counted, and one GiB of context."""
TOKENS = 2048
LORA = TrainingSetup(Method.LORA, TOKENS, micro_batch=1, accumulation=4, rank=16)

# Llama 3.1 8B: 32 layers of q and o 4096 x 4096, k and v 4096 x 1024, gate, up and down 4096 x 14336.
MATRICES = 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336)
EMBEDDING = 128256 * 4096
NORMS = (2 * 32 + 1) * 4096
REST = 2 * EMBEDDING + NORMS
ADAPTER = 32 * 16 * (2 * 8192 + 2 * 5120 + 3 * 18432)
LOGITS = 14 * 128256 * TOKENS
# What a token leaves in a layer: norms 8 h, attention 4 q + 4 k, MLP 6 f; with adapters fp32 copies of the inputs of
# q, k, v, o, gate, up and down, and what comes out of each A.
LAYER = 8 * 4096 + 4 * 4096 + 4 * 1024 + 6 * 14336 + 4 * (6 * 4096 + 14336) + 7 * 4 * 16


def model(name: str = "meta-llama/Llama-3.1-8B") -> Architecture:
    found = known(name)
    assert found is not None
    return found


def counted(setup: TrainingSetup, name: str = "meta-llama/Llama-3.1-8B") -> Prediction:
    return predict_memory(model(name), setup, H200, COUNTED)


def fitted(setup: TrainingSetup, name: str = "meta-llama/Llama-3.1-8B") -> Prediction:
    return predict_memory(model(name), setup, H200, MEMORY_COEFFICIENTS)


def test_lora_holds_weights_in_bf16_and_its_adapter_with_gradients_and_moments_in_fp32() -> None:
    by_hand = GIB + 2 * (MATRICES + REST) + (4 + 8 + 4) * ADAPTER + 2 * 4096 * TOKENS * 32 + LOGITS
    assert counted(LORA).middle == by_hand
    assert counted(LORA).source.startswith("peak of the forward phase")


def test_gradients_wait_for_the_next_forward_pass_only_where_they_accumulate() -> None:
    once = counted(replace(LORA, accumulation=1))
    assert counted(LORA).middle - once.middle == 4 * ADAPTER


def test_qlora_holds_four_bits_and_doubly_quantised_scales_and_one_matrix_as_it_was() -> None:
    weights = 0.516 * MATRICES + 2 * REST
    by_hand = GIB + weights + 2 * 4096 * 14336 + 16 * ADAPTER + 2 * 4096 * TOKENS * 32 + LOGITS
    assert counted(replace(LORA, method=Method.QLORA)).middle == pytest.approx(by_hand)


def test_axolotl_trains_all_weights_with_embedding_head_and_norms_in_fp32() -> None:
    full = TrainingSetup(Method.FULL, TOKENS, accumulation=16)
    by_hand = GIB + 8 * MATRICES + 16 * REST + 4 * 4096 * TOKENS * 32 + LOGITS
    assert counted(full).middle == by_hand
    assert counted(replace(full, framework="transformers")).middle == GIB + 8 * (MATRICES + REST) + (
        2 * 4096 * TOKENS * 32 + LOGITS
    )


def test_a_step_that_is_not_fused_makes_temporaries_of_all_that_is_trained() -> None:
    full = TrainingSetup(Method.FULL, 16, optimizer="adamw_torch", framework="transformers")
    assert counted(full).middle == GIB + (8 + 2) * (MATRICES + REST)
    assert counted(full).source.startswith("peak of the step phase")
    assert counted(replace(full, optimizer="adamw_bnb_8bit")).middle < GIB + 6.1 * (MATRICES + REST)


def test_galore_holds_projected_moments_instead_of_whole_ones() -> None:
    setup = TrainingSetup(Method.GALORE, TOKENS, accumulation=4, rank=128, optimizer="galore_adamw_8bit")
    # Two 8-bit moments of rank x the longer side and a bf16 projection of rank x the shorter one, in each layer.
    square, narrow, wide = 2 * 128 * (4096 + 4096), 2 * 128 * (4096 + 1024), 2 * 128 * (14336 + 4096)
    states = 32 * (2 * square + 2 * narrow + 3 * wide) + 2 * REST
    by_hand = GIB + (2 + 2) * MATRICES + (4 + 4) * REST + states + 4 * 4096 * TOKENS * 32 + LOGITS
    assert counted(setup).middle == pytest.approx(by_hand)


def test_orpo_holds_both_answers_and_more_of_their_logits() -> None:
    pairs = replace(LORA, pairs=True)
    both = 2 * TOKENS
    by_hand = GIB + 2 * (MATRICES + REST) + 16 * ADAPTER + 2 * 4096 * both * 32 + 18 * 128256 * both
    assert counted(pairs).middle == by_hand


def test_without_checkpointing_every_layer_keeps_what_was_counted_for_it() -> None:
    kept = {term.name: term.value for term in counted(replace(LORA, checkpointing=Checkpointing.NONE)).terms}
    assert kept["activations kept"] == LAYER * TOKENS * 32


def test_unflashed_attention_holds_its_scores() -> None:
    eager = replace(LORA, flash=False, checkpointing=Checkpointing.NONE)
    scores = {term.name: term.value for term in counted(eager).terms}["attention scores"]
    assert scores == 5 * 32 * TOKENS**2 * 32


def test_all_experts_are_held_and_only_chosen_ones_are_passed() -> None:
    mixtral = model("mistralai/Mixtral-8x7B-v0.1")
    terms = {term.name: term.value for term in counted(LORA, "mistralai/Mixtral-8x7B-v0.1").terms}
    assert terms["weights"] == 2 * mixtral.parameters
    assert mixtral.active_blocks < 0.4 * mixtral.parameters


def test_trained_embeddings_are_copies_beside_the_frozen_ones() -> None:
    more = counted(replace(LORA, trains_embeddings=True)).middle - counted(LORA).middle
    assert more == (2 + 4 + 2) * 2 * EMBEDDING


def test_plain_data_parallelism_holds_gradients_twice_and_sharding_shares_everything_out() -> None:
    four = replace(LORA, devices=4)
    assert counted(four).middle - counted(LORA).middle == 4 * ADAPTER
    sharded = {term.name: term.value for term in counted(replace(four, sharding=Sharding.FULL)).terms}
    assert sharded["weights"] == 2 * (MATRICES + REST) / 4
    assert sharded["gathered layers"] == 4 * MATRICES / 32


def test_a_fused_loss_leaves_the_last_layer_of_the_backward_pass_as_the_peak() -> None:
    fused = counted(replace(LORA, fused_loss=True))
    kept, in_hand = 2 * 4096 * TOKENS * 31, 1.25 * LAYER * TOKENS
    assert fused.source.startswith("peak of the backward phase")
    assert fused.middle == GIB + 2 * (MATRICES + REST) + 16 * ADAPTER + kept + in_hand


def test_every_term_tells_how_it_was_reckoned() -> None:
    by_name = {term.name: term.formula for term in fitted(LORA).terms}
    assert by_name["weights"] == "2 x 8,030,261,248"
    assert by_name["logits"].startswith("14 x 128,256 words x 2,048 tokens")


def test_seventy_billion_parameters_fit_one_h200_when_quantised_alone() -> None:
    big = "meta-llama/Llama-3.1-70B"
    assert not fits(fitted(LORA, big), H200)
    assert fits(fitted(replace(LORA, method=Method.QLORA), big), H200)


def test_a_cell_that_was_not_measured_is_borrowed_wider_and_says_so() -> None:
    own = predict_memory(model(), replace(LORA, framework="transformers"), GPUS["L40S"], MEMORY_COEFFICIENTS)
    near, far = fitted(LORA), fitted(replace(LORA, framework="never heard of"))
    assert own.sigma < near.sigma < far.sigma
    assert "borrowed" in near.source
    assert "no measurement of never heard of" in far.source


def test_measured_runs_move_and_narrow_the_prediction_and_the_terms_still_sum_to_it() -> None:
    key = cell_key(LORA, H200)
    before = fitted(LORA)
    learned = MEMORY_COEFFICIENTS.corrected({key: Correction(math.log(1.2), 0.02, 9)})
    after = predict_memory(model(), LORA, H200, learned)
    assert 1.1 < after.middle / before.middle < 1.2
    assert after.sigma < before.sigma
    assert math.fsum(term.value for term in after.terms) == pytest.approx(after.middle)
    assert predict_memory(model(), replace(LORA, method=Method.QLORA), H200, learned) == fitted(
        replace(LORA, method=Method.QLORA)
    )


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"sequence_len": 0}, "sequence_len"),
        ({"micro_batch": -1}, "micro_batch"),
        ({"accumulation": 0}, "accumulation"),
        ({"devices": 0}, "devices"),
        ({"sequence_len": 1 << 60}, "sequence_len"),
        ({"rank": 0}, "rank"),
        ({"targets": ("no_such_module",)}, "targets"),
        ({"method": Method.QLORA, "quantization": "int3"}, "quantization"),
    ],
)
def test_a_setup_that_means_nothing_is_refused_by_its_field(change: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        fitted(replace(LORA, **change))  # type: ignore[arg-type]
    assert [problem.field for problem in refusal.value.problems] == [field]


setups = st.builds(
    TrainingSetup,
    method=st.sampled_from(Method),
    sequence_len=st.integers(16, 32768),
    micro_batch=st.integers(1, 32),
    accumulation=st.sampled_from([1, 4]),
    devices=st.sampled_from([1, 2, 4, 8]),
    sharding=st.sampled_from(Sharding),
    checkpointing=st.sampled_from(Checkpointing),
    flash=st.booleans(),
    optimizer=st.sampled_from(["adamw_torch", "adamw_torch_fused", "adamw_bnb_8bit", "galore_adamw_8bit", "adafactor"]),
    rank=st.integers(1, 256),
    dropout=st.sampled_from([0.0, 0.05]),
    dora=st.booleans(),
    pairs=st.booleans(),
    compiled=st.booleans(),
    fused_loss=st.booleans(),
    trains_embeddings=st.booleans(),
    framework=st.sampled_from(["axolotl", "ms-swift", "litgpt", "qwen-finetune", "torchtune", "never heard of"]),
)
names = st.sampled_from(
    ["Qwen/Qwen2.5-0.5B", "meta-llama/Llama-3.1-8B", "mistralai/Mixtral-8x7B-v0.1", "google/gemma-2-2b", "qwen-7b-chat"]
)
Case = tuple[TrainingSetup, str]
cases = st.tuples(setups, names)


@given(cases)
def test_terms_sum_to_the_middle_and_the_p95_lies_above_it(case: Case) -> None:
    told = fitted(*case)
    assert math.fsum(term.value for term in told.terms) == pytest.approx(told.middle)
    assert all(term.value > 0 and term.formula for term in told.terms)
    assert p95(told) > told.middle


@given(cases, st.integers(1, 8192), st.integers(0, 8))
def test_more_tokens_never_need_less(case: Case, longer: int, more: int) -> None:
    setup, name = case
    grown = replace(setup, sequence_len=setup.sequence_len + longer, micro_batch=setup.micro_batch + more)
    assert p95(fitted(grown, name)) >= p95(fitted(setup, name))
    assert fitted(grown, name).middle >= fitted(setup, name).middle


@given(cases)
def test_more_devices_never_need_more_of_each_when_everything_is_sharded(case: Case) -> None:
    sharded = replace(case[0], sharding=Sharding.FULL, framework="axolotl")
    needs = [fitted(replace(sharded, devices=devices), case[1]).middle for devices in (1, 2, 3, 4, 8)]
    assert all(fewer >= more * (1 - 1e-12) for fewer, more in pairwise(needs))


@given(cases)
def test_checkpointing_never_needs_more(case: Case) -> None:
    order = (Checkpointing.OFFLOAD, Checkpointing.FULL, Checkpointing.SELECTIVE, Checkpointing.NONE)
    needs = [fitted(replace(case[0], checkpointing=each), case[1]).middle for each in order]
    assert all(less <= more * (1 + 1e-12) for less, more in pairwise(needs))
