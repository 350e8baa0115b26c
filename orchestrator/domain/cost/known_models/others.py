"""Families with a few models each."""

from __future__ import annotations

from orchestrator.domain.cost.known_models.entry import Entry, shape


def _olmo2(hidden: int, layers: int, heads: int, kv_heads: int, ffn: int) -> dict[str, object]:
    return shape("olmo2", hidden, layers, heads, ffn, 100352, 4096, kv_heads)


def _neox(hidden: int, layers: int, heads: int, vocab: int, context: int = 2048) -> dict[str, object]:
    return {
        "model_type": "gpt_neox",
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": 4 * hidden,
        "vocab_size": vocab,
        "max_position_embeddings": context,
    }


def _gpt2(hidden: int, layers: int, heads: int) -> dict[str, object]:
    return {"model_type": "gpt2", "n_embd": hidden, "n_layer": layers, "n_head": heads, "vocab_size": 50257}


def _mpt(hidden: int, layers: int, heads: int, vocab: int = 50368, context: int = 2048) -> dict[str, object]:
    """The sizes of llm-foundry, without the learned positions and the biases of its benchmarks."""
    return {
        "model_type": "mpt",
        "d_model": hidden,
        "n_layers": layers,
        "n_heads": heads,
        "vocab_size": vocab,
        "max_seq_len": context,
    }


def _falcon(hidden: int, layers: int, heads: int, kv_heads: int) -> dict[str, object]:
    return {
        "model_type": "falcon",
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_kv_heads": kv_heads,
        "new_decoder_architecture": True,
        "vocab_size": 65024,
    }


def _chatglm(layers: int, vocab: int, context: int) -> dict[str, object]:
    return {
        "model_type": "chatglm",
        "hidden_size": 4096,
        "num_layers": layers,
        "num_attention_heads": 32,
        "ffn_hidden_size": 13696,
        "kv_channels": 128,
        "multi_query_attention": True,
        "multi_query_group_num": 2,
        "add_qkv_bias": True,
        "padded_vocab_size": vocab,
        "seq_length": context,
    }


def _opt(hidden: int, layers: int, heads: int) -> dict[str, object]:
    return {
        "model_type": "opt",
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "ffn_dim": 4 * hidden,
    }


def _bloom(hidden: int, layers: int, heads: int) -> dict[str, object]:
    return {"model_type": "bloom", "hidden_size": hidden, "n_layer": layers, "n_head": heads, "seq_length": 2048}


def _gpt_neo(hidden: int, layers: int, heads: int) -> dict[str, object]:
    types = [[["global", "local"], layers // 2]]
    return {
        "model_type": "gpt_neo",
        "hidden_size": hidden,
        "num_layers": layers,
        "num_heads": heads,
        "attention_types": types,
    }


_DEEPSEEK_V2_LITE = {
    "model_type": "deepseek_v2",
    "hidden_size": 2048,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
    "intermediate_size": 10944,
    "moe_intermediate_size": 1408,
    "n_routed_experts": 64,
    "n_shared_experts": 2,
    "num_experts_per_tok": 6,
    "first_k_dense_replace": 1,
    "q_lora_rank": None,
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "vocab_size": 102400,
    "max_position_embeddings": 163840,
}
_DEEPSEEK_V2 = {
    **_DEEPSEEK_V2_LITE,
    "hidden_size": 5120,
    "num_hidden_layers": 60,
    "num_attention_heads": 128,
    "num_key_value_heads": 128,
    "intermediate_size": 12288,
    "moe_intermediate_size": 1536,
    "n_routed_experts": 160,
    "q_lora_rank": 1536,
}
_GPT_OSS_20B = {"model_type": "gpt_oss", "num_hidden_layers": 24, "num_local_experts": 32, "num_experts_per_tok": 4}

OTHERS = (
    Entry("allenai/OLMo-1B-hf", shape("olmo", 2048, 16, 16, 8192, 50304, 2048, tied=True), 1176764416),
    Entry("allenai/OLMo-7B-hf", shape("olmo", 4096, 32, 32, 11008, 50304, 2048), 6888095744),
    Entry("allenai/OLMo-2-0425-1B", _olmo2(2048, 16, 16, 16, 8192), 1484916736, ("olmo-2-1b",)),
    Entry("allenai/OLMo-2-1124-7B", _olmo2(4096, 32, 32, 32, 11008), 7298617344, ("olmo-2-7b",)),
    Entry("allenai/OLMo-2-1124-13B", _olmo2(5120, 40, 40, 40, 13824), 13716198400, ("olmo-2-13b",)),
    Entry("allenai/OLMo-2-0325-32B", _olmo2(5120, 64, 40, 8, 27648), 32234279936, ("olmo-2-32b",)),
    Entry("baichuan-inc/Baichuan2-7B-Base", shape("baichuan", 4096, 32, 32, 11008, 125696, 4096), 7505973248),
    Entry("baichuan-inc/Baichuan2-13B-Base", shape("baichuan", 5120, 40, 40, 13696, 125696, 4096), 13896668160),
    Entry("THUDM/chatglm2-6b", _chatglm(28, 65024, 32768), 6243584000),
    Entry("THUDM/chatglm3-6b", _chatglm(28, 65024, 8192), 6243584000),
    Entry("THUDM/glm-4-9b", _chatglm(40, 151552, 131072), 9399951360, ("zai-org/glm-4-9b",)),
    Entry("zai-org/GLM-4.5-Air", {"model_type": "glm4_moe", "head_dim": 128, "attention_bias": True}),
    Entry("internlm/internlm2-1_8b", shape("internlm2", 2048, 24, 16, 8192, 92544, 32768, 8), 1889110016),
    Entry("internlm/internlm2-7b", shape("internlm2", 4096, 32, 32, 14336, 92544, 32768, 8), 7737708544),
    Entry("internlm/internlm2-20b", shape("internlm2", 6144, 48, 48, 16384, 92544, 32768, 8), 19861149696),
    Entry("deepseek-ai/DeepSeek-V2-Lite", _DEEPSEEK_V2_LITE, 15706484224, ("deepseek-coder-v2-lite",)),
    Entry("deepseek-ai/DeepSeek-V2", _DEEPSEEK_V2, 235741434880),
    Entry(
        "deepseek-ai/DeepSeek-V3",
        {"model_type": "deepseek_v3", "max_position_embeddings": 163840},
        aliases=("deepseek-r1", "deepseek-r1-0528", "deepseek-v3-0324"),
    ),
    Entry("openai/gpt-oss-20b", _GPT_OSS_20B, 20914757184),
    Entry("openai/gpt-oss-120b", {"model_type": "gpt_oss"}, 116829156672),
    Entry(
        "ibm-granite/granite-3.1-2b-base", shape("granite", 2048, 40, 32, 8192, 49155, 131072, 8, tied=True), 2533531648
    ),
    Entry(
        "ibm-granite/granite-3.1-8b-base",
        shape("granite", 4096, 40, 32, 12800, 49155, 131072, 8, tied=True),
        8170848256,
    ),
    Entry("bigcode/starcoder2-3b", shape("starcoder2", 3072, 30, 24, 12288, 49152, 16384, 2, tied=True), 3030371328),
    Entry("bigcode/starcoder2-7b", shape("starcoder2", 4608, 32, 36, 18432, 49152, 16384, 4, tied=True), 7173923840),
    Entry("bigcode/starcoder2-15b", shape("starcoder2", 6144, 40, 48, 24576, 49152, 16384, 4, tied=False)),
    Entry("tiiuae/falcon-7b", {"model_type": "falcon"}, 6921720704),
    Entry("tiiuae/falcon-40b", _falcon(8192, 60, 128, 8)),
    Entry("tiiuae/falcon-180B", _falcon(14848, 80, 232, 8)),
    Entry("openai-community/gpt2", _gpt2(768, 12, 12), 124439808, ("gpt2-small", "gpt2-124m")),
    Entry("openai-community/gpt2-medium", _gpt2(1024, 24, 16), 354823168, ("gpt2-355m",)),
    Entry("openai-community/gpt2-large", _gpt2(1280, 36, 20), 774030080, ("gpt2-774m",)),
    Entry("openai-community/gpt2-xl", _gpt2(1600, 48, 25), 1557611200, ("gpt2-1.5b",)),
    Entry("EleutherAI/pythia-70m", _neox(512, 6, 8, 50304), 70426624, ("pythia-70m-deduped",)),
    Entry("EleutherAI/pythia-160m", _neox(768, 12, 12, 50304), 162322944, ("pythia-160m-deduped",)),
    Entry("EleutherAI/pythia-410m", _neox(1024, 24, 16, 50304), 405334016, ("pythia-410m-deduped",)),
    Entry("EleutherAI/pythia-1b", _neox(2048, 16, 8, 50304), 1011781632, ("pythia-1b-deduped",)),
    Entry("EleutherAI/pythia-1.4b", _neox(2048, 24, 16, 50304), 1414647808, ("pythia-1.4b-deduped",)),
    Entry("EleutherAI/pythia-2.8b", _neox(2560, 32, 32, 50304), 2775208960, ("pythia-2.8b-deduped",)),
    Entry("EleutherAI/pythia-6.9b", _neox(4096, 32, 32, 50432), 6857302016, ("pythia-6.9b-deduped",)),
    Entry("EleutherAI/pythia-12b", _neox(5120, 36, 40, 50688), 11846072320, ("pythia-12b-deduped",)),
    Entry("EleutherAI/gpt-neox-20b", _neox(6144, 44, 64, 50432), 20554567680),
    Entry("stabilityai/stablelm-base-alpha-3b", _neox(4096, 16, 32, 50688, 4096), aliases=("stablelm-tuned-alpha-3b",)),
    Entry("stabilityai/stablelm-base-alpha-7b", _neox(6144, 16, 48, 50432, 4096), aliases=("stablelm-tuned-alpha-7b",)),
    Entry("stabilityai/stablelm-3b-4e1t", shape("stablelm", 2560, 32, 32, 6912, 50304, 4096), 2795443200),
    Entry(
        "stabilityai/stablelm-2-1_6b",
        shape("stablelm", 2048, 24, 32, 5632, 100352, 4096, use_qkv_bias=True),
        1644515328,
        ("stablelm-2-1.6b",),
    ),
    Entry("EleutherAI/gpt-neo-125m", _gpt_neo(768, 12, 12), 125198592),
    Entry("EleutherAI/gpt-neo-1.3B", _gpt_neo(2048, 24, 16), 1315575808),
    Entry("EleutherAI/gpt-neo-2.7B", _gpt_neo(2560, 32, 20)),
    Entry("EleutherAI/gpt-j-6b", {"model_type": "gptj"}, 6050882784),
    Entry("facebook/opt-125m", _opt(768, 12, 12), 125239296),
    Entry("facebook/opt-1.3b", _opt(2048, 24, 32), 1315758080),
    Entry("facebook/opt-6.7b", _opt(4096, 32, 32), 6658473984),
    Entry("bigscience/bloom-560m", _bloom(1024, 24, 16), 559214592),
    Entry("bigscience/bloom-7b1", _bloom(4096, 30, 32), 7069016064),
    Entry("mpt-125m", _mpt(768, 12, 12)),
    Entry("mpt-350m", _mpt(1024, 24, 16)),
    Entry("mpt-760m", _mpt(1536, 24, 12)),
    Entry("mpt-1b", _mpt(2048, 24, 16)),
    Entry("mpt-3b", _mpt(2560, 32, 20)),
    Entry("mosaicml/mpt-7b", _mpt(4096, 32, 32, 50432), 6649286656),
    Entry("mpt-13b", _mpt(5120, 40, 40)),
    Entry("mosaicml/mpt-30b", _mpt(7168, 48, 56, 50432, 8192)),
    Entry("mpt-70b", _mpt(8192, 80, 64)),
)
