"""Decoders of 2021 and 2022: OPT, BLOOM, GPT-J and GPT-Neo."""

from __future__ import annotations

from orchestrator.domain.cost.architecture import Architecture
from orchestrator.domain.cost.config_values import ConfigValues, refused
from orchestrator.domain.cost.families.llama import architecture
from orchestrator.domain.cost.families.matrices import Trunk, attention, joined_attention, mlp, norms


def _trunk(
    values: ConfigValues, hidden: int, heads: int, layers: int, vocab: int, *, tied: bool, context: int | None = 2048
) -> Trunk:
    """The sizes under any of the names that these families give them; the rest are defaults."""
    hidden = values.size("n_embd", "n_embed", "hidden_size", default=hidden)
    heads = values.heads(heads, "num_attention_heads", "n_head", "num_heads", hidden=hidden)
    return Trunk(
        layers=values.layers("num_hidden_layers", "n_layer", "num_layers", default=layers),
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_dim=hidden // heads,
        vocab=values.size("vocab_size", default=vocab),
        tied=values.flag("tie_word_embeddings", tied),
        context=values.context("max_position_embeddings", "n_positions", "seq_length", default=context),
    )


def opt(values: ConfigValues) -> Architecture:
    trunk = _trunk(values, 768, 12, 12, 50272, tied=True)
    if values.size("word_embed_proj_dim", default=trunk.hidden) != trunk.hidden:
        raise refused("word_embed_proj_dim", "is not the hidden size, and such a model is not known")
    ffn = values.size("ffn_dim", default=3072)
    bias = values.flag("enable_bias", True)
    linears = attention(trunk, qkv_bias=bias, out_bias=bias, out="out_proj")
    linears += mlp(trunk.hidden, ffn, trunk.layers, ("fc1",), "fc2", bias=bias)
    has_last = values.flag("do_layer_norm_before", True) and not values.flag("_remove_final_layer_norm", False)
    has_weights = values.flag("layer_norm_elementwise_affine", True)
    normal = norms(trunk, 2, biased=True, final=has_last) if has_weights else 0
    # Its first two positions stand for padding.
    positions = ((2048 if trunk.context is None else trunk.context) + 2) * trunk.hidden
    return architecture(values, trunk, linears, ffn=ffn, others=normal + positions, gated=False)


def bloom(values: ConfigValues) -> Architecture:
    trunk = _trunk(values, 64, 8, 2, 250880, tied=True, context=None)
    ffn = 4 * trunk.hidden
    linears = joined_attention(trunk, "query_key_value", "dense", qkv_bias=True, out_bias=True)
    linears += mlp(trunk.hidden, ffn, trunk.layers, ("dense_h_to_4h",), "dense_4h_to_h", bias=True)
    others = norms(trunk, 2, biased=True) + 2 * trunk.hidden
    return architecture(values, trunk, linears, ffn=ffn, others=others, gated=False)


def gptj(values: ConfigValues) -> Architecture:
    trunk = _trunk(values, 4096, 16, 28, 50400, tied=False)
    ffn = values.size("n_inner", default=4 * trunk.hidden)
    linears = attention(trunk, out="out_proj")
    linears += mlp(trunk.hidden, ffn, trunk.layers, ("fc_in",), "fc_out", bias=True)
    others = norms(trunk, 1, biased=True) + trunk.vocab
    return architecture(values, trunk, linears, ffn=ffn, others=others, gated=False)


def gpt_neo(values: ConfigValues) -> Architecture:
    """Attention is taken for full in all layers, though every other one sees `window_size` tokens."""
    trunk = _trunk(values, 2048, 16, 24, 50257, tied=True)
    ffn = values.size("intermediate_size", default=4 * trunk.hidden)
    linears = attention(trunk, out_bias=True, out="out_proj")
    linears += mlp(trunk.hidden, ffn, trunk.layers, ("c_fc",), "c_proj", bias=True)
    positions = (2048 if trunk.context is None else trunk.context) * trunk.hidden
    return architecture(values, trunk, linears, ffn=ffn, others=norms(trunk, 2, biased=True) + positions, gated=False)
