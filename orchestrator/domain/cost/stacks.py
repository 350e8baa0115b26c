"""What frameworks have in common underneath: the trainer and the models' code."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from orchestrator.domain.cost.architecture import Architecture, Linear

TRANSFORMERS = "transformers"
# Frameworks that run the same trainer and models underneath. Each is a better neighbour to another than any stranger.
STACKS: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(
        ("axolotl", "transformers", "ms-swift", "qwen-finetune", "qwen-finetune-multinode", "trl"), "transformers"
    )
    | dict.fromkeys(("megatron-bridge", "nemo", "megatron-bridge-untuned", "nemo-automodel"), "megatron")
)
# Models whose code in transformers multiplies every token with every expert and weighs the results.
_ALL_EXPERTS = frozenset({"llama4", "llama4_text"})


def on_transformers(framework: str) -> bool:
    """Whether models are computed by the code of transformers."""
    return STACKS.get(framework) == TRANSFORMERS


def passed(architecture: Architecture, framework: str, each: Linear) -> int:
    """Copies of a matrix that the framework multiplies a token with: the active ones, or needlessly all."""
    wasteful = architecture.model_type in _ALL_EXPERTS and on_transformers(framework)
    return each.copies if wasteful else each.active
