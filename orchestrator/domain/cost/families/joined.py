"""Decoders whose queries, keys and values come from one matrix, or whose MLP has no gate."""

from __future__ import annotations

from orchestrator.domain.cost.architecture import Architecture, Linear
from orchestrator.domain.cost.config_values import ConfigValues
from orchestrator.domain.cost.families.llama import architecture
from orchestrator.domain.cost.families.matrices import Trunk, attention, joined_attention, joined_mlp, mlp, norms
from orchestrator.domain.cost.families.windows import Layers, Windows


def gpt2(values: ConfigValues) -> Architecture:
    return _gpt2(values, groups=None)


def gpt_bigcode(values: ConfigValues) -> Architecture:
    """GPT-2 with one head of keys and values (`multi_query`)."""
    return _gpt2(values, groups=1 if values.flag("multi_query", True) else None)


def _gpt2(values: ConfigValues, groups: int | None) -> Architecture:
    hidden = values.size("n_embd", "hidden_size", default=768)
    heads = values.heads(12, "n_head", "num_attention_heads", hidden=hidden)
    context = values.size("n_positions", "max_position_embeddings", default=1024)
    trunk = Trunk(
        layers=values.layers("n_layer", "num_hidden_layers", default=12),
        hidden=hidden,
        heads=heads,
        kv_heads=groups or heads,
        head_dim=hidden // heads,
        vocab=values.size("vocab_size", default=50257),
        tied=values.flag("tie_word_embeddings", True),
        context=context,
    )
    ffn = values.size("n_inner", default=4 * hidden)
    linears = joined_attention(trunk, "c_attn", "c_proj", qkv_bias=True, out_bias=True)
    linears += mlp(hidden, ffn, trunk.layers, ("c_fc",), "c_proj", bias=True)
    positions = context * hidden
    return architecture(values, trunk, linears, ffn=ffn, others=positions + norms(trunk, 2, biased=True), gated=False)


def gpt_neox(values: ConfigValues) -> Architecture:
    """Pythia, and the first StableLM (alpha)."""
    hidden = values.size("hidden_size", default=6144)
    heads = values.heads(64, hidden=hidden)
    trunk = Trunk(
        layers=values.layers("num_hidden_layers", default=44),
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_dim=hidden // heads,
        vocab=values.size("vocab_size", default=50432),
        tied=values.flag("tie_word_embeddings", False),
        context=values.context("max_position_embeddings", default=2048),
    )
    ffn = values.size("intermediate_size", default=24576)
    bias = values.flag("attention_bias", True)
    linears = joined_attention(trunk, "query_key_value", "dense", qkv_bias=bias, out_bias=bias)
    linears += mlp(hidden, ffn, trunk.layers, ("dense_h_to_4h",), "dense_4h_to_h", bias=True)
    return architecture(values, trunk, linears, ffn=ffn, others=norms(trunk, 2, biased=True), gated=False)


def falcon(values: ConfigValues) -> Architecture:
    hidden = values.size("hidden_size", default=4544)
    heads = values.heads(71, "num_attention_heads", "n_head", hidden=hidden)
    trunk = Trunk(
        layers=values.layers("num_hidden_layers", "n_layer", default=32),
        hidden=hidden,
        heads=heads,
        kv_heads=_falcon_groups(values, heads),
        head_dim=hidden // heads,
        vocab=values.size("vocab_size", default=65024),
        tied=values.flag("tie_word_embeddings", True),
        context=values.context("max_position_embeddings", default=2048),
    )
    ffn = values.size("ffn_hidden_size", default=4 * hidden)
    bias = values.flag("bias", False)
    linears = joined_attention(trunk, "query_key_value", "dense", qkv_bias=bias, out_bias=bias)
    linears += mlp(hidden, ffn, trunk.layers, ("dense_h_to_4h",), "dense_4h_to_h", bias=bias)
    others = norms(trunk, _falcon_norms(values), biased=True)
    return architecture(values, trunk, linears, ffn=ffn, others=others, gated=False)


def _falcon_groups(values: ConfigValues, heads: int) -> int:
    if values.flag("new_decoder_architecture", False):
        return values.kv_heads(heads, None, "num_kv_heads", "n_head_kv")
    return 1 if values.flag("multi_query", True) else heads


def _falcon_norms(values: ConfigValues) -> int:
    if not values.flag("parallel_attn", True):
        return 2
    implied = 2 if values.flag("new_decoder_architecture", False) else 1
    return 2 if values.size("num_ln_in_parallel_attn", default=implied, most=2) == 2 else 1


def mpt(values: ConfigValues) -> Architecture:
    """As `transformers` makes it: with ALiBi, without biases, whatever the config says."""
    hidden = values.size("d_model", "hidden_size", default=2048)
    heads = values.heads(16, "n_heads", "num_attention_heads", hidden=hidden)
    trunk = Trunk(
        layers=values.layers("n_layers", "num_hidden_layers", default=24),
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_dim=hidden // heads,
        vocab=values.size("vocab_size", default=50368),
        tied=values.flag("tie_word_embeddings", True),
        context=values.context("max_seq_len", default=2048),
    )
    ffn = values.size("expansion_ratio", default=4, most=1 << 8) * hidden
    linears = joined_attention(trunk, "Wqkv", "out_proj")
    linears += mlp(hidden, ffn, trunk.layers, ("up_proj",), "down_proj")
    return architecture(values, trunk, linears, ffn=ffn, others=norms(trunk, 2), gated=False)


def phi(values: ConfigValues) -> Architecture:
    """Phi 1, 1.5 and 2: attention and MLP side by side behind one norm, and a bias on the head."""
    hidden = values.size("hidden_size", "n_embd", default=2048)
    heads = values.heads(32, "num_attention_heads", "n_head", hidden=hidden)
    trunk = Trunk(
        layers=values.layers("num_hidden_layers", "n_layer", default=24),
        hidden=hidden,
        heads=heads,
        kv_heads=values.kv_heads(heads, None),
        head_dim=hidden // heads,
        vocab=values.size("vocab_size", default=51200),
        tied=values.flag("tie_word_embeddings", False),
        context=values.context("max_position_embeddings", "n_positions", default=2048),
    )
    ffn = values.size("intermediate_size", default=8192)
    linears = attention(trunk, qkv_bias=True, out_bias=True, out="dense")
    linears += mlp(hidden, ffn, trunk.layers, ("fc1",), "fc2", bias=True)
    head_norms = 4 * trunk.head_dim * trunk.layers if values.flag("qk_layernorm", False) else 0
    others = norms(trunk, 1, biased=True) + head_norms + trunk.vocab
    return architecture(values, trunk, linears, ffn=ffn, others=others, gated=False)


def phi3(values: ConfigValues) -> Architecture:
    """Phi 3, 3.5 and 4."""
    hidden = values.size("hidden_size", default=3072)
    heads = values.heads(32, hidden=hidden)
    trunk = Trunk(
        layers=values.layers("num_hidden_layers", default=32),
        hidden=hidden,
        heads=heads,
        kv_heads=values.kv_heads(heads, None),
        head_dim=hidden // heads,
        vocab=values.size("vocab_size", default=32064),
        tied=values.flag("tie_word_embeddings", False),
        context=values.context("max_position_embeddings", default=4096),
    )
    ffn = values.size("intermediate_size", default=8192)
    linears: list[Linear] = joined_attention(trunk, "qkv_proj", "o_proj")
    linears += joined_mlp(hidden, ffn, trunk.layers, "gate_up_proj", "down_proj")
    return architecture(values, trunk, linears, ffn=ffn, others=norms(trunk, 2), windows=Windows(Layers.ALL))
