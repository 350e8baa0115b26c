"""From a strategy with its parameters to the stages of a run: train, merge, train, ..., evaluate. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.domain.errors import InvalidInputError
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.parameters import check_parameters, chosen, settings_of
from orchestrator.domain.stages import StageKind, StageSpec
from orchestrator.domain.strategies.catalogue import CUSTOM, Phase, Strategy, known_parameters
from orchestrator.domain.techniques import DEFAULT_METHOD, TECHNIQUES, incompatible, methods_of

DEFAULTS: Mapping[str, JsonValue] = {
    "sequence_len": 2048,
    "micro_batch_size": 4,
    "gradient_accumulation_steps": 4,
    "num_epochs": 3,
    "optimizer": "adamw_torch",
    "lr_scheduler": "cosine",
    "weight_decay": 0.0,
    "max_grad_norm": 1.0,
    "learning_rate": 2e-4,
}
"""What every training starts from, in the trainer's keys."""
MAX_TECHNIQUES = 10


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a user chose beside the strategy. `techniques` are for `custom` only; `recipe` is a configuration of the
    user's own in the trainer's keys, whose techniques are then `techniques`; `merged` asks for a merged model."""

    parameters: Mapping[str, JsonValue]
    techniques: tuple[str, ...] = ()
    recipe: Mapping[str, JsonValue] | None = None
    merged: bool = False


def expand(strategy: Strategy, wishes: Wishes) -> tuple[StageSpec, ...]:
    """The stages, each training with its complete recipe before any override.

    Raises `InvalidInputError` naming `techniques`, `recipe` or `parameters.<name>`.
    """
    phases = _phases(strategy, wishes)
    techniques = tuple(dict.fromkeys(key for phase in phases for key in phase.techniques))
    # A recipe of the user's own says everything by itself.
    known = () if wishes.recipe is not None else known_parameters(strategy, techniques)
    problems = check_parameters(known, wishes.parameters)
    if problems:
        raise InvalidInputError(problems)
    own = chosen(strategy.parameters, wishes.parameters)
    stages: list[StageSpec] = []
    for number, phase in enumerate(phases):
        stages.extend(_trainings(phase, wishes, own, continues=bool(number) and own.get("handover") == "continue"))
        if number + 1 < len(phases) and own.get("handover") == "merge":
            stages.append(StageSpec(StageKind.MERGE, "the adapter merged into the model"))
    if wishes.merged and stages[-1].kind is StageKind.TRAIN and stages[-1].recipe.get("adapter"):
        stages.append(StageSpec(StageKind.MERGE, "the adapter merged into the model"))
    return (*stages, StageSpec(StageKind.EVALUATE, "before and after, on the same held-out rows"))


def _phases(strategy: Strategy, wishes: Wishes) -> tuple[Phase, ...]:
    if strategy.key != CUSTOM:
        if wishes.techniques or wishes.recipe is not None:
            name = "recipe" if wishes.recipe is not None else "techniques"
            raise InvalidInputError.of(name, f"belongs to strategy {CUSTOM}; {strategy.key} has its own")
        return strategy.phases
    if wishes.recipe is None and not wishes.techniques:
        raise InvalidInputError.of("techniques", "strategy custom needs techniques, or a recipe")
    techniques = wishes.techniques if methods_of(wishes.techniques) else (DEFAULT_METHOD, *wishes.techniques)
    problems = incompatible(techniques, "techniques" if wishes.recipe is None else "recipe")
    if problems:
        raise InvalidInputError(problems)
    title = " + ".join(TECHNIQUES[key].title for key in techniques)
    return (Phase(title, techniques),)


def check_techniques(names: object) -> tuple[str, ...]:
    """The known techniques that `names` lists; `InvalidInputError` naming `techniques`, with what is known."""
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise InvalidInputError.of("techniques", "must be a list of names, for example [dora, neftune]")
    folded = tuple(dict.fromkeys(name.strip().lower().replace("-", "_").replace("+", "_plus") for name in names))
    unknown = [name for name in folded if name not in TECHNIQUES]
    if unknown or len(folded) > MAX_TECHNIQUES:
        known = ", ".join(TECHNIQUES)
        raise InvalidInputError.of("techniques", f"unknown technique {unknown[0][:64]!r}; known: {known}"
                                   if unknown else f"lists more than {MAX_TECHNIQUES}")  # fmt: skip
    return folded


def _trainings(phase: Phase, wishes: Wishes, own: Mapping[str, JsonValue], *, continues: bool) -> Sequence[StageSpec]:
    values = {**phase.defaults, **wishes.parameters}
    cycles = _whole(chosen_of(phase.techniques, values).get("iterations"), 1) if "relora" in phase.techniques else 1
    training = StageSpec(
        StageKind.TRAIN,
        phase.title,
        techniques=phase.techniques,
        recipe=wishes.recipe if wishes.recipe is not None else _recipe(phase, values),
        share=_whole(own.get(phase.share), 1),
        continues=continues,
    )
    if "relora" not in phase.techniques:
        return [training]
    stages: list[StageSpec] = []
    for cycle in range(1, cycles + 1):
        name = f"cycle {cycle} of {cycles}"
        stages.append(replace(training, title=f"{phase.title}, {name}", cycle=cycle, cycles=cycles))
        stages.append(StageSpec(StageKind.MERGE, f"merge after {name}", cycle=cycle, cycles=cycles))
    return stages


def chosen_of(techniques: Sequence[str], values: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Every parameter of `techniques`, from `values` or its default."""
    return chosen([each for key in techniques for each in TECHNIQUES[key].parameters], values)


def _recipe(phase: Phase, values: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    recipe: dict[str, JsonValue] = dict(DEFAULTS)
    for key in phase.techniques:
        technique = TECHNIQUES[key]
        recipe.update(technique.settings)
        recipe.update(settings_of(technique.parameters, chosen(technique.parameters, values)))
    recipe.update(phase.settings)
    rank = recipe.get("lora_r")
    if isinstance(rank, int):
        recipe.setdefault("lora_alpha", 2 * rank)
    return recipe


def _whole(value: JsonValue, otherwise: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise
