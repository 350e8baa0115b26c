"""Real tokens: counted from attention masks at each micro-batch, so that padding is not sold as work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist


class TokenCount:
    """Cumulative over the stage, its earlier attempts included once `restore` was called."""

    def __init__(self, pad_token_id: int | None) -> None:
        self._pad_token_id = pad_token_id
        self._pending: Any = None
        self._total = 0

    @classmethod
    def around(cls, trainer: Any) -> TokenCount:
        """Count what passes through `trainer.training_step`: any trainer's, also those of preference training."""
        count = cls(getattr(trainer.processing_class, "pad_token_id", None))
        step = trainer.training_step

        def counted_step(model: Any, inputs: Any, *rest: Any, **named: Any) -> Any:
            count.add(inputs)
            return step(model, inputs, *rest, **named)

        trainer.training_step = counted_step
        return count

    def add(self, inputs: Mapping[str, Any]) -> None:
        """Count one micro-batch. The sum stays on the device: reading it here would make every step wait for it."""
        tokens = self._tokens(inputs)
        self._pending = tokens if self._pending is None else self._pending + tokens

    def restore(self, total: int) -> None:
        """Go on from what earlier attempts counted."""
        self._total = total

    def total(self) -> int:
        """Tokens of all ranks. Collective: every rank must call it at the same step."""
        if self._pending is not None:
            if dist.is_available() and dist.is_initialized():
                dist.all_reduce(self._pending)
            self._total += int(self._pending.item())
            self._pending = None
        return self._total

    def _tokens(self, inputs: Mapping[str, Any]) -> Any:
        """A 0-d integer tensor. In preference rows chosen and rejected hold the prompt, so `prompt_*` is left out.

        Packed rows number their samples 1, 2, ... in the mask: what is not zero counts once.
        """
        masks = [value for name, value in inputs.items() if name.endswith("attention_mask") and "prompt" not in name]
        if masks:
            return sum((mask != 0).sum() for mask in masks if isinstance(mask, torch.Tensor))
        ids = inputs["input_ids"]
        return (ids != self._pad_token_id).sum() if self._pad_token_id is not None else torch.tensor(ids.numel())
