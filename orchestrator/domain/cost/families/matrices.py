"""The matrices that decoders are made of, under the names of `transformers`."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.domain.cost.architecture import Linear, Part


@dataclass(frozen=True, slots=True)
class Trunk:
    """The sizes that every decoder has. `context` is None where the config does not tell."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    tied: bool
    context: int | None

    @property
    def queries(self) -> int:
        """Width of the queries of one layer."""
        return self.heads * self.head_dim

    @property
    def keys(self) -> int:
        """Width of the keys of one layer, and of its values."""
        return self.kv_heads * self.head_dim


def attention(trunk: Trunk, *, qkv_bias: bool = False, out_bias: bool = False, out: str = "o_proj") -> list[Linear]:
    """Queries, keys and values in matrices of their own."""
    hidden, layers = trunk.hidden, trunk.layers
    widths = (("q_proj", trunk.queries), ("k_proj", trunk.keys), ("v_proj", trunk.keys))
    inward = [Linear(name, Part.ATTENTION, hidden, width, layers, bias=qkv_bias) for name, width in widths]
    return [*inward, Linear(out, Part.ATTENTION, trunk.queries, hidden, layers, bias=out_bias)]


def joined_attention(
    trunk: Trunk, joined: str, out: str, *, qkv_bias: bool = False, out_bias: bool = False
) -> list[Linear]:
    """Queries, keys and values from one matrix."""
    width = trunk.queries + 2 * trunk.keys
    return [
        Linear(joined, Part.ATTENTION, trunk.hidden, width, trunk.layers, bias=qkv_bias),
        Linear(out, Part.ATTENTION, trunk.queries, trunk.hidden, trunk.layers, bias=out_bias),
    ]


def mlp(hidden: int, ffn: int, layers: int, up: tuple[str, ...], down: str, *, bias: bool = False) -> list[Linear]:
    """Ways up from `hidden` to `ffn`, each a matrix of its own (two where there is a gate), and the way down."""
    upward = [Linear(name, Part.MLP, hidden, ffn, layers, bias=bias) for name in up]
    return [*upward, Linear(down, Part.MLP, ffn, hidden, layers, bias=bias)]


GATED = ("gate_proj", "up_proj")


def joined_mlp(hidden: int, ffn: int, layers: int, joined: str, down: str, *, bias: bool = False) -> list[Linear]:
    """Gate and way up in one matrix."""
    return [
        Linear(joined, Part.MLP, hidden, 2 * ffn, layers, bias=bias),
        Linear(down, Part.MLP, ffn, hidden, layers, bias=bias),
    ]


def experts(
    hidden: int,
    ffn: int,
    layers: int,
    copies: int,
    active: int,
    *,
    router: str = "gate",
    is_module: bool = False,
    bias: bool = False,
    once: tuple[str, str, str] | None = None,
) -> list[Linear]:
    """A router and its experts, gate and way up joined. The experts are bare tensors, the router where it `is_module`
    is not. `once` are the names that PEFT knows their gate, way up and way down by, from before they were joined."""
    aims = ((), (), ()) if once is None else ((router,), once[:2], once[2:])
    stacked = (("gate_up_proj", hidden, 2 * ffn, aims[1]), ("down_proj", ffn, hidden, aims[2]))
    return [
        Linear(router, Part.ROUTER, hidden, copies, layers, bias=bias, module=is_module, aimed_by=aims[0]),
        *(
            Linear(name, Part.EXPERT, inputs, outputs, layers, copies, active, bias, module=False, aimed_by=aimed_by)
            for name, inputs, outputs, aimed_by in stacked
        ),
    ]


W123 = ("w1", "w3", "w2")
PROJECTIONS = ("gate_proj", "up_proj", "down_proj")


def norms(trunk: Trunk, per_layer: int, *, biased: bool = False, final: bool = True) -> int:
    """Parameters of the norms as wide as the model: `per_layer` in each layer, and the last one."""
    return (per_layer * trunk.layers + final) * trunk.hidden * (2 if biased else 1)
