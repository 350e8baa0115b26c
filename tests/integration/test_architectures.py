"""Architectures from configs, held against the models that `transformers` makes of them and the adapters of PEFT."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from node_jobs import TRAINER_PYTHON, run_trainer_script

from orchestrator.domain.cost.architecture import Architecture
from orchestrator.domain.cost.configs import FAMILIES, architecture_of
from orchestrator.domain.cost.known import ENTRIES, known

pytestmark = [
    pytest.mark.trainer,
    pytest.mark.skipif(not TRAINER_PYTHON.exists(), reason="no trainer environment"),
]
RANK = 8
NOT_NATIVE = {"qwen", "chatglm", "baichuan", "internlm2", "RefinedWeb", "RefinedWebModel"}
"""Their code comes with the weights, or they have another name by now."""
INCOMPLETE: dict[str, dict[str, object]] = {
    # Their config classes fill in something that their models cannot be made of.
    "deepseek_v2": {"num_experts_per_tok": 6},
    "ministral": {"head_dim": 128},
    "nemotron": {"num_key_value_heads": 8},
}
SWITCHES: dict[str, dict[str, object]] = {
    "llama with biases": {"model_type": "llama", "attention_bias": True, "mlp_bias": True},
    "llama whose heads are wider": {"model_type": "llama", "head_dim": 96, "num_key_value_heads": 4},
    "qwen2 with a window": {"model_type": "qwen2", "use_sliding_window": True, "sliding_window": 4096},
    "qwen2_moe with dense layers": {"model_type": "qwen2_moe", "decoder_sparse_step": 2, "mlp_only_layers": [1, 3]},
    "qwen3_moe without experts": {"model_type": "qwen3_moe", "num_experts": 0},
    "gemma3 with another pattern": {"model_type": "gemma3_text", "sliding_window_pattern": 4},
    "gemma2 with layer_types": {
        "model_type": "gemma2",
        "num_hidden_layers": 3,
        "layer_types": ["full_attention", "full_attention", "sliding_attention"],
    },
    "llama4 with dense layers": {"model_type": "llama4_text", "interleave_moe_layer_step": 2},
    "llama4 with named layers": {"model_type": "llama4_text", "moe_layers": [3, 5]},
    "stablelm in parallel": {"model_type": "stablelm", "use_parallel_residual": True, "qk_layernorm": True},
    "phi with norms of heads": {"model_type": "phi", "qk_layernorm": True, "num_key_value_heads": 8},
    "cohere with norms of heads": {"model_type": "cohere", "use_qk_norm": True},
    "gpt_neox without biases": {"model_type": "gpt_neox", "attention_bias": False},
    "gpt2 of another width": {"model_type": "gpt2", "n_inner": 1000, "n_positions": 77},
    "gpt_bigcode with all heads": {"model_type": "gpt_bigcode", "multi_query": False},
    "falcon of the first kind": {
        "model_type": "falcon",
        "hidden_size": 2048,
        "num_attention_heads": 32,
        "multi_query": False,
        "parallel_attn": False,
        "bias": True,
        "alibi": True,
    },
    "falcon with one norm": {
        "model_type": "falcon",
        "hidden_size": 4096,
        "num_attention_heads": 32,
        "num_kv_heads": 8,
        "new_decoder_architecture": True,
        "num_ln_in_parallel_attn": 1,
    },
    "deepseek_v3 with biases": {"model_type": "deepseek_v3", "attention_bias": True, "num_hidden_layers": 5},
    "deepseek_v2 without low-rank queries": {
        "model_type": "deepseek_v2",
        "q_lora_rank": None,
        "num_experts_per_tok": 2,
        "first_k_dense_replace": 40,
    },
    "glm4_moe with norms of heads": {
        "model_type": "glm4_moe",
        "use_qk_norm": True,
        "head_dim": 128,
        "attention_bias": True,
        "first_k_dense_replace": 3,
    },
    "qwen3_5 with layer_types": {
        "model_type": "qwen3_5_text",
        "num_hidden_layers": 3,
        "layer_types": ["linear_attention", "full_attention", "full_attention"],
        "attention_bias": True,
    },
    "qwen3_next with dense layers": {
        "model_type": "qwen3_next",
        "num_hidden_layers": 10,
        "full_attention_interval": 5,
        "decoder_sparse_step": 2,
        "linear_num_value_heads": 16,
        "linear_conv_kernel_dim": 3,
    },
    "opt without biases": {"model_type": "opt", "enable_bias": False, "do_layer_norm_before": False},
    "opt without weights of norms": {"model_type": "opt", "layer_norm_elementwise_affine": False, "ffn_dim": 100},
    "bloom of 560M": {"model_type": "bloom", "hidden_size": 1024, "n_layer": 24, "n_head": 16},
    "gptj of another width": {"model_type": "gptj", "n_inner": 1000, "n_embd": 512, "n_layer": 3},
    "gpt_neo of 125M": {
        "model_type": "gpt_neo",
        "hidden_size": 768,
        "num_layers": 12,
        "num_heads": 12,
        "attention_types": [[["global", "local"], 6]],
    },
    "starcoder2 without biases": {"model_type": "starcoder2", "use_bias": False, "tie_word_embeddings": False},
}
ADAPTED = (
    "meta-llama/Llama-3.1-8B",
    "meta-llama/Llama-2-70b-hf",
    "Qwen/Qwen2.5-7B",
    "Qwen/Qwen3-8B",
    "Qwen/Qwen3-30B-A3B",
    "Qwen/Qwen1.5-MoE-A2.7B",
    "mistralai/Mixtral-8x7B-v0.1",
    "google/gemma-2-9b",
    "google/gemma-3-1b-pt",
    "microsoft/phi-2",
    "microsoft/Phi-3-mini-4k-instruct",
    "EleutherAI/pythia-1b",
    "tiiuae/falcon-7b",
    "mpt-1b",
    "stabilityai/stablelm-2-1_6b",
    "allenai/OLMo-2-0425-1B",
    "openai/gpt-oss-20b",
    "meta-llama/Llama-4-Scout-17B-16E",
    "deepseek-ai/DeepSeek-V2-Lite",
    "bigcode/starcoder2-3b",
)
"""Known models that adapters are put on, under the names of all their modules."""
NAMED: dict[str, list[str]] = {
    "meta-llama/Llama-3.1-8B": ["q_proj", "v_proj"],
    "microsoft/Phi-3-mini-4k-instruct": ["qkv_proj", "gate_up_proj"],
    "mistralai/Mixtral-8x7B-v0.1": ["q_proj", "gate", "w1", "w2", "w3"],
    "Qwen/Qwen3-30B-A3B": ["v_proj", "gate_proj", "up_proj", "down_proj"],
    "Qwen/Qwen1.5-MoE-A2.7B": ["gate_proj", "up_proj", "down_proj"],
    "deepseek-ai/DeepSeek-V2-Lite": ["q_proj", "gate_proj", "up_proj"],
}


@dataclass(frozen=True)
class Case:
    config: dict[str, Any]
    mine: Architecture
    targets: list[list[str]]


def cases() -> dict[str, Case]:
    """Every native family as its config class fills it in, its switches, and every known model of such a family."""
    configs: dict[str, dict[str, Any]] = {
        name: {"model_type": name, **INCOMPLETE.get(name, {})} for name in FAMILIES if name not in NOT_NATIVE
    }
    configs |= SWITCHES
    configs |= {entry.id: dict(entry.config) for entry in ENTRIES if entry.config["model_type"] not in NOT_NATIVE}
    found: dict[str, Case] = {}
    for name, config in configs.items():
        mine = architecture_of(name, config)
        targets = [sorted({each.name for each in mine.linears if each.module})] if name in ADAPTED else []
        found[name] = Case(config, mine, targets + ([NAMED[name]] if name in NAMED else []))
    return found


CASES = cases()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What `transformers` and PEFT make of all cases, in one process."""
    asked = tmp_path_factory.mktemp("architectures") / "cases.json"
    asked.write_text(json.dumps([{"config": case.config, "targets": case.targets} for case in CASES.values()]))
    told = run_trainer_script(str(Path(__file__).with_name("node_meta_models.py")), str(asked))
    return dict(zip(CASES, json.loads(told), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_an_architecture_has_the_parameters_and_matrices_of_the_model(
    made: dict[str, dict[str, Any]], name: str
) -> None:
    mine, theirs = CASES[name].mine, made[name]
    assert mine.parameters == theirs["parameters"]
    modules: dict[tuple[str, int, int, bool], int] = {}
    for each in mine.linears:
        if each.module:
            kind = (each.name, each.inputs, each.outputs, each.bias)
            modules[kind] = modules.get(kind, 0) + each.layers * each.copies
    assert sorted([*kind, count] for kind, count in modules.items()) == theirs["linears"]
    if theirs["limited"] is not None and (mine.window is not None or mine.recurrent_layers):
        assert mine.windowed_layers + mine.recurrent_layers == theirs["limited"]


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.targets])
def test_adapters_have_the_parameters_that_peft_gives_them(made: dict[str, dict[str, Any]], name: str) -> None:
    case = CASES[name]
    mine = [case.mine.adapter_parameters(RANK, targets) for targets in case.targets]
    assert mine == made[name]["adapters"]
    if name in ADAPTED:
        assert case.mine.adapter_parameters(RANK) == made[name]["adapters"][0]


def test_every_native_family_and_the_usual_sizes_are_among_the_cases() -> None:
    assert set(FAMILIES) - NOT_NATIVE <= set(CASES)
    for name in ("llama3.1-8b", "llama3.1-70b", "qwen2.5-32b", "mixtral-8x7b", "qwen3-30b-a3b", "gpt-oss-20b"):
        found = known(name)
        assert found is not None
        assert found.name in CASES
