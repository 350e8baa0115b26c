"""A model's shape: its matrices, one by one, from which parameters, FLOPs and bytes are counted."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class Part(StrEnum):
    """Where in a layer a matrix stands."""

    ATTENTION = "attention"
    MLP = "mlp"
    EXPERT = "expert"
    ROUTER = "router"


@dataclass(frozen=True, slots=True)
class Linear:
    """One kind of matrix: `inputs` x `outputs`, in `layers` of the model's layers, `copies` times in each of them, of
    which a token passes `active`. `name` is the module's own, as adapters are aimed at it; what is no `module` but a
    bare tensor (the stacked experts of a mixture, most routers) gets none by that name. PEFT still puts one on the
    tensor of some families where all the modules that it was once made of (`aimed_by`) are named, of a rank for each.
    """

    name: str
    part: Part
    inputs: int
    outputs: int
    layers: int
    copies: int = 1
    active: int = 1
    bias: bool = False
    module: bool = True
    aimed_by: tuple[str, ...] = ()

    @property
    def matrix(self) -> int:
        """Weights of one copy in one layer, its bias apart."""
        return self.inputs * self.outputs

    @property
    def weights(self) -> int:
        """Weights of all copies in all layers, biases apart."""
        return self.matrix * self.layers * self.copies

    @property
    def active_weights(self) -> int:
        """Those that one token passes."""
        return self.matrix * self.layers * self.active

    @property
    def biases(self) -> int:
        return self.outputs * self.layers * self.copies if self.bias else 0


@dataclass(frozen=True, slots=True)
class Architecture:
    """A decoder-only transformer.

    `ffn` is the width that a token's MLP has in one layer (a mixture's active and shared experts together; the mean,
    rounded up, where layers differ); `context` the longest sequence it was made for; `gated` that its MLP has a gate
    beside the way up. `window` limits attention in `windowed_layers`. `others` counts every parameter outside
    `linears`, the embedding and the head: norms, positions. With latent attention (DeepSeek) `head_dim` is the width
    of a key, rotary part included, and the width of a value stands in the matrices alone. `recurrent_layers` have a
    state in place of attention (Qwen 3.5): nothing there grows with the square of a sequence.
    """

    name: str
    model_type: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocab: int
    tied: bool
    linears: tuple[Linear, ...]
    others: int = 0
    context: int | None = None
    gated: bool = True
    window: int | None = None
    windowed_layers: int = 0
    recurrent_layers: int = 0

    @property
    def embedding(self) -> int:
        return self.vocab * self.hidden

    @property
    def head(self) -> int:
        """Parameters of an output head of its own; none when it is the embedding."""
        return 0 if self.tied else self.vocab * self.hidden

    @property
    def blocks(self) -> int:
        """Weights of all linear matrices in the layers: N_b."""
        return sum(each.weights for each in self.linears)

    @property
    def active_blocks(self) -> int:
        """Those of them that one token passes."""
        return sum(each.active_weights for each in self.linears)

    @property
    def matmul(self) -> int:
        """Weights that one token is multiplied with, the head's included and the embedding's not: N_mm."""
        return self.active_blocks + self.vocab * self.hidden

    @property
    def parameters(self) -> int:
        """All of them, exactly as `transformers` counts (a tied head once)."""
        return self.blocks + sum(each.biases for each in self.linears) + self.embedding + self.head + self.others

    @property
    def kv_width(self) -> int:
        """Width of the keys (and of the values) of one layer: k = n_kv * d_head."""
        return self.kv_heads * self.head_dim

    def targeted(self, targets: Collection[str] | None) -> tuple[Linear, ...]:
        """The matrices that an adapter is put on: those named; for None (`lora_target_linear`) all that are modules.

        A name that aims at stacked experts is taken for them alone: shared experts of the same name get none.
        """
        names = {each.name for each in self.linears if each.module} if targets is None else set(targets)
        aimed = [each for each in self.linears if each.aimed_by and names.issuperset(each.aimed_by)]
        names.difference_update(*(each.aimed_by for each in aimed))
        return tuple(each for each in self.linears if each in aimed or (each.module and each.name in names))

    def adapter_parameters(self, rank: int, targets: Collection[str] | None = None) -> int:
        """Weights of the A and B matrices of a LoRA of that rank: the sum of r (in + out)."""
        return sum(
            rank * max(1, len(each.aimed_by)) * (each.inputs + each.outputs) * each.layers * each.copies
            for each in self.targeted(targets)
        )
