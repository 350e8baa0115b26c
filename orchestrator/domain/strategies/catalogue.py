"""The catalogue of strategies, and how a user's word finds one."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from orchestrator.domain.errors import InvalidInputError
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.parameters import Parameter
from orchestrator.domain.techniques import TECHNIQUES

CUSTOM = "custom"


@dataclass(frozen=True, slots=True)
class Phase:
    """One training of a strategy. `defaults` are its own values of its techniques' parameters, `settings` of the
    trainer's keys. `share` names the strategy's parameter that says this phase's part of the training time."""

    title: str
    techniques: tuple[str, ...]
    defaults: Mapping[str, int | float | str] = field(default_factory=dict)
    settings: Mapping[str, JsonValue] = field(default_factory=dict)
    share: str = ""


@dataclass(frozen=True, slots=True)
class Strategy:
    """A named way to train: one phase or several, one after another. `parameters` are its own, beside its techniques';
    `custom` has no phase of its own, the user names the techniques."""

    key: str
    title: str
    summary: str
    claim: str
    phases: tuple[Phase, ...]
    aliases: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()

    @property
    def techniques(self) -> tuple[str, ...]:
        """Those of all phases, each once."""
        return tuple(dict.fromkeys(key for phase in self.phases for key in phase.techniques))


def known_parameters(strategy: Strategy, techniques: tuple[str, ...]) -> tuple[Parameter, ...]:
    """All that may be chosen: the strategy's own, then those of `techniques` with the strategy's defaults shown."""
    found = {parameter.name: parameter for parameter in strategy.parameters}
    defaults = {name: value for phase in reversed(strategy.phases) for name, value in phase.defaults.items()}
    for key in techniques:
        for parameter in TECHNIQUES[key].parameters:
            shown = defaults.get(parameter.name, parameter.default)
            found.setdefault(parameter.name, replace(parameter, default=shown))
    return tuple(found.values())


# Rank 128 and alpha 256 with rsLoRA scale the update by 22.6: clipping and a low rate keep it stable (docs/adr/0005).
_QUALITY = Phase(
    "DoRA + NEFTune + LoRA+ + rsLoRA",
    ("lora", "dora", "neftune", "lora_plus", "rslora"),
    {"rank": 128},
    {"learning_rate": 5e-5},
)
_PREFERENCE = Phase(
    "ORPO on the preference pairs",
    ("lora", "dora", "rslora", "orpo"),
    {"rank": 128},
    # ORPO weighs every pair twice, as text and as a choice: the paper trains at a tenth of a supervised rate and less.
    {"learning_rate": 8e-6, "micro_batch_size": 2, "gradient_accumulation_steps": 8},
)

STRATEGIES: tuple[Strategy, ...] = (
    Strategy(
        "dora_neftune",
        "A: Maximum quality",
        "DoRA + NEFTune + LoRA+ + rsLoRA on one adapter.",
        "+20-30 % over standard LoRA (study book)",
        (_QUALITY,),
        ("a", "strategy_a", "dora"),
    ),
    Strategy(
        "galore",
        "B: Full-rank on a budget",
        "Full fine-tuning with GaLore and an 8-bit optimizer.",
        "Full fine-tuning's quality at LoRA's memory (study book)",
        (Phase("GaLore", ("galore",), settings={"learning_rate": 1e-5}),),
        ("b", "strategy_b"),
    ),
    Strategy(
        "relora",
        "C: Iterative excellence",
        "ReLoRA: train, merge, begin anew, three times.",
        "Effective rank 192 from three times rank 64 (study book)",
        (Phase("ReLoRA", ("lora", "relora"), {"rank": 64}, {"learning_rate": 2e-4}),),
        ("c", "strategy_c"),
    ),
    Strategy(
        "orpo",
        "D: Alignment focus",
        "Preference pairs with ORPO on one adapter.",
        "Better instruction following and format compliance (study book)",
        (
            Phase(
                "ORPO",
                ("lora", "orpo"),
                {"rank": 32},
                {"learning_rate": 5e-5, "micro_batch_size": 2, "gradient_accumulation_steps": 8},
            ),
        ),
        ("d", "strategy_d"),
    ),
    Strategy(
        "split",
        "Option 3: Split budget",
        "Half the money for strategy A, half for ORPO on its result.",
        "Base quality first, alignment polish after (study book)",
        (
            replace(_QUALITY, share="sft_share"),
            replace(_PREFERENCE, share="orpo_share"),
        ),
        ("split_budget", "option_3"),
        (
            Parameter("sft_share", "The first training's part of the training time.", 24, 1, 1000),
            Parameter("orpo_share", "The second training's part.", 24, 1, 1000),
            Parameter(
                "handover",
                "How the first result is handed on: merged into the model, or the same adapter continued.",
                "merge",
                choices=("merge", "continue"),
            ),
        ),
    ),
    Strategy(
        "lora",
        "Baseline: LoRA",
        "Plain LoRA, rank 16: what the others are compared with.",
        "The baseline.",
        (Phase("LoRA", ("lora",), settings={"learning_rate": 2e-4}),),
        ("baseline",),
    ),
    Strategy(
        "qlora",
        "Baseline: QLoRA",
        "LoRA on 4-bit weights, for models that fit no other way.",
        "16-bit quality from 4-bit weights (its paper)",
        (Phase("QLoRA", ("qlora",), settings={"learning_rate": 2e-4}),),
    ),
    Strategy(
        "full",
        "Baseline: full fine-tuning",
        "Every weight, with AdamW.",
        "What the cheaper methods are measured against.",
        (Phase("Full fine-tuning", ("full",), settings={"learning_rate": 1e-5}),),
        ("full_fine_tuning", "fft"),
    ),
    Strategy(
        CUSTOM,
        "Custom",
        "Techniques of your choice, or an Axolotl configuration of your own.",
        "None: it is yours.",
        (),
    ),
)

_BY_WORD: Mapping[str, Strategy] = {word: each for each in STRATEGIES for word in (each.key, *each.aliases)}


def find_strategy(word: object) -> Strategy:
    """The strategy of this name, letter or alias, whatever its case and separators.

    Raises `InvalidInputError` naming `strategy` (with the nearest name) for an unknown one.
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
    return strategy
