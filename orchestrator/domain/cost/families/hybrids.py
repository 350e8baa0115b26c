"""Qwen 3.5 and Qwen3-Next: three layers of four have a recurrent state (a gated delta net) in place of attention."""

from __future__ import annotations

from dataclasses import dataclass, replace

from orchestrator.domain.cost.architecture import Architecture, Linear, Part
from orchestrator.domain.cost.config_values import MOST_LAYERS, ConfigValues, refused
from orchestrator.domain.cost.families.llama import ATTENTION_BIAS, Kind, QkNorm, architecture
from orchestrator.domain.cost.families.matrices import GATED, PROJECTIONS, Trunk, attention, experts, mlp, norms
from orchestrator.domain.cost.families.mixtures import counts, gated_shared_expert, mean_width, sparse_layers


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mixture:
    """The experts that the config class fills in."""

    width: int
    copies: int
    active: int
    shared: int
    once: tuple[str, str, str] | None


def _kind(vocab: int, hidden: int, ffn: int, layers: int, kv_heads: int) -> Kind:
    return Kind(
        vocab=vocab,
        hidden=hidden,
        ffn=ffn,
        layers=layers,
        heads=16,
        kv_heads=kv_heads,
        head_dim=256,
        context=32768,
        qkv_bias=ATTENTION_BIAS,
        out_bias=ATTENTION_BIAS,
        qk_norm=QkNorm.HEAD,
    )


_DENSE = _kind(248320, 4096, 12288, 32, 4)
_MOE = _kind(248320, 2048, 5632, 40, 2)
_NEXT = _kind(151936, 2048, 5632, 48, 2)
_RECURRENT = "linear_attention"


def qwen3_5(values: ConfigValues) -> Architecture:
    return _hybrid(values, _DENSE, None)


def qwen3_5_moe(values: ConfigValues) -> Architecture:
    return _hybrid(values, _MOE, _Mixture(width=512, copies=256, active=8, shared=512, once=None))


def qwen3_next(values: ConfigValues) -> Architecture:
    mixture = _Mixture(width=512, copies=512, active=10, shared=512, once=PROJECTIONS)
    return _hybrid(values, _NEXT, mixture, joined=True)


def _hybrid(values: ConfigValues, kind: Kind, mixture: _Mixture | None, *, joined: bool = False) -> Architecture:
    trunk = kind.trunk(values)
    recurrent = _recurrent_layers(values, trunk.layers)
    linears, others = _attention(values, trunk, trunk.layers - recurrent)
    if recurrent:
        nets, states = _delta_net(values, trunk, recurrent, joined=joined)
        linears, others = linears + nets, others + states
    dense = values.size("intermediate_size", default=kind.ffn)
    if mixture is None:
        mlps, ffn = mlp(trunk.hidden, dense, trunk.layers, GATED, "down_proj"), dense
    else:
        mlps, ffn = _experts(values, trunk, mixture, dense)
    found = architecture(values, trunk, linears + mlps, ffn=ffn, others=others + norms(trunk, 2))
    return replace(found, recurrent_layers=recurrent)


def _recurrent_layers(values: ConfigValues, layers: int) -> int:
    words = values.words("layer_types", layers)
    if words is None:
        return layers - layers // values.size("full_attention_interval", default=4, most=MOST_LAYERS)
    strange = next((word for word in words if word not in (_RECURRENT, "full_attention")), None)
    if strange is not None:
        raise refused("layer_types", f"has {strange[:40]!r}; known are {_RECURRENT}, full_attention")
    return words.count(_RECURRENT)


def _attention(values: ConfigValues, trunk: Trunk, layers: int) -> tuple[list[Linear], int]:
    """The layers with attention, whose queries come with a gate as wide as they are; and their norms."""
    if not layers:
        return [], 0
    bias = values.flag(*ATTENTION_BIAS)
    queries, *rest = attention(replace(trunk, layers=layers), qkv_bias=bias, out_bias=bias)
    return [replace(queries, outputs=2 * queries.outputs), *rest], 2 * trunk.head_dim * layers


def _delta_net(values: ConfigValues, trunk: Trunk, layers: int, *, joined: bool) -> tuple[list[Linear], int]:
    """The recurrent layers, and the parameters of their convolutions, decays and norms."""
    value_heads = values.size("linear_num_value_heads", default=32)
    value_dim = values.size("linear_value_head_dim", default=128)
    keys = values.size("linear_num_key_heads", default=16) * values.size("linear_key_head_dim", default=128)
    mixed = 2 * keys + value_heads * value_dim
    widths = (
        (("in_proj_qkvz", mixed + value_heads * value_dim), ("in_proj_ba", 2 * value_heads))
        if joined
        else (
            ("in_proj_qkv", mixed),
            ("in_proj_z", value_heads * value_dim),
            ("in_proj_b", value_heads),
            ("in_proj_a", value_heads),
        )
    )
    linears = [Linear(name, Part.ATTENTION, trunk.hidden, width, layers) for name, width in widths]
    linears.append(Linear("out_proj", Part.ATTENTION, value_heads * value_dim, trunk.hidden, layers))
    convolution = mixed * values.size("linear_conv_kernel_dim", default=4, most=1 << 10)
    return linears, layers * (convolution + 2 * value_heads + value_dim)


def _experts(values: ConfigValues, trunk: Trunk, mixture: _Mixture, dense: int) -> tuple[list[Linear], int]:
    """The MLPs of all layers, and their mean width."""
    width = values.size("moe_intermediate_size", default=mixture.width)
    shared = values.size("shared_expert_intermediate_size", default=mixture.shared)
    names = ("num_experts", "num_local_experts")
    copies, active = counts(values, names, mixture.copies, mixture.active)
    # Qwen 3.5 has experts in every layer, whatever is said of dense ones.
    sparse = trunk.layers if mixture.once is None else sparse_layers(values, trunk.layers)
    linears: list[Linear] = []
    if sparse:
        linears += experts(trunk.hidden, width, sparse, copies, active, once=mixture.once)
        linears += gated_shared_expert(trunk.hidden, shared, sparse)
    if sparse < trunk.layers:
        linears += mlp(trunk.hidden, dense, trunk.layers - sparse, GATED, "down_proj")
    return linears, mean_width(trunk, ((width * active + shared, sparse), (dense, trunk.layers - sparse)))
