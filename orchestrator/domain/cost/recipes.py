"""Reading off a recipe in the trainer's keys what speed and memory depend on."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.domain.cost.layout import Layout
from orchestrator.domain.cost.setup import Method, TrainingSetup
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.techniques import techniques_in

FRAMEWORK = "axolotl"
DEFAULT_RANK = 16
DEFAULT_GALORE_GAP = 200
DEFAULT_GALORE_RANK = 128
FUSED_LOSSES = ("cut_cross_entropy", "liger_fused_linear_cross_entropy", "chunked_cross_entropy")
UNFUSED_ATTENTION = frozenset({"eager"})


def setup_of(recipe: Mapping[str, JsonValue], layout: Layout, length: int) -> TrainingSetup:
    """The setup that trains `recipe` in `layout`, with `length` tokens in each sequence of a micro-step, padding
    counted."""
    techniques = techniques_in(recipe)
    method = next(each for each in Method if each.value in techniques)
    return TrainingSetup(
        method=method,
        sequence_len=length,
        micro_batch=layout.micro_batch,
        accumulation=layout.accumulation,
        devices=layout.devices,
        sharding=layout.sharding,
        checkpointing=layout.checkpointing,
        flash=recipe.get("attn_implementation") not in UNFUSED_ATTENTION,
        optimizer=str(recipe.get("optimizer") or "adamw_torch"),
        rank=_rank(recipe, method),
        targets=_targets(recipe),
        dropout=_number(recipe.get("lora_dropout")),
        dora="dora" in techniques,
        pairs="orpo" in techniques,
        packed=recipe.get("sample_packing") is True,
        compiled=bool(recipe.get("torch_compile")),
        fused_loss=any(recipe.get(key) is True for key in FUSED_LOSSES),
        trains_embeddings=_trains_embeddings(recipe),
        galore_gap=_gap(recipe) if method is Method.GALORE else 0,
        framework=FRAMEWORK,
    )


def is_checkpointed(recipe: Mapping[str, JsonValue], *, by_default: bool = True) -> bool:
    """Whether activations are computed twice; on a GPU they are, unless the recipe says otherwise."""
    said = recipe.get("gradient_checkpointing")
    return said if isinstance(said, bool) else by_default


def _rank(recipe: Mapping[str, JsonValue], method: Method) -> int:
    if method is Method.FULL:
        return 0
    if method is Method.GALORE:
        return int(_number(_optimizer_argument(recipe, "rank"))) or DEFAULT_GALORE_RANK
    return int(_number(recipe.get("lora_r"))) or DEFAULT_RANK


def _gap(recipe: Mapping[str, JsonValue]) -> int:
    return int(_number(_optimizer_argument(recipe, "update_proj_gap"))) or DEFAULT_GALORE_GAP


def _optimizer_argument(recipe: Mapping[str, JsonValue], name: str) -> JsonValue:
    arguments = recipe.get("optim_args")
    return arguments.get(name) if isinstance(arguments, Mapping) else None


def _targets(recipe: Mapping[str, JsonValue]) -> tuple[str, ...] | None:
    named = recipe.get("lora_target_modules")
    if recipe.get("lora_target_linear") is True or not isinstance(named, list | tuple):
        return None
    return tuple(str(each) for each in named)


def _trains_embeddings(recipe: Mapping[str, JsonValue]) -> bool:
    saved = recipe.get("lora_modules_to_save")
    return isinstance(saved, list | tuple) and any(each in {"embed_tokens", "lm_head"} for each in saved)


def _number(value: JsonValue) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
