"""Mixtures of experts: a router sends each token to a few of them. `transformers` 5 keeps the experts of a layer in one
tensor."""

from __future__ import annotations

from orchestrator.domain.cost.architecture import Architecture, Linear, Part
from orchestrator.domain.cost.config_values import ConfigValues, refused
from orchestrator.domain.cost.families import mixture_kinds as kinds
from orchestrator.domain.cost.families.llama import Kind, architecture
from orchestrator.domain.cost.families.matrices import GATED, PROJECTIONS, W123, Trunk, experts, mlp

MOST_EXPERTS = 1 << 16


def counts(
    values: ConfigValues, names: tuple[str, ...], copies: int | None, active: int | None, *, least: int = 1
) -> tuple[int, int]:
    """How many experts a layer has, and how many of them a token passes."""
    found = values.size(*names, default=copies, most=MOST_EXPERTS, least=least)
    passed = values.size("num_experts_per_tok", default=active, most=MOST_EXPERTS)
    if found and passed > found:
        raise refused("num_experts_per_tok", f"is {passed}, of {found} experts")
    return found, passed


def mean_width(trunk: Trunk, widths: tuple[tuple[int, int], ...]) -> int:
    """The mean over the layers of widths and the number of layers that have them, rounded up."""
    return -(-sum(width * layers for width, layers in widths) // trunk.layers)


def mixtral(values: ConfigValues) -> Architecture:
    return _uniform(values, kinds.MIXTRAL, ("num_local_experts", "num_experts"), 8, 2, once=W123)


def olmoe(values: ConfigValues) -> Architecture:
    return _uniform(values, kinds.OLMOE, ("num_experts", "num_local_experts"), 64, 8, once=PROJECTIONS)


def granite_moe(values: ConfigValues) -> Architecture:
    return _uniform(values, kinds.GRANITE_MOE, ("num_local_experts",), 8, 2, router="router")


def gpt_oss(values: ConfigValues) -> Architecture:
    """Its experts and its router have biases, and every head an attention sink."""
    return _uniform(
        values, kinds.GPT_OSS, ("num_local_experts", "num_experts"), 128, 4, router="router", bias=True, sinks=True
    )


def _uniform(
    values: ConfigValues,
    kind: Kind,
    names: tuple[str, ...],
    copies: int,
    active: int,
    *,
    router: str = "gate",
    bias: bool = False,
    sinks: bool = False,
    once: tuple[str, str, str] | None = None,
) -> Architecture:
    """Experts in every layer, and no MLP beside them."""
    trunk = kind.trunk(values)
    ffn = values.size("intermediate_size", default=kind.ffn)
    copies, active = counts(values, names, copies, active)
    mixture = experts(trunk.hidden, ffn, trunk.layers, copies, active, router=router, bias=bias, once=once)
    return architecture(
        values,
        trunk,
        kind.attention(values, trunk) + mixture,
        ffn=ffn * active,
        others=kind.others(values, trunk) + (trunk.heads * trunk.layers if sinks else 0),
        windows=kind.windows,
    )


def qwen2_moe(values: ConfigValues) -> Architecture:
    return _qwen(values, kinds.QWEN2_MOE, expert=1408, copies=60, active=4, shared=5632)


def qwen3_moe(values: ConfigValues) -> Architecture:
    return _qwen(values, kinds.QWEN3_MOE, expert=768, copies=128, active=8, shared=None, once=PROJECTIONS)


def _qwen(
    values: ConfigValues,
    kind: Kind,
    *,
    expert: int,
    copies: int,
    active: int,
    shared: int | None,
    once: tuple[str, str, str] | None = None,
) -> Architecture:
    """Experts in every `decoder_sparse_step`-th layer that is not among `mlp_only_layers`; with `shared`, one that
    every token passes, behind a gate of its own."""
    trunk = kind.trunk(values)
    hidden = trunk.hidden
    width = values.size("moe_intermediate_size", default=expert)
    dense = values.size("intermediate_size", default=kind.ffn)
    copies, active = counts(values, ("num_experts", "num_local_experts"), copies, active, least=0)
    sparse = sparse_layers(values, trunk.layers) if copies else 0
    shared_width = 0 if shared is None else values.size("shared_expert_intermediate_size", default=shared)
    linears = kind.attention(values, trunk)
    if sparse:
        linears += experts(hidden, width, sparse, copies, active, once=once)
    if sparse and shared_width:
        linears += gated_shared_expert(hidden, shared_width, sparse)
    if sparse < trunk.layers:
        linears += mlp(hidden, dense, trunk.layers - sparse, GATED, "down_proj")
    return architecture(
        values,
        trunk,
        linears,
        ffn=mean_width(trunk, ((width * active + shared_width, sparse), (dense, trunk.layers - sparse))),
        others=kind.others(values, trunk),
        windows=kind.windows,
    )


def gated_shared_expert(hidden: int, ffn: int, layers: int) -> list[Linear]:
    """The expert that every token passes, with the gate that weighs it."""
    gate = Linear("shared_expert_gate", Part.ROUTER, hidden, 1, layers)
    return [*mlp(hidden, ffn, layers, GATED, "down_proj"), gate]


def sparse_layers(values: ConfigValues, layers: int) -> int:
    step = values.size("decoder_sparse_step", default=1)
    dense = frozenset(values.numbers("mlp_only_layers") or ())
    return sum((layer + 1) % step == 0 and layer not in dense for layer in range(layers))


def glm4_moe(values: ConfigValues) -> Architecture:
    """GLM 4.5 and later: shared experts, the first layers dense."""
    kind = kinds.GLM4_MOE
    trunk = kind.trunk(values)
    hidden = trunk.hidden
    width = values.size("moe_intermediate_size", default=1408)
    ffn = values.size("intermediate_size", default=kind.ffn)
    copies, active = counts(values, ("n_routed_experts", "num_experts", "num_local_experts"), 128, 8)
    shared = values.size("n_shared_experts", default=1, most=1 << 10) * width
    dense = min(trunk.layers, values.size("first_k_dense_replace", default=1, least=0))
    sparse = trunk.layers - dense
    linears = kind.attention(values, trunk)
    if dense:
        linears += mlp(hidden, ffn, dense, GATED, "down_proj")
    if sparse:
        linears += experts(hidden, width, sparse, copies, active, once=PROJECTIONS)
        linears += mlp(hidden, shared, sparse, GATED, "down_proj")
    return architecture(
        values,
        trunk,
        linears,
        ffn=mean_width(trunk, ((width * active + shared, sparse), (ffn, dense))),
        others=kind.others(values, trunk),
    )


def llama4(values: ConfigValues) -> Architecture:
    """Experts in every layer or every second one, with a shared one beside them; its routers are modules."""
    kind = kinds.LLAMA4
    trunk = kind.trunk(values)
    hidden = trunk.hidden
    width = values.size("intermediate_size", default=kind.ffn)
    dense = values.size("intermediate_size_mlp", default=16384)
    copies, active = counts(values, ("num_local_experts",), 16, 1)
    step = values.size("interleave_moe_layer_step", default=1)
    named = values.numbers("moe_layers")
    sparse = trunk.layers // step if named is None else sum(layer < trunk.layers for layer in set(named))
    linears = kind.attention(values, trunk)
    if sparse:
        linears += experts(hidden, width, sparse, copies, active, router="router", is_module=True)
        linears += mlp(hidden, width, sparse, GATED, "down_proj")
    if sparse < trunk.layers:
        linears += mlp(hidden, dense, trunk.layers - sparse, GATED, "down_proj")
    return architecture(
        values,
        trunk,
        linears,
        ffn=mean_width(trunk, ((width * (active + 1), sparse), (dense, trunk.layers - sparse))),
        others=kind.others(values, trunk),
        windows=kind.windows,
    )
