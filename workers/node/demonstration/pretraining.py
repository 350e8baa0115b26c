"""Pre-training of a tiny Llama on prose: next-token prediction over packed documents."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

THREADS = 2
SEQUENCE_LEN = 512
WARMUP_STEPS = 20


@dataclass(frozen=True, slots=True)
class Pretraining:
    """How to pre-train: `steps` optimizer steps of `batch_size` blocks of `block_len` tokens each."""

    steps: int
    batch_size: int = 8
    block_len: int = 64
    peak_learning_rate: float = 3e-3

    def learning_rate(self, step: int) -> float:
        """Linear warm-up, then a cosine down to nothing at the last step."""
        if step < WARMUP_STEPS:
            return self.peak_learning_rate * (step + 1) / WARMUP_STEPS
        progress = (step - WARMUP_STEPS) / max(1, self.steps - WARMUP_STEPS)
        return self.peak_learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


def new_model(tokenizer: Any, seed: int) -> Any:
    """An untrained `LlamaForCausalLM` of about a million parameters, with two query heads to a key-value head.

    Two wide layers and not four narrow ones: at equal cost they learned every fact in 400 steps, the others under half.
    """
    import torch
    from transformers import (
        LlamaConfig,
        LlamaForCausalLM,
    )

    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=SEQUENCE_LEN,
        initializer_range=0.05,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def pretrain(
    model: Any, tokenizer: Any, documents: Iterable[str], plan: Pretraining, report: Callable[[int, float], None]
) -> float:
    """Train `model` in place and return the last loss.

    `report` is called after each step with its number, from 1, and its loss in nats a token.
    """
    import torch

    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.98), weight_decay=0.01)
    blocks = _blocks(tokenizer, documents, plan.block_len)
    model.train()
    loss_value = math.nan
    for step in range(plan.steps):
        for group in optimizer.param_groups:
            group["lr"] = plan.learning_rate(step)
        batch = torch.tensor([next(blocks) for _ in range(plan.batch_size)])
        loss = model(input_ids=batch, labels=batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss_value = loss.item()
        report(step + 1, loss_value)
    model.eval()
    return loss_value


def _blocks(tokenizer: Any, documents: Iterable[str], block_len: int) -> Iterator[list[int]]:
    """Documents one after another, each from its beginning to its end token, cut into blocks of `block_len` tokens."""
    pending: list[int] = []
    for document in documents:
        pending += tokenizer(document).input_ids
        pending.append(tokenizer.eos_token_id)
        while len(pending) >= block_len:
            yield pending[:block_len]
            pending = pending[block_len:]
