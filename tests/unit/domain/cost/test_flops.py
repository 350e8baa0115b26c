from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.cost.architecture import Architecture
from orchestrator.domain.cost.flops import forward_passes, mean_keys, token_flops
from orchestrator.domain.cost.known import known
from orchestrator.domain.cost.setup import Checkpointing, Method, TrainingSetup


def llama() -> Architecture:
    """Llama-3-8B: 32 layers of width 4096, keys of 1024, an MLP of 14336, 128256 words."""
    found = known("meta-llama/Meta-Llama-3-8B")
    assert found is not None
    return found


BLOCKS = 32 * (4096 * 4096 * 2 + 4096 * 1024 * 2 + 3 * 4096 * 14336)
HEAD = 4096 * 128256
FULL = TrainingSetup(Method.FULL, 2048, checkpointing=Checkpointing.NONE)
LORA = TrainingSetup(Method.LORA, 2048, checkpointing=Checkpointing.NONE, rank=16)
LOW_RANK = 16 * 32 * (2 * 8192 + 2 * 5120 + 3 * 18432)


def test_full_training_costs_six_operations_a_weight() -> None:
    assert token_flops(llama(), FULL).gemm == 6 * (BLOCKS + HEAD)


def test_an_adapter_spares_the_gradients_of_frozen_weights_and_costs_six_of_its_own() -> None:
    flops = token_flops(llama(), LORA)
    assert flops.gemm == 4 * (BLOCKS + HEAD)
    assert flops.adapter == 6 * LOW_RANK


def test_frozen_weights_in_four_bits_cost_the_same_operations() -> None:
    assert token_flops(llama(), replace(LORA, method=Method.QLORA)) == token_flops(llama(), LORA)


def test_galore_multiplies_what_full_training_multiplies() -> None:
    assert token_flops(llama(), replace(FULL, method=Method.GALORE, rank=128)) == token_flops(llama(), FULL)


def test_a_trained_embedding_adds_the_gradient_of_the_head() -> None:
    trained = token_flops(llama(), replace(LORA, trains_embeddings=True))
    assert trained.gemm - token_flops(llama(), LORA).gemm == 2 * HEAD


def test_causal_attention_sees_half_the_sequence_and_its_way_back_costs_two_and_a_half() -> None:
    # 4 x 4096 wide x 1024 keys x 32 layers forwards, 3.5 times that in all.
    assert token_flops(llama(), FULL).attention == 3.5 * 4 * 4096 * 1024 * 32


def test_attention_that_writes_its_scores_computes_the_hidden_half_too() -> None:
    assert token_flops(llama(), replace(FULL, flash=False)).attention == 2 * token_flops(llama(), FULL).attention


def test_checkpointing_does_the_layers_forward_again_and_not_the_head() -> None:
    flops = token_flops(llama(), replace(FULL, checkpointing=Checkpointing.FULL))
    assert flops.recompute == 2 * BLOCKS
    assert flops.attention_recompute == 4 * 4096 * 1024 * 32
    assert flops.model == token_flops(llama(), FULL).total


@pytest.mark.parametrize(
    ("checkpointing", "passes"),
    [(Checkpointing.NONE, 1), (Checkpointing.SELECTIVE, 1), (Checkpointing.FULL, 2), (Checkpointing.OFFLOAD, 2)],
)
def test_layers_are_computed_twice_only_when_all_of_them_are_checkpointed(
    checkpointing: Checkpointing, passes: int
) -> None:
    assert forward_passes(replace(FULL, checkpointing=checkpointing)) == passes


def test_dora_multiplies_with_the_frozen_weights_twice_once_dropout_lies_between() -> None:
    dora = replace(LORA, dora=True)
    assert token_flops(llama(), dora).second == 0
    assert token_flops(llama(), replace(dora, dropout=0.05)).second == 4 * BLOCKS
    again = replace(dora, dropout=0.05, checkpointing=Checkpointing.FULL)
    assert token_flops(llama(), again).second == 6 * BLOCKS


def test_a_pair_is_two_sequences_of_tokens() -> None:
    orpo = replace(LORA, pairs=True, micro_batch=3, accumulation=2, devices=4)
    assert orpo.micro_tokens == 2 * 3 * 2048
    assert orpo.step_tokens == 2 * 3 * 2048 * 2 * 4
    assert token_flops(llama(), orpo) == token_flops(llama(), LORA)


@pytest.mark.parametrize(
    ("window", "keys"),
    [(None, 2048.0), (8192, 2048.0), (4096, 2048.0), (1024, 1024 - 1024 * 1024 / 8192)],
)
def test_a_window_bounds_the_keys_that_a_query_sees(window: int | None, keys: float) -> None:
    assert mean_keys(4096, window) == keys


def test_only_windowed_layers_see_less() -> None:
    half = replace(llama(), window=512, windowed_layers=16)
    seen = 16 * 1024 + 16 * (512 - 512 * 512 / 4096)
    assert token_flops(half, FULL).attention == 3.5 * 4 * 4096 * seen


def test_a_mixture_costs_its_active_experts() -> None:
    mixture = known("mistralai/Mixtral-8x7B-v0.1")
    assert mixture is not None
    flops = token_flops(mixture, FULL)
    assert flops.gemm == 6 * mixture.matmul < 6 * mixture.parameters / 3


def test_transformers_computes_every_expert_of_llama_4_for_every_token_and_others_do_not() -> None:
    scout = known("meta-llama/Llama-4-Scout-17B-16E")
    assert scout is not None
    own = token_flops(scout, replace(FULL, framework="torchtitan"))
    assert own.gemm == 6 * scout.matmul
    assert token_flops(scout, replace(FULL, framework="axolotl")).gemm == 6 * (
        scout.blocks + scout.vocab * scout.hidden
    )
