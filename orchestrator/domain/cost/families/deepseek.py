"""DeepSeek's V2 and V3: keys and values from a latent of low rank, shared experts, the first layers dense.

The layer that predicts a second token (`num_nextn_predict_layers`) is in V3's files, and not in the model that
`transformers` makes of them: it is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.domain.cost.architecture import Architecture, Linear, Part
from orchestrator.domain.cost.config_values import ConfigValues
from orchestrator.domain.cost.families.llama import architecture
from orchestrator.domain.cost.families.matrices import GATED, PROJECTIONS, Trunk, experts, mlp, norms
from orchestrator.domain.cost.families.mixtures import counts, mean_width


@dataclass(frozen=True, slots=True, kw_only=True)
class _Version:
    """What the config class of one version fills in; `active` None: the config must tell."""

    vocab: int
    hidden: int
    ffn: int
    layers: int
    heads: int
    context: int
    expert: int
    experts: int
    active: int | None
    shared: int
    dense: int


V2 = _Version(
    vocab=102400,
    hidden=4096,
    ffn=11008,
    layers=32,
    heads=32,
    context=2048,
    expert=1407,
    experts=64,
    active=None,
    shared=2,
    dense=0,
)
V3 = _Version(
    vocab=129280,
    hidden=7168,
    ffn=18432,
    layers=61,
    heads=128,
    context=4096,
    expert=2048,
    experts=256,
    active=8,
    shared=1,
    dense=3,
)


def deepseek_v2(values: ConfigValues) -> Architecture:
    return _model(values, V2)


def deepseek_v3(values: ConfigValues) -> Architecture:
    return _model(values, V3)


def _model(values: ConfigValues, version: _Version) -> Architecture:
    trunk = _trunk(values, version)
    hidden = trunk.hidden
    latent, latent_norms = _latent_attention(values, trunk)
    width = values.size("moe_intermediate_size", default=version.expert)
    ffn = values.size("intermediate_size", default=version.ffn)
    copies, active = counts(
        values, ("n_routed_experts", "num_experts", "num_local_experts"), version.experts, version.active
    )
    shared = values.size("n_shared_experts", default=version.shared, least=0, most=1 << 10) * width
    dense = min(trunk.layers, values.size("first_k_dense_replace", default=version.dense, least=0))
    sparse = trunk.layers - dense
    linears = list(latent)
    if dense:
        linears += mlp(hidden, ffn, dense, GATED, "down_proj")
    if sparse:
        linears += experts(hidden, width, sparse, copies, active, once=PROJECTIONS)
    if sparse and shared:
        linears += mlp(hidden, shared, sparse, GATED, "down_proj")
    return architecture(
        values,
        trunk,
        linears,
        ffn=mean_width(trunk, ((width * active + shared, sparse), (ffn, dense))),
        others=norms(trunk, 2) + latent_norms * trunk.layers,
    )


def _trunk(values: ConfigValues, version: _Version) -> Trunk:
    hidden = values.size("hidden_size", default=version.hidden)
    heads = values.heads(version.heads, hidden=hidden)
    return Trunk(
        layers=values.layers("num_hidden_layers", default=version.layers),
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_dim=values.size("qk_nope_head_dim", default=128) + values.size("qk_rope_head_dim", default=64),
        vocab=values.size("vocab_size", default=version.vocab),
        tied=values.flag("tie_word_embeddings", False),
        context=values.context("max_position_embeddings", default=version.context),
    )


def _latent_attention(values: ConfigValues, trunk: Trunk) -> tuple[list[Linear], int]:
    """Its matrices, and the parameters of the norms between them in one layer."""
    hidden, layers = trunk.hidden, trunk.layers
    rank = values.size("kv_lora_rank", default=512)
    query_rank = values.maybe("q_lora_rank", default=1536)
    rotary = values.size("qk_rope_head_dim", default=64)
    plain = values.size("qk_nope_head_dim", default=128)
    value = values.size("v_head_dim", default=128)
    bias = values.flag("attention_bias", False)

    def matrix(name: str, inputs: int, outputs: int, *, biased: bool = False) -> Linear:
        return Linear(name, Part.ATTENTION, inputs, outputs, layers, bias=biased)

    if query_rank is None:
        queries = [matrix("q_proj", hidden, trunk.queries)]
    else:
        queries = [
            matrix("q_a_proj", hidden, query_rank, biased=bias),
            matrix("q_b_proj", query_rank, trunk.queries),
        ]
    linears = [
        *queries,
        matrix("kv_a_proj_with_mqa", hidden, rank + rotary, biased=bias),
        matrix("kv_b_proj", rank, trunk.heads * (plain + value)),
        matrix("o_proj", trunk.heads * value, hidden, biased=bias),
    ]
    return linears, rank + (query_rank or 0)
