"""The catalogue of strategies, and how a user's word finds one."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from orchestrator.domain.errors import InvalidInputError, NotBuiltError
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.techniques import TECHNIQUES

_DEFAULTS: Mapping[str, JsonValue] = MappingProxyType(
    {
        "sequence_len": 2048,
        "micro_batch_size": 4,
        "gradient_accumulation_steps": 4,
        "num_epochs": 3,
        "optimizer": "adamw_torch",
        "lr_scheduler": "cosine",
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
    }
)


@dataclass(frozen=True, slots=True)
class Strategy:
    """A named way to train. `available` is False while it is not built yet: it is listed, and refused when asked for.

    `settings` are the strategy's own values in the trainer's keys; they come after the techniques' and the defaults.
    """

    key: str
    title: str
    summary: str
    techniques: tuple[str, ...]
    claim: str
    aliases: tuple[str, ...] = ()
    settings: Mapping[str, JsonValue] = field(default_factory=dict)
    available: bool = False

    def recipe(self) -> dict[str, JsonValue]:
        """The complete recipe in the trainer's keys, before the user's overrides."""
        merged: dict[str, JsonValue] = dict(_DEFAULTS)
        for technique in self.techniques:
            merged.update(TECHNIQUES[technique].settings)
        merged.update(self.settings)
        return merged


_LORA: Mapping[str, JsonValue] = {"lora_r": 16, "lora_alpha": 32, "lora_dropout": 0.0, "learning_rate": 2e-4}
# Rank 128 and alpha 256 with rsLoRA scale the update by 22.6: clipping and a low rate keep it stable (docs/adr/0005).
_STRATEGY_A: Mapping[str, JsonValue] = {
    "lora_r": 128,
    "lora_alpha": 256,
    "lora_dropout": 0.0,
    "learning_rate": 5e-5,
}

STRATEGIES: tuple[Strategy, ...] = (
    Strategy(
        "dora_neftune",
        "A: Maximum quality",
        "DoRA + NEFTune + LoRA+ + rsLoRA on one adapter.",
        ("lora", "dora", "neftune", "lora_plus", "rslora"),
        "+20-30 % over standard LoRA (study book)",
        ("a", "strategy_a", "dora"),
        _STRATEGY_A,
        available=True,
    ),
    Strategy(
        "galore",
        "B: Full-rank on a budget",
        "Full fine-tuning with GaLore and an 8-bit optimizer.",
        ("galore",),
        "Full fine-tuning's quality at LoRA's memory (study book)",
        ("b", "strategy_b"),
    ),
    Strategy(
        "relora",
        "C: Iterative excellence",
        "ReLoRA: train, merge, begin anew, three times.",
        ("lora", "relora"),
        "Effective rank 192 from three times rank 64 (study book)",
        ("c", "strategy_c"),
    ),
    Strategy(
        "orpo",
        "D: Alignment focus",
        "Preference pairs with ORPO on one adapter.",
        ("lora", "orpo"),
        "Better instruction following and format compliance (study book)",
        ("d", "strategy_d"),
    ),
    Strategy(
        "split",
        "Option 3: Split budget",
        "Half the money for strategy A, half for ORPO on its result.",
        ("lora", "dora", "neftune", "orpo"),
        "Base quality first, alignment polish after (study book)",
        ("split_budget",),
    ),
    Strategy(
        "lora",
        "Baseline: LoRA",
        "Plain LoRA, rank 16: what the others are compared with.",
        ("lora",),
        "The baseline.",
        ("baseline",),
        _LORA,
        available=True,
    ),
)

_BY_WORD: Mapping[str, Strategy] = {word: each for each in STRATEGIES for word in (each.key, *each.aliases)}


def find_strategy(word: object) -> Strategy:
    """The strategy of this name, letter or alias, whatever its case and separators.

    Raises `InvalidInputError` naming `strategy` (with the nearest name) for an unknown one, `NotBuiltError` for one
    that is known and not built yet.
    """
    if not isinstance(word, str):
        raise InvalidInputError.of("strategy", "must be a string, for example dora_neftune")
    folded = word.strip().lower().replace("-", "_").replace("+", "_").replace(" ", "_")
    strategy = _BY_WORD.get(folded)
    if strategy is None:
        near = difflib.get_close_matches(folded[:64], _BY_WORD, n=1)
        hint = f"did you mean {_BY_WORD[near[0]].key}? " if near else ""
        known = ", ".join(each.key for each in STRATEGIES)
        raise InvalidInputError.of("strategy", f"unknown strategy {word[:64]!r}; {hint}known: {known}")
    if not strategy.available:
        built = ", ".join(each.key for each in STRATEGIES if each.available)
        raise NotBuiltError(f"strategy {strategy.key} is not built yet; available now: {built}")
    return strategy
