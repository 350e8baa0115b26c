"""Techniques as data: the single ingredients of a strategy, with their papers and the study book's claims.

A claim is what the book or the paper says; it is quoted, not promised.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from orchestrator.domain.json_value import JsonValue


@dataclass(frozen=True, slots=True)
class Technique:
    """One ingredient. `settings` are the trainer's real keys with the book's values; `claim` is quoted."""

    key: str
    title: str
    paper: str
    summary: str
    settings: Mapping[str, JsonValue]
    claim: str


def _technique(key: str, title: str, arxiv: str, summary: str, claim: str, **settings: JsonValue) -> Technique:
    return Technique(key, title, f"https://arxiv.org/abs/{arxiv}", summary, MappingProxyType(settings), claim)


TECHNIQUES: Mapping[str, Technique] = MappingProxyType(
    {
        technique.key: technique
        for technique in (
            _technique(
                "lora",
                "LoRA",
                "2106.09685",
                "Freezes the weights and learns a low-rank update B A beside each of them.",
                "The baseline that the others are measured against.",
                adapter="lora",
                lora_target_linear=True,
            ),
            _technique(
                "dora",
                "DoRA",
                "2402.09353",
                "Splits each weight into magnitude and direction; LoRA moves the direction, the magnitude is learned.",
                "+15 % on commonsense reasoning over LoRA (study book)",
                peft_use_dora=True,
            ),
            _technique(
                "neftune",
                "NEFTune",
                "2310.05914",
                "Adds uniform noise of size alpha / sqrt(L d) to the embeddings while training.",
                "+10-15 % on AlpacaEval and MT-Bench (study book)",
                neftune_noise_alpha=5,
            ),
            _technique(
                "lora_plus",
                "LoRA+",
                "2402.12354",
                "Gives the B matrices a higher learning rate than the A matrices.",
                "+2-5 % accuracy (study book)",
                loraplus_lr_ratio=16,
            ),
            _technique(
                "rslora",
                "rsLoRA",
                "2312.03732",
                "Scales the update by alpha / sqrt(r) in place of alpha / r, so that high ranks stay stable.",
                "Rank 256 and above without instability (study book)",
                peft_use_rslora=True,
            ),
            _technique(
                "galore",
                "GaLore",
                "2403.03507",
                "Trains all weights; the optimizer sees gradients projected to a low rank.",
                "Full fine-tuning's quality at LoRA's memory (study book)",
                optimizer="galore_adamw_8bit",
                optim_target_modules=["self_attn", "mlp"],
                optim_args={"rank": 128, "update_proj_gap": 200, "scale": 0.25},
            ),
            _technique(
                "relora",
                "ReLoRA",
                "2307.05695",
                "Trains LoRA, merges it into the weights, begins anew; the ranks add up.",
                "3 iterations of rank 64 reach an effective rank of 192 (study book)",
            ),
            _technique(
                "orpo",
                "ORPO",
                "2403.07691",
                "Learns from preference pairs in one stage, with an odds-ratio term and no reference model.",
                "Better instruction following and format compliance than SFT (study book)",
                rl="orpo",
                orpo_alpha=0.1,
            ),
        )
    }
)


def techniques_in(settings: Mapping[str, JsonValue]) -> tuple[str, ...]:
    """The techniques that a configuration in the trainer's keys uses, how the weights are trained first.

    One of `full` (every weight), `lora` and `qlora` (on 4-bit weights) is always there; `galore` comes with `full`.
    """
    adapter = settings.get("adapter")
    quantised = adapter == "qlora" or (bool(adapter) and settings.get("load_in_4bit") is True)
    used = {
        "full": not adapter,
        "lora": bool(adapter) and not quantised,
        "qlora": quantised,
        "dora": settings.get("peft_use_dora") is True,
        "neftune": bool(settings.get("neftune_noise_alpha")),
        "lora_plus": bool(settings.get("loraplus_lr_ratio")),
        "rslora": settings.get("peft_use_rslora") is True,
        "galore": str(settings.get("optimizer") or "").startswith("galore_"),
        "orpo": settings.get("rl") == "orpo",
    }
    return tuple(key for key, is_used in used.items() if is_used)
