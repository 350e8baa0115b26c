"""Llama and its kind: one layer after another of attention and an MLP, with rotary positions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.domain.cost.architecture import Architecture, Linear
from orchestrator.domain.cost.config_values import ConfigValues
from orchestrator.domain.cost.families.matrices import GATED, Trunk, attention, joined_mlp, mlp, norms
from orchestrator.domain.cost.families.windows import EVERYWHERE, Windows

Switch = bool | tuple[str, bool]
"""Fixed for the family, or a config's key with the default of its class."""
ATTENTION_BIAS = ("attention_bias", False)


class QkNorm(StrEnum):
    """How queries and keys are normalised."""

    NONE = "none"
    HEAD = "head"
    """All heads with the same weights."""
    WIDE = "wide"
    """Every head with weights of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What sets a family apart, and what its config class fills in. `kv_heads` None: as many as heads; `head_dim`
    None: the hidden size over the heads."""

    vocab: int
    hidden: int
    ffn: int
    layers: int
    heads: int
    kv_heads: int | None = None
    head_dim: int | None = None
    context: int
    evenly: bool = True
    """Heads without a width of their own must divide the hidden size."""
    tied: bool = False
    qkv_bias: Switch = False
    out_bias: Switch = False
    mlp_bias: Switch = False
    norms: int = 2
    parallel_key: str | None = None
    """The key that makes attention and MLP parallel, with one norm for both."""
    norm_bias: bool = False
    plain_norms: bool = False
    """Norms have no weights at all."""
    qk_norm: QkNorm = QkNorm.NONE
    qk_norm_key: str | None = None
    """The key that switches it on, for families that have it off."""
    up: tuple[str, ...] = GATED
    down: str = "down_proj"
    joined: str | None = None
    """The name of gate and way up in one matrix."""
    windows: Windows = EVERYWHERE

    def trunk(self, values: ConfigValues) -> Trunk:
        """The sizes of the model; `InvalidInputError` for heads that do not divide."""
        hidden = values.size("hidden_size", default=self.hidden)
        head_dim = values.maybe("head_dim", default=self.head_dim)
        # With a width of their own, heads need not share the hidden size evenly.
        heads = values.heads(self.heads, hidden=hidden if head_dim is None and self.evenly else None)
        return Trunk(
            layers=values.layers("num_hidden_layers", default=self.layers),
            hidden=hidden,
            heads=heads,
            kv_heads=values.kv_heads(heads, self.kv_heads),
            head_dim=hidden // heads if head_dim is None else head_dim,
            vocab=values.size("vocab_size", default=self.vocab),
            tied=values.flag("tie_word_embeddings", self.tied),
            context=values.context("max_position_embeddings", default=self.context),
        )

    def attention(self, values: ConfigValues, trunk: Trunk) -> list[Linear]:
        return attention(trunk, qkv_bias=_switched(values, self.qkv_bias), out_bias=_switched(values, self.out_bias))

    def mlp(self, values: ConfigValues, hidden: int, ffn: int, layers: int) -> list[Linear]:
        bias = _switched(values, self.mlp_bias)
        if self.joined is not None:
            return joined_mlp(hidden, ffn, layers, self.joined, self.down, bias=bias)
        return mlp(hidden, ffn, layers, self.up, self.down, bias=bias)

    def others(self, values: ConfigValues, trunk: Trunk) -> int:
        """Parameters of all norms."""
        return self._trunk_norms(values, trunk) + self._head_norms(values, trunk) * trunk.layers

    def _trunk_norms(self, values: ConfigValues, trunk: Trunk) -> int:
        if self.plain_norms:
            return 0
        parallel = self.parallel_key is not None and values.flag(self.parallel_key, False)
        return norms(trunk, 1 if parallel else self.norms, biased=self.norm_bias)

    def _head_norms(self, values: ConfigValues, trunk: Trunk) -> int:
        if self.qk_norm is QkNorm.NONE:
            return 0
        if self.qk_norm_key is not None and not values.flag(self.qk_norm_key, False):
            return 0
        return 2 * trunk.head_dim if self.qk_norm is QkNorm.HEAD else trunk.queries + trunk.keys


def _switched(values: ConfigValues, switch: Switch) -> bool:
    return switch if isinstance(switch, bool) else values.flag(*switch)


def architecture(
    values: ConfigValues,
    trunk: Trunk,
    linears: list[Linear],
    *,
    ffn: int,
    others: int,
    gated: bool = True,
    windows: Windows = EVERYWHERE,
) -> Architecture:
    """The whole of a model, of its trunk, its matrices and what is left."""
    window, windowed = windows.of(values, trunk.layers)
    return Architecture(
        name=values.name,
        model_type=values.model_type,
        layers=trunk.layers,
        hidden=trunk.hidden,
        heads=trunk.heads,
        kv_heads=trunk.kv_heads,
        head_dim=trunk.head_dim,
        ffn=ffn,
        vocab=trunk.vocab,
        tied=trunk.tied,
        linears=tuple(linears),
        others=others,
        context=trunk.context,
        gated=gated,
        window=window,
        windowed_layers=windowed,
    )


def dense(kind: Kind, values: ConfigValues) -> Architecture:
    """A model of that kind, without experts."""
    trunk = kind.trunk(values)
    ffn = values.size("intermediate_size", default=kind.ffn)
    return architecture(
        values,
        trunk,
        kind.attention(values, trunk) + kind.mlp(values, trunk.hidden, ffn, trunk.layers),
        ffn=ffn,
        others=kind.others(values, trunk),
        gated=kind.joined is not None or len(kind.up) == 2,
        windows=kind.windows,
    )
