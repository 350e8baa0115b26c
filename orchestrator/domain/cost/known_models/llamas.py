"""Llama, Mistral and what is built like them."""

from __future__ import annotations

from orchestrator.domain.cost.known_models.entry import Entry, shape


def _llama(
    hidden: int, layers: int, heads: int, kv_heads: int, ffn: int, vocab: int, context: int
) -> dict[str, object]:
    return shape("llama", hidden, layers, heads, ffn, vocab, context, kv_heads)


def _llama3(hidden: int, layers: int, heads: int, ffn: int, context: int = 131072) -> dict[str, object]:
    return _llama(hidden, layers, heads, 8, ffn, 128256, context)


def _mistral(
    hidden: int, layers: int, heads: int, ffn: int, vocab: int, context: int, window: int | None = None
) -> dict[str, object]:
    return shape("mistral", hidden, layers, heads, ffn, vocab, context, 8, head_dim=128, sliding_window=window)


def _mixtral(hidden: int, layers: int, heads: int, ffn: int, vocab: int, context: int) -> dict[str, object]:
    return shape("mixtral", hidden, layers, heads, ffn, vocab, context, 8, num_local_experts=8, num_experts_per_tok=2)


def _smollm(hidden: int, layers: int, heads: int, kv_heads: int, ffn: int, context: int) -> dict[str, object]:
    return shape("llama", hidden, layers, heads, ffn, 49152, context, kv_heads, tied=True)


_SCOUT = {
    "model_type": "llama4_text",
    "hidden_size": 5120,
    "num_hidden_layers": 48,
    "num_attention_heads": 40,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": 8192,
    "intermediate_size_mlp": 16384,
    "num_local_experts": 16,
    "num_experts_per_tok": 1,
    "interleave_moe_layer_step": 1,
    "vocab_size": 202048,
    "max_position_embeddings": 10485760,
}
_MAVERICK = {
    **_SCOUT,
    "num_local_experts": 128,
    "interleave_moe_layer_step": 2,
    "max_position_embeddings": 1048576,
}

LLAMAS = (
    Entry("huggyllama/llama-7b", _llama(4096, 32, 32, 32, 11008, 32000, 2048), 6738415616, ("llama-1-7b",)),
    Entry("huggyllama/llama-13b", _llama(5120, 40, 40, 40, 13824, 32000, 2048), 13015864320, ("llama-1-13b",)),
    Entry("huggyllama/llama-30b", _llama(6656, 60, 52, 52, 17920, 32000, 2048), 32528943616, ("llama-33b",)),
    Entry("huggyllama/llama-65b", _llama(8192, 80, 64, 64, 22016, 32000, 2048), 65285660672, ("llama-1-65b",)),
    Entry("meta-llama/Llama-2-7b-hf", _llama(4096, 32, 32, 32, 11008, 32000, 4096), 6738415616, ("vicuna-7b-v1.5",)),
    Entry("meta-llama/Llama-2-13b-hf", _llama(5120, 40, 40, 40, 13824, 32000, 4096), 13015864320),
    Entry("meta-llama/Llama-2-70b-hf", _llama(8192, 80, 64, 8, 28672, 32000, 4096), 68976648192),
    Entry("codellama/CodeLlama-7b-hf", _llama(4096, 32, 32, 32, 11008, 32016, 16384), 6738546688),
    Entry("codellama/CodeLlama-13b-hf", _llama(5120, 40, 40, 40, 13824, 32016, 16384), 13016028160),
    Entry("codellama/CodeLlama-34b-hf", _llama(8192, 48, 64, 8, 22016, 32000, 16384), 33743970304),
    Entry("meta-llama/Meta-Llama-3-8B", _llama3(4096, 32, 32, 14336, 8192), 8030261248),
    Entry("meta-llama/Meta-Llama-3-70B", _llama3(8192, 80, 64, 28672, 8192), 70553706496),
    Entry("meta-llama/Llama-3.1-8B", _llama3(4096, 32, 32, 14336), 8030261248, ("DeepSeek-R1-Distill-Llama-8B",)),
    Entry("meta-llama/Llama-3.1-70B", _llama3(8192, 80, 64, 28672), 70553706496, ("DeepSeek-R1-Distill-Llama-70B",)),
    Entry("meta-llama/Llama-3.1-405B", _llama3(16384, 126, 128, 53248), 405853388800),
    Entry(
        "meta-llama/Llama-3.2-1B",
        {**_llama3(2048, 16, 32, 8192), "head_dim": 64, "tie_word_embeddings": True},
        1235814400,
    ),
    Entry(
        "meta-llama/Llama-3.2-3B",
        {**_llama3(3072, 28, 24, 8192), "head_dim": 128, "tie_word_embeddings": True},
        3212749824,
    ),
    Entry("meta-llama/Llama-3.3-70B-Instruct", _llama3(8192, 80, 64, 28672), 70553706496),
    Entry(
        "meta-llama/Llama-4-Scout-17B-16E",
        _SCOUT,
        aliases=("llama-4-scout", "llama-4-scout-17b", "llama4-scout-109b-a17b", "llama4-scout-109b"),
    ),
    Entry("meta-llama/Llama-4-Maverick-17B-128E", _MAVERICK, aliases=("llama-4-maverick",)),
    Entry(
        "TinyLlama/TinyLlama-1.1B-Chat-v1.0",
        _llama(2048, 22, 32, 4, 5632, 32000, 2048),
        1100048384,
        ("tinyllama", "tiny-llama", "tiny-llama-1.1b", "tinyllama-1.1b", "TinyLlama-1.1B-intermediate-step-1431k-3T"),
    ),
    Entry("HuggingFaceTB/SmolLM-135M", _smollm(576, 30, 9, 3, 1536, 2048), 134515008),
    Entry("HuggingFaceTB/SmolLM-360M", _smollm(960, 32, 15, 5, 2560, 2048), 361821120),
    Entry("HuggingFaceTB/SmolLM-1.7B", _smollm(2048, 24, 32, 32, 8192, 2048), 1711376384),
    Entry("HuggingFaceTB/SmolLM2-135M", _smollm(576, 30, 9, 3, 1536, 8192), 134515008),
    Entry("HuggingFaceTB/SmolLM2-360M", _smollm(960, 32, 15, 5, 2560, 8192), 361821120),
    Entry("HuggingFaceTB/SmolLM2-1.7B", _smollm(2048, 24, 32, 32, 8192, 8192), 1711376384),
    Entry(
        "HuggingFaceTB/SmolLM3-3B",
        shape("smollm3", 2048, 36, 16, 11008, 128256, 65536, 4, tied=True),
        3075098624,
        ("smollm3",),
    ),
    Entry("01-ai/Yi-6B", _llama(4096, 32, 32, 4, 11008, 64000, 4096), 6061035520, ("yi-1.5-6b",)),
    Entry("01-ai/Yi-9B", _llama(4096, 48, 32, 4, 11008, 64000, 4096), 8829407232, ("yi-1.5-9b",)),
    Entry("01-ai/Yi-34B", _llama(7168, 60, 56, 8, 20480, 64000, 4096), 34388917248, ("yi-1.5-34b",)),
    Entry("deepseek-ai/deepseek-llm-7b-base", _llama(4096, 30, 32, 32, 11008, 102400, 4096), 6910365696),
    Entry("deepseek-ai/deepseek-llm-67b-base", _llama(8192, 95, 64, 8, 22016, 102400, 4096)),
    Entry(
        "mistralai/Mistral-7B-v0.1",
        _mistral(4096, 32, 32, 14336, 32000, 32768, 4096),
        7241732096,
        ("mistral-7b", "HuggingFaceH4/zephyr-7b-beta", "zephyr-7b-alpha", "OpenHermes-2.5-Mistral-7B"),
    ),
    Entry("mistralai/Mistral-7B-v0.2", _mistral(4096, 32, 32, 14336, 32000, 32768), 7241732096),
    Entry("mistralai/Mistral-7B-v0.3", _mistral(4096, 32, 32, 14336, 32768, 32768), 7248023552),
    # Zephyr with a vocabulary that was made larger.
    Entry(
        "OpenBuddy/openbuddy-zephyr-7b-v14.1",
        _mistral(4096, 32, 32, 14336, 36608, 32768, 4096),
        aliases=("openbuddy-zephyr-7b",),
    ),
    Entry(
        "mistralai/Mistral-Nemo-Base-2407",
        _mistral(5120, 40, 32, 14336, 131072, 131072),
        12247782400,
        ("mistral-nemo", "mistral-nemo-12b", "mistral-12b-nemo"),
    ),
    Entry(
        "mistralai/Ministral-8B-Instruct-2410",
        _mistral(4096, 36, 32, 12288, 131072, 32768),
        8019808256,
        ("ministral-8b",),
    ),
    Entry(
        "mistralai/Mistral-Small-Instruct-2409",
        _mistral(6144, 56, 48, 16384, 32768, 32768),
        22247282688,
        ("mistral-small-22b",),
    ),
    Entry(
        "mistralai/Mistral-Small-24B-Base-2501",
        _mistral(5120, 40, 32, 32768, 131072, 32768),
        23572403200,
        ("mistral-small-24b", "mistral-small-3", "mistral-small-3-24b"),
    ),
    Entry(
        "mistralai/Mistral-Small-3.1-24B-Base-2503",
        _mistral(5120, 40, 32, 32768, 131072, 131072),
        aliases=("mistral-small-3.1-24b", "mistral-small-3.2-24b", "mistral-small-3.2-24b-instruct-2506"),
    ),
    Entry(
        "mistralai/Mistral-Large-Instruct-2407",
        _mistral(12288, 88, 96, 28672, 32768, 131072),
        122610069504,
        ("mistral-large-123b", "mistral-large-instruct-2411"),
    ),
    Entry("mistralai/Mixtral-8x7B-v0.1", _mixtral(4096, 32, 32, 14336, 32000, 32768), 46702792704, ("mixtral-8x7b",)),
    Entry(
        "mistralai/Mixtral-8x22B-v0.1", _mixtral(6144, 56, 48, 16384, 32000, 65536), 140620634112, ("mixtral-8x22b",)
    ),
)
