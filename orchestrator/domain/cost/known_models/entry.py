"""One known model: the numbers of its config that decide its architecture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """A model by its hub `id`, and by other names for the same shape. `parameters` is the exact count that its makers
    or its files tell, where that is sure."""

    id: str
    config: Mapping[str, object]
    parameters: int | None = None
    aliases: tuple[str, ...] = ()


def shape(
    model_type: str,
    hidden: int,
    layers: int,
    heads: int,
    ffn: int,
    vocab: int,
    context: int,
    kv_heads: int | None = None,
    *,
    tied: bool = False,
    **more: object,
) -> dict[str, object]:
    """The config of a model of Llama's kind. `kv_heads` None: as many as heads."""
    return {
        "model_type": model_type,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads if kv_heads is None else kv_heads,
        "intermediate_size": ffn,
        "vocab_size": vocab,
        "max_position_embeddings": context,
        "tie_word_embeddings": tied,
        **more,
    }
