"""ORPO's loss from the paper (arXiv 2403.07691), for a batch as TRL collates it; under the trainer's Python.

Equation 2: log P(y|x) is the mean log-likelihood of the answer's m tokens. Equation 3: odds(y|x) = P / (1 - P).
Equation 7: L_OR = -log sigmoid(log(odds(chosen) / odds(rejected))). Equation 6: L = L_SFT + lambda * L_OR.

TRL 1.9 (`trl/experimental/orpo/orpo_trainer.py`) departs from it in one thing: its L_SFT is the negative log-likelihood
of the whole chosen sequence, prompt included, and a mean over all tokens of the micro-batch. The paper's lambda is its
`beta`, which Axolotl sets from `orpo_alpha`. (The study book leaves out the -log sigmoid of equation 7.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch


def orpo_by_hand(model: Any, batch: Mapping[str, Any]) -> dict[str, float]:
    """`sft` and `odds`, L_SFT and L_OR, in nats; one sequence at a time, without padding, in double precision."""
    sft_total, sft_tokens, odds = 0.0, 0, []
    for row in range(len(batch["chosen_input_ids"])):
        whole, chosen = log_likelihoods(model, batch, "chosen", row)
        _, rejected = log_likelihoods(model, batch, "rejected", row)
        sft_total -= sum(whole)
        sft_tokens += len(whole)
        ratio = log_odds(chosen) - log_odds(rejected)
        odds.append(math.log1p(math.exp(-ratio)))
    return {"sft": sft_total / sft_tokens, "odds": sum(odds) / len(odds)}


def log_likelihoods(model: Any, batch: Mapping[str, Any], side: str, row: int) -> tuple[list[float], list[float]]:
    """Of each token of one sequence but the first, and of the tokens of its answer alone."""
    real = batch[f"{side}_attention_mask"][row] == 1
    ids = batch[f"{side}_input_ids"][row][real]
    answer = batch[f"{side}_labels"][row][real] != -100
    logits = model(input_ids=ids[None]).logits[0, :-1].double()
    each = torch.log_softmax(logits, dim=-1).gather(1, ids[1:, None])[:, 0]
    return each.tolist(), each[answer[1:]].tolist()


def log_odds(answer: list[float]) -> float:
    """log(P / (1 - P)) with log P the mean over the answer's tokens."""
    log_probability = sum(answer) / len(answer)
    return log_probability - math.log1p(-math.exp(log_probability))
