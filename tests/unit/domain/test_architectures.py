"""Architectures from configs: what is counted, and what is refused."""

from __future__ import annotations

from time import process_time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from orchestrator.domain.cost.architecture import Part
from orchestrator.domain.cost.configs import FAMILIES, architecture_of
from orchestrator.domain.errors import InvalidInputError

LLAMA_8B = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
}
MIXTRAL = {"model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 2}
SIZES = (
    "hidden_size",
    "intermediate_size",
    "num_attention_heads",
    "num_hidden_layers",
    "num_key_value_heads",
    "vocab_size",
    "max_position_embeddings",
    "head_dim",
)


def refusal(**config: Any) -> str:
    with pytest.raises(InvalidInputError) as refused:
        architecture_of("owner/model", config)
    assert [one.field for one in refused.value.problems] == ["model"]
    return refused.value.problems[0].message


def test_the_sizes_of_a_llama_are_counted() -> None:
    model = architecture_of("owner/model", LLAMA_8B)
    assert (model.name, model.model_type, model.context) == ("owner/model", "llama", 131072)
    assert (model.layers, model.hidden, model.heads, model.kv_heads, model.head_dim) == (32, 4096, 32, 8, 128)
    assert (model.ffn, model.gated, model.tied, model.kv_width) == (14336, True, False, 1024)
    assert model.blocks == 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336)
    assert model.matmul == model.blocks + 128256 * 4096
    assert model.parameters == 8_030_261_248


def test_an_adapter_of_all_matrices_and_of_some_is_counted() -> None:
    model = architecture_of("owner/model", LLAMA_8B)
    assert model.adapter_parameters(16) == 41_943_040
    assert model.adapter_parameters(16, ["q_proj", "v_proj"]) == 16 * 32 * (4096 + 4096 + 4096 + 1024)
    assert model.adapter_parameters(16, ["lm_head"]) == 0


def test_a_tied_head_is_counted_once_and_multiplied_with() -> None:
    apart = architecture_of("a", LLAMA_8B)
    tied = architecture_of("b", {**LLAMA_8B, "tie_word_embeddings": True})
    assert apart.parameters - tied.parameters == tied.embedding
    assert tied.matmul == apart.matmul


def test_a_token_passes_few_of_the_experts_of_a_mixture() -> None:
    model = architecture_of("owner/model", MIXTRAL)
    assert model.parameters == 46_702_792_704
    assert model.active_blocks < model.blocks / 3
    assert model.ffn == 2 * 14336
    experts = [each for each in model.linears if each.part is Part.EXPERT]
    assert [(each.name, each.copies, each.active) for each in experts] == [("gate_up_proj", 8, 2), ("down_proj", 8, 2)]


def test_stacked_experts_get_adapters_only_by_the_names_that_they_once_had() -> None:
    model = architecture_of("owner/model", MIXTRAL)
    assert {each.name for each in model.targeted(None)} == {"q_proj", "k_proj", "v_proj", "o_proj"}
    assert model.targeted(["gate_up_proj", "down_proj"]) == ()
    assert [each.name for each in model.targeted(["w1", "w2", "w3"])] == ["gate_up_proj", "down_proj"]
    assert model.adapter_parameters(8, ["w2"]) == 8 * 32 * 8 * (14336 + 4096)


def test_what_a_config_leaves_out_is_filled_in_as_its_class_does() -> None:
    assert architecture_of("a", {"model_type": "mistral"}).window == 4096
    assert architecture_of("a", {"model_type": "mistral", "sliding_window": None}).window is None
    assert architecture_of("a", {"model_type": "qwen2"}).linears[0].bias
    assert architecture_of("a", {"model_type": "gemma2"}).windowed_layers == 13
    assert architecture_of("a", {"model_type": "llama", "num_attention_heads": 16}).kv_heads == 16


def test_quantised_weights_change_nothing() -> None:
    packed = {**LLAMA_8B, "quantization_config": {"bits": 4, "quant_method": "gptq"}}
    assert architecture_of("a", packed) == architecture_of("a", LLAMA_8B)


def test_of_a_model_that_also_sees_the_text_part_is_taken() -> None:
    seeing = {"model_type": "gemma3", "vision_config": {"hidden_size": 1152}, "text_config": {"hidden_size": 2560}}
    assert architecture_of("a", seeing).model_type == "gemma3_text"
    assert architecture_of("a", seeing).hidden == 2560
    named = {"model_type": "anything", "text_config": LLAMA_8B}
    assert architecture_of("a", named) == architecture_of("a", LLAMA_8B)
    assert "text_config" in refusal(model_type="anything", text_config={})


def test_the_width_of_layers_that_differ_is_their_mean() -> None:
    model = architecture_of("a", {"model_type": "deepseek_v3"})
    assert model.ffn == -(-(58 * 9 * 2048 + 3 * 18432) // 61)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "model_type is missing"),
        ({"model_type": 7}, "model_type is no word"),
        ({"model_type": "bert"}, "model_type is 'bert'"),
        ({"model_type": "llama", "hidden_size": -4096}, "hidden_size is -4096"),
        ({"model_type": "llama", "hidden_size": "4096"}, "hidden_size is '4096'"),
        ({"model_type": "llama", "hidden_size": 4096.0}, "hidden_size is 4096.0"),
        ({"model_type": "llama", "vocab_size": True}, "vocab_size is True"),
        ({"model_type": "llama", "num_hidden_layers": 0}, "num_hidden_layers is 0"),
        ({"model_type": "llama", "num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000"),
        ({"model_type": "llama", "num_attention_heads": 30}, "num_attention_heads is 30, which does not divide"),
        ({"model_type": "llama", "num_key_value_heads": 5}, "num_key_value_heads is 5, which does not divide"),
        ({"model_type": "llama", "tie_word_embeddings": "yes"}, "tie_word_embeddings is 'yes'"),
        ({"model_type": "llama", "vocab_size": float("nan")}, "vocab_size is"),
        ({"model_type": "llama", "vocab_size": [1]}, "vocab_size is a list"),
        ({"model_type": "gpt2", "n_head": 5}, "n_head is 5"),
        ({"model_type": "qwen"}, "hidden_size is missing"),
        ({"model_type": "deepseek_v2"}, "num_experts_per_tok is missing"),
        ({"model_type": "mixtral", "num_experts_per_tok": 9}, "num_experts_per_tok is 9, of 8 experts"),
        ({"model_type": "gemma2", "layer_types": ["full_attention"]}, "layer_types is not a list of 26"),
        ({"model_type": "gemma2", "layer_types": ["mamba"] * 26}, "layer_types has 'mamba'"),
        ({"model_type": "gemma2", "layer_types": [1] * 26}, "layer_types holds something that is no word"),
        ({"model_type": "qwen3_moe", "mlp_only_layers": ["one"]}, "mlp_only_layers is 'one'"),
        ({"model_type": "qwen3_moe", "mlp_only_layers": 3}, "mlp_only_layers is not a list"),
        ({"model_type": "qwen3_moe", "decoder_sparse_step": 0}, "decoder_sparse_step is 0"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_its_key(config: dict[str, Any], said: str) -> None:
    assert said in refusal(**config)


def test_endless_numbers_are_refused_at_once_and_not_printed() -> None:
    begun = process_time()
    for key in SIZES:
        assert len(refusal(model_type="llama", **{key: 10**5000})) < 200
    assert "more than 1e+15 parameters" in refusal(
        model_type="llama", hidden_size=1 << 24, intermediate_size=1 << 24, num_hidden_layers=1024
    )
    assert "layer_types" in refusal(model_type="gemma2", layer_types=["full_attention"] * 10**6)
    assert process_time() - begun < 2


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    model_type=some.sampled_from(sorted(FAMILIES)),
    config=some.dictionaries(
        some.sampled_from(
            (*SIZES, "sliding_window", "layer_types", "num_experts", "num_experts_per_tok", "n_head", "moe_layers")
        ),
        some.one_of(
            some.none(),
            some.booleans(),
            some.integers(),
            some.floats(),
            some.text(max_size=5),
            some.lists(some.integers(-1, 5), max_size=3),
        ),
        max_size=4,
    ),
)
def test_any_config_is_understood_or_refused(model_type: str, config: dict[str, Any]) -> None:
    try:
        model = architecture_of("a", {"model_type": model_type, **config})
    except InvalidInputError:
        return
    assert 0 < model.parameters <= 10**15
    assert 0 <= model.windowed_layers <= model.layers
    assert model.active_blocks <= model.blocks
