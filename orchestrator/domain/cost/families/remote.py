"""Families that `transformers` does not have: their code comes with the weights. What a config class fills in differs
from one repository to the next, so sizes must be there; counts are held against those that were published."""

from __future__ import annotations

from orchestrator.domain.cost.architecture import Architecture
from orchestrator.domain.cost.config_values import ConfigValues
from orchestrator.domain.cost.families.llama import architecture
from orchestrator.domain.cost.families.matrices import GATED, Trunk, joined_attention, joined_mlp, mlp, norms


def qwen(values: ConfigValues) -> Architecture:
    """The first Qwen (`QWenLMHeadModel`), whose `intermediate_size` is that of gate and way up together."""
    hidden = values.size("hidden_size")
    heads = values.heads(None, hidden=hidden)
    trunk = Trunk(
        layers=values.layers("num_hidden_layers"),
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_dim=values.size("kv_channels", default=128),
        vocab=values.size("vocab_size"),
        tied=values.flag("tie_word_embeddings", False),
        context=values.context("seq_length", "max_position_embeddings"),
    )
    bias = not values.flag("no_bias", True)
    ffn = values.size("intermediate_size", least=2) // 2
    linears = joined_attention(trunk, "c_attn", "c_proj", qkv_bias=True, out_bias=bias)
    linears += mlp(hidden, ffn, trunk.layers, ("w1", "w2"), "c_proj", bias=bias)
    return architecture(values, trunk, linears, ffn=ffn, others=norms(trunk, 2))


def chatglm(values: ConfigValues) -> Architecture:
    """ChatGLM 2 and 3, and GLM-4 as it was first published."""
    hidden = values.size("hidden_size")
    heads = values.heads(None, hidden=hidden)
    grouped = values.flag("multi_query_attention", False)
    trunk = Trunk(
        layers=values.layers("num_layers", "num_hidden_layers"),
        hidden=hidden,
        heads=heads,
        kv_heads=values.kv_heads(heads, 1, "multi_query_group_num") if grouped else heads,
        head_dim=values.size("kv_channels", default=128),
        vocab=values.size("padded_vocab_size", "vocab_size"),
        tied=values.flag("tie_word_embeddings", False),
        context=values.context("seq_length"),
    )
    bias = values.flag("add_bias_linear", False)
    ffn = values.size("ffn_hidden_size")
    linears = joined_attention(
        trunk, "query_key_value", "dense", qkv_bias=bias or values.flag("add_qkv_bias", False), out_bias=bias
    )
    linears += joined_mlp(hidden, ffn, trunk.layers, "dense_h_to_4h", "dense_4h_to_h", bias=bias)
    biased, final = not values.flag("rmsnorm", True), values.flag("post_layer_norm", True)
    return architecture(values, trunk, linears, ffn=ffn, others=norms(trunk, 2, biased=biased, final=final))


def baichuan(values: ConfigValues) -> Architecture:
    """Baichuan 1 and 2; the 13B ones have ALiBi and tell their context as `model_max_length`."""
    trunk = _llama_trunk(values, grouped=False)
    ffn = values.size("intermediate_size")
    linears = joined_attention(trunk, "W_pack", "o_proj")
    linears += mlp(trunk.hidden, ffn, trunk.layers, GATED, "down_proj")
    return architecture(values, trunk, linears, ffn=ffn, others=norms(trunk, 2))


def internlm2(values: ConfigValues) -> Architecture:
    trunk = _llama_trunk(values, grouped=True)
    ffn = values.size("intermediate_size")
    bias = values.flag("bias", False)
    linears = joined_attention(trunk, "wqkv", "wo", qkv_bias=bias, out_bias=bias)
    linears += mlp(trunk.hidden, ffn, trunk.layers, ("w1", "w3"), "w2")
    return architecture(values, trunk, linears, ffn=ffn, others=norms(trunk, 2))


def _llama_trunk(values: ConfigValues, *, grouped: bool) -> Trunk:
    hidden = values.size("hidden_size")
    heads = values.heads(None, hidden=hidden)
    return Trunk(
        layers=values.layers("num_hidden_layers"),
        hidden=hidden,
        heads=heads,
        kv_heads=values.kv_heads(heads, None) if grouped else heads,
        head_dim=hidden // heads,
        vocab=values.size("vocab_size"),
        tied=values.flag("tie_word_embeddings", False),
        context=values.context("max_position_embeddings", "model_max_length"),
    )
