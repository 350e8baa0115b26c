"""A training with its overrides applied: what it has become, and whether it is still what its strategy says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from orchestrator.domain.errors import FieldProblem, InvalidInputError
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.recipe import TrainingShape
from orchestrator.domain.stages import StageKind, StageSpec
from orchestrator.domain.techniques import incompatible, methods_of, techniques_in
from orchestrator.ports.inputs import ModelFacts

LEAST_EPOCHS = 0.001
OF_THE_ADAPTER = ("adapter", "lora_", "peft_", "load_in_")


def fitted(
    recipe: Mapping[str, JsonValue], model: ModelFacts | None, *, say: bool
) -> tuple[Mapping[str, JsonValue], tuple[str, ...]]:
    """A strategy's sequence length is for models that are made for it; a shorter model gets its own, which is said of a
    recipe that a person wrote."""
    length, most = recipe.get("sequence_len"), None if model is None else model.max_sequence_len
    if most is None or not isinstance(length, int) or length <= most:
        return recipe, ()
    note = f"sequence_len {length} is more than the model takes: {most} is used"
    return {**recipe, "sequence_len": most}, (note,) if say else ()


def settled(
    stage: StageSpec, recipe: Mapping[str, JsonValue], before: Sequence[StageSpec]
) -> tuple[StageSpec, tuple[FieldProblem, ...]]:
    """The training as `recipe` makes it, and what is wrong with that. `before` are the stages that come before it."""
    try:
        TrainingShape.from_recipe(recipe)
    except InvalidInputError as error:
        return stage, error.problems
    told = techniques_in(recipe)
    # Overrides may have added one or lifted one: what is shown, planned and written on the card is what is trained.
    techniques = (
        *(key for key in stage.techniques if key in told or key == "relora"),
        *(key for key in told if key not in stage.techniques),
    )
    done = replace(stage, recipe=_portion(stage, recipe), techniques=techniques)
    return done, (*_changed_method(stage, told), *_of_a_cycle(stage, recipe), *_of_the_adapter(done, before))


def _portion(stage: StageSpec, recipe: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """ReLoRA's cycles share the epochs and the warm-up of the run among them."""
    shared: dict[str, JsonValue] = dict(recipe)
    epochs, warmup = recipe.get("num_epochs"), recipe.get("warmup_steps")
    if stage.cycles > 1 and isinstance(epochs, int | float):
        shared["num_epochs"] = epochs / stage.cycles
    if stage.cycles > 1 and isinstance(warmup, int):
        shared["warmup_steps"] = -(-warmup // stage.cycles)
    return shared


def _changed_method(stage: StageSpec, told: Sequence[str]) -> tuple[FieldProblem, ...]:
    """The stages were made for one way of choosing the trained weights; another way is another strategy."""
    was, now = methods_of(stage.techniques), methods_of(told)
    if was != now:
        why = f"would train {', '.join(now)} where the strategy trains {', '.join(was)}: choose another strategy"
        return (FieldProblem("overrides.adapter", why),)
    procedure = [key for key in stage.techniques if key not in told and key == "relora"]
    return incompatible((*told, *procedure), "overrides")


def _of_a_cycle(stage: StageSpec, recipe: Mapping[str, JsonValue]) -> tuple[FieldProblem, ...]:
    epochs = recipe.get("num_epochs")
    if not isinstance(epochs, int | float) or epochs / stage.cycles >= LEAST_EPOCHS:
        return ()
    least = LEAST_EPOCHS * stage.cycles
    return (FieldProblem("overrides.num_epochs", f"must be at least {least:g}, since {stage.cycles} cycles share it"),)


def _of_the_adapter(stage: StageSpec, before: Sequence[StageSpec]) -> tuple[FieldProblem, ...]:
    """A continued adapter is what it was made as, whatever a configuration says."""
    trained = [each.recipe for each in before if each.kind is StageKind.TRAIN]
    if not stage.continues or not trained:
        return ()
    keys = sorted({*stage.recipe, *trained[-1]})
    return tuple(
        FieldProblem(f"overrides.{key}", "is the adapter's, and this training continues the one before it")
        for key in keys
        if key.startswith(OF_THE_ADAPTER) and stage.recipe.get(key) != trained[-1].get(key)
    )
