"""Techniques as data: the ingredients of a strategy, with their papers, parameters, costs and the study book's claims.

A claim is what the book or the paper says; it is quoted, not promised: `BENCHMARK.md` is where it is tested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from orchestrator.domain.errors import FieldProblem
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.parameters import Parameter


class Role(StrEnum):
    """What part a technique plays; every training has exactly one METHOD."""

    METHOD = "method"
    """Which weights are trained."""
    ADDITION = "addition"
    """Changes how the method trains them."""
    PROCEDURE = "procedure"
    """Changes the stages of the run."""
    OBJECTIVE = "objective"
    """Changes the loss and the rows that it needs."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a technique costs before anything was measured, on large models in 16 bits.

    `time` multiplies the time that plain LoRA takes for a row. `bytes_per_parameter` is for a method: weights,
    gradients and optimizer states on the device per parameter of the base model; 0 for what adds next to nothing.
    """

    time: float = 1.0
    bytes_per_parameter: float = 0.0
    source: str = "adds next to nothing"


@dataclass(frozen=True, slots=True)
class Technique:
    """One ingredient. `settings` are the trainer's real keys that switch it on; `book` maps the study book's flags to
    the real keys; `excludes` says what it cannot be joined with, and why; `on_adapter` that it works on one only."""

    key: str
    title: str
    role: Role
    paper: str
    summary: str
    claim: str
    settings: Mapping[str, JsonValue]
    parameters: tuple[Parameter, ...] = ()
    book: Mapping[str, str] = field(default_factory=dict)
    cost: Cost = Cost()
    excludes: Mapping[str, str] = field(default_factory=dict)
    on_adapter: bool = False


_ADAPTER = (
    Parameter("rank", "Rank of the update.", 16, 1, 1024, key="lora_r"),
    Parameter("alpha", "Scale of the update; twice the rank unless said.", None, 1, 4096, key="lora_alpha"),
    Parameter("dropout", "Dropout before the A matrices.", 0.0, 0, 0.99, key="lora_dropout", whole=False),
)
_NO_ADAPTER = "trains the weights themselves, and has no adapter that it could work on"
_LOW_RANK = "trains all weights: with an adapter beside it only the adapter would be trained"

_RECORDS = (
    Technique(
        "lora", "LoRA", Role.METHOD, "https://arxiv.org/abs/2106.09685",
        "Freezes the weights and learns a low-rank update B A beside each of them.",
        "The baseline that the others are measured against.",
        {"adapter": "lora", "lora_target_linear": True},
        _ADAPTER,
        {"adapter": "adapter", "lora_r": "lora_r", "lora_alpha": "lora_alpha"},
        Cost(1.0, 2.0, "weights in 16 bits; forward and backward without weight gradients, 4 N FLOPs a token"),
    ),
    Technique(
        "qlora", "QLoRA", Role.METHOD, "https://arxiv.org/abs/2305.14314",
        "LoRA on weights that are kept in 4 bits: a third of the memory, some of the speed.",
        "16-bit quality from 4-bit weights (its paper); a baseline here.",
        {"adapter": "qlora", "load_in_4bit": True, "lora_target_linear": True},
        _ADAPTER,
        cost=Cost(1.3, 0.6, "NF4 weights are 0.56 bytes a parameter; each pass dequantises them"),
    ),
    Technique(
        "full", "Full fine-tuning", Role.METHOD, "https://arxiv.org/abs/1412.6980",
        "Trains every weight with AdamW.",
        "The quality that the cheaper methods are compared with.",
        {},
        cost=Cost(1.5, 8.0, "6 N FLOPs a token; weights, gradients and two moments in 16 bits"),
    ),
    Technique(
        "galore", "GaLore", Role.METHOD, "https://arxiv.org/abs/2403.03507",
        "Trains all weights; the optimizer sees gradients projected to a low rank.",
        "Full fine-tuning's quality at LoRA's memory (study book)",
        {"optimizer": "galore_adamw_8bit", "optim_target_modules": ["self_attn", "mlp"]},
        (
            Parameter("rank", "Rank of the projected gradients.", 128, 1, 4096, key="optim_args.rank"),
            Parameter("update_proj_gap", "Steps between two projections.", 200, 1, 100_000,
                      key="optim_args.update_proj_gap"),
            Parameter("scale", "Scale of the projected update.", 0.25, 0.001, 100, key="optim_args.scale", whole=False),
        ),
        {
            "optimizer": "optimizer",
            "galore_rank": "optim_args.rank",
            "galore_update_proj_gap": "optim_args.update_proj_gap",
            "galore_scale": "optim_args.scale",
        },
        Cost(1.6, 4.5, "6 N FLOPs a token and the projections; weights and gradients in 16 bits, low-rank moments"),
    ),
    Technique(
        "dora", "DoRA", Role.ADDITION, "https://arxiv.org/abs/2402.09353",
        "Splits each weight into magnitude and direction; LoRA moves the direction, the magnitude is learned.",
        "+15 % on commonsense reasoning over LoRA (study book)",
        {"peft_use_dora": True},
        book={"lora_use_dora": "peft_use_dora"},
        cost=Cost(1.25, source="builds the norm of every adapted weight in each pass, whatever the batch"),
        on_adapter=True,
    ),
    Technique(
        "rslora", "rsLoRA", Role.ADDITION, "https://arxiv.org/abs/2312.03732",
        "Scales the update by alpha / sqrt(r) in place of alpha / r, so that high ranks stay stable.",
        "Rank 256 and above without instability (study book)",
        {"peft_use_rslora": True},
        book={"lora_use_rslora": "peft_use_rslora"},
        on_adapter=True,
    ),
    Technique(
        "lora_plus", "LoRA+", Role.ADDITION, "https://arxiv.org/abs/2402.12354",
        "Gives the B matrices a higher learning rate than the A matrices.",
        "+2-5 % accuracy (study book)",
        {},
        (Parameter("ratio", "Learning rate of B over that of A.", 16, 1, 1024, key="loraplus_lr_ratio", whole=False),),
        {"loraplus_lr_ratio": "loraplus_lr_ratio"},
        on_adapter=True,
    ),
    Technique(
        "neftune", "NEFTune", Role.ADDITION, "https://arxiv.org/abs/2310.05914",
        "Adds uniform noise of size alpha / sqrt(L d) to the embeddings while training.",
        "+10-15 % on AlpacaEval and MT-Bench (study book)",
        {},
        (Parameter("noise_alpha", "Size of the noise.", 5, 0.001, 1000, key="neftune_noise_alpha", whole=False),),
        {"neftune_noise_alpha": "neftune_noise_alpha"},
        excludes={"orpo": "the trainer ignores NEFTune under preference optimisation without a word"},
    ),
    Technique(
        "relora", "ReLoRA", Role.PROCEDURE, "https://arxiv.org/abs/2307.05695",
        "Trains LoRA, merges it into the weights, begins anew; the ranks add up.",
        "3 iterations of rank 64 reach an effective rank of 192 (study book)",
        {},
        (Parameter("iterations", "Cycles of train and merge.", 3, 1, 20),),
        excludes={
            "qlora": "every cycle would merge into full weights and quantise them again; the error adds up",
            "orpo": "restarting preference optimisation has not been tried; train with ReLoRA first, then with ORPO",
        },
        on_adapter=True,
    ),
    Technique(
        "orpo", "ORPO", Role.OBJECTIVE, "https://arxiv.org/abs/2403.07691",
        "Learns from preference pairs in one stage, with an odds-ratio term and no reference model.",
        "Better instruction following and format compliance than SFT (study book)",
        {"rl": "orpo"},
        (Parameter("beta", "Weight of the odds-ratio term.", 0.1, 0.0001, 100, key="orpo_alpha", whole=False),),
        {"rl": "rl", "orpo_alpha": "orpo_alpha"},
        Cost(2.0, source="two sequences a row, chosen and rejected; no reference model"),
    ),
)  # fmt: skip

TECHNIQUES: Mapping[str, Technique] = MappingProxyType({record.key: record for record in _RECORDS})
DEFAULT_METHOD = "lora"


def methods_of(keys: Sequence[str]) -> tuple[str, ...]:
    """Those of `keys` that say which weights are trained."""
    return tuple(key for key in keys if TECHNIQUES[key].role is Role.METHOD)


def incompatible(keys: Sequence[str], field_name: str = "techniques") -> tuple[FieldProblem, ...]:
    """Every reason why the known techniques `keys` cannot be joined into one training."""
    methods = methods_of(keys)
    problems: list[str] = []
    if len(methods) > 1:
        problems.append(f"{' and '.join(methods)} each say which weights are trained: keep one of them")
    on_adapter = any(TECHNIQUES[method].settings.get("adapter") for method in methods)
    for key in keys:
        if methods and TECHNIQUES[key].on_adapter and not on_adapter:
            why = _LOW_RANK if methods[0] == "galore" else _NO_ADAPTER
            problems.append(f"{key} cannot be joined with {methods[0]}, which {why}")
        excluded = TECHNIQUES[key].excludes
        problems.extend(
            f"{key} cannot be joined with {other}: {excluded[other]}" for other in keys if other in excluded
        )
    return tuple(FieldProblem(field_name, problem) for problem in problems)


def time_factor(keys: Sequence[str]) -> float:
    """How many times as long as with plain LoRA a row takes."""
    factor = 1.0
    for key in keys:
        factor *= TECHNIQUES[key].cost.time
    return factor


def techniques_in(settings: Mapping[str, JsonValue]) -> tuple[str, ...]:
    """The techniques that a configuration in the trainer's keys uses, its method first."""
    adapter = settings.get("adapter")
    quantised = adapter == "qlora" or (bool(adapter) and settings.get("load_in_4bit") is True)
    projected = str(settings.get("optimizer") or "").startswith("galore_")
    used = {
        "lora": bool(adapter) and not quantised,
        "qlora": quantised,
        "full": not adapter and not projected,
        "galore": projected,
        "dora": settings.get("peft_use_dora") is True,
        "neftune": bool(settings.get("neftune_noise_alpha")),
        "lora_plus": bool(settings.get("loraplus_lr_ratio")),
        "rslora": settings.get("peft_use_rslora") is True,
        "orpo": settings.get("rl") == "orpo",
    }
    return tuple(key for key, is_used in used.items() if is_used)
