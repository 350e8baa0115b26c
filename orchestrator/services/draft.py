"""From what a person asked for to a complete, validated `RunSpec`: every problem named, nothing started."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from orchestrator.domain.cost.layout import LAYOUT_KEYS
from orchestrator.domain.errors import FieldProblem, InvalidInputError
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.money import SECONDS_PER_HOUR, Money, parse_dollars
from orchestrator.domain.run import RunSpec
from orchestrator.domain.stages import StageKind, StageSpec
from orchestrator.domain.strategies import CUSTOM, Strategy, Wishes, check_techniques, expand, find_strategy
from orchestrator.domain.techniques import techniques_in
from orchestrator.ports.inputs import Inputs, ModelFacts
from orchestrator.ports.trainer import Adoption, Trainer
from orchestrator.services.adopted import named_in_recipe, otherwise_than_said, said_of_taken
from orchestrator.services.harness import parse_harness
from orchestrator.services.machine_wishes import parse_wishes
from orchestrator.services.overrides import meant_for, own_overrides
from orchestrator.services.rows import Rows, choose_rows
from orchestrator.services.tokens import with_tokens
from orchestrator.services.told_rows import ToldTokens
from orchestrator.services.trainings import fitted, settled

MAX_HOURS = 24 * 30
MAX_GPUS = 4
MAX_NAME = 120
DEFAULT_SEED = 42

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RunDraft:
    """A wish as it came in; nothing in it is trusted yet. Only `strategy` and `budget` (dollars) are required.

    `techniques`, or a `recipe` (an Axolotl configuration, as text or as a mapping), are for strategy `custom`, which
    may be left out beside a recipe. `preferences` are pairs for a strategy that trains on them after another dataset;
    `merged` asks for the merged model; `harness` names tasks of lm-evaluation-harness. `training_overrides` are
    overrides for single trainings by their number, from "1": they come after `overrides`, which concern all of them.
    `accelerators`, `spot` and `prefer` narrow and steer the search for a machine.
    """

    strategy: object
    budget: object
    model: str | None = None
    dataset: str | None = None
    preferences: str | None = None
    heldout: str | None = None
    max_hours: object = None
    gpus: object = None
    techniques: object = None
    parameters: Mapping[str, JsonValue] = field(default_factory=dict)
    recipe: object = None
    overrides: Mapping[str, JsonValue] = field(default_factory=dict)
    training_overrides: Mapping[str, JsonValue] = field(default_factory=dict)
    merged: bool = False
    harness: object = None
    seed: object = None
    name: str = ""
    accelerators: object = None
    spot: object = None
    prefer: object = None


class SpecifyRun:
    """Validates a draft against the strategies, the trainer's keys and the inputs."""

    def __init__(self, inputs: Inputs, trainer: Trainer) -> None:
        self._inputs = inputs
        self._trainer = trainer

    def execute(self, draft: RunDraft, told: ToldTokens | None = None) -> tuple[RunSpec, Money]:
        """The spec and its cap; of `told` rows only their tokens are known. Raises `InvalidInputError` with every
        problem found."""
        problems: list[FieldProblem] = []
        if draft.strategy is None and draft.recipe is None:
            raise InvalidInputError.of("strategy", "is required")
        strategy = find_strategy(CUSTOM if draft.strategy is None and draft.recipe is not None else draft.strategy)
        adopted = self._adopted(draft, problems)
        from_recipe = adopted.dataset if adopted and draft.dataset is None else None
        taken_over = said_of_taken(draft, adopted) if adopted else ()
        draft = self._completed(draft, adopted)
        cap = _gather(problems, lambda: parse_dollars(draft.budget, "budget"))
        max_seconds = _gather(problems, lambda: _hours(draft.max_hours))
        gpus = _gather(problems, lambda: _whole(draft.gpus, "gpus", 1, MAX_GPUS))
        seed = _gather(problems, lambda: _whole(draft.seed, "seed", 0, 2**31 - 1))
        name = _gather(problems, lambda: _name(draft.name))
        harness = _gather(problems, lambda: parse_harness(draft.harness, self._inputs))
        model = _gather(problems, lambda: self._inputs.model(draft.model))
        understood = adopted is not None or draft.recipe is None
        stages = (_gather(problems, lambda: expand(strategy, _wishes(draft, adopted))) or ()) if understood else ()
        rows = _gather(problems, lambda: self._rows(draft, told, strategy, stages)) if stages else None
        wishes = _gather(problems, lambda: parse_wishes(draft.accelerators, draft.spot, draft.prefer))
        if rows and from_recipe and (wrong := otherwise_than_said(from_recipe, rows.dataset.format)):
            problems.append(wrong)
        stages, notes = self._resolved(stages, draft, model, problems)
        if problems or cap is None or model is None or rows is None or wishes is None:
            raise InvalidInputError(problems)
        seed = DEFAULT_SEED if seed is None else seed
        if told is None:
            rows = with_tokens(self._inputs, rows, model, stages, seed)
        spec = RunSpec(
            strategy=strategy.key,
            model=model.source,
            model_parameters=model.parameters,
            model_is_local=model.is_local,
            dataset=rows.dataset,
            stages=stages,
            seed=seed,
            name=name or "",
            gpus=gpus,
            max_seconds=max_seconds,
            parameters=dict(draft.parameters),
            preferences=rows.preferences,
            harness=harness,
            notes=(*(adopted.notes if adopted else ()), *taken_over, *rows.notes, *notes),
            architecture=model.architecture,
            machine=wishes,
        )
        return spec, cap

    def _rows(self, draft: RunDraft, told: ToldTokens | None, strategy: Strategy, stages: Sequence[StageSpec]) -> Rows:
        if told is None:
            return choose_rows(self._inputs, draft, strategy, stages)
        if any(each is not None for each in (draft.dataset, draft.preferences, draft.heldout)):
            raise InvalidInputError.of("dataset_tokens", "is for a dataset that is not named; name it, or say its size")
        return told.rows(stages)

    def cap(self, budget: object) -> Money:
        """The cap that `budget` says. Raises `InvalidInputError` naming it."""
        return parse_dollars(budget, "budget")

    def gpus(self, count: object) -> int | None:
        """How many accelerators `count` says. Raises `InvalidInputError` naming `gpus`."""
        return _whole(count, "gpus", 1, MAX_GPUS)

    def _adopted(self, draft: RunDraft, problems: list[FieldProblem]) -> Adoption | None:
        """A recipe of the user's own, read and understood."""
        if draft.recipe is None:
            return None
        adopted = _gather(problems, lambda: self._trainer.adopt(self._parsed(draft.recipe)))
        if adopted is not None:
            problems.extend(adopted.problems)
        return None if adopted is None or adopted.problems else adopted

    def _completed(self, draft: RunDraft, adopted: Adoption | None) -> RunDraft:
        """What the draft leaves open, as the user's own recipe has it."""
        if adopted is None:
            return draft
        rows = adopted.dataset
        return replace(
            draft,
            model=draft.model or adopted.model,
            dataset=draft.dataset if draft.dataset is not None or rows is None else named_in_recipe(rows, self._inputs),
            seed=adopted.seed if draft.seed is None else draft.seed,
        )

    def _parsed(self, recipe: object) -> Mapping[str, JsonValue]:
        if isinstance(recipe, str):
            return self._trainer.parse(recipe)
        if not isinstance(recipe, Mapping):
            raise InvalidInputError.of("recipe", "must be an Axolotl configuration: YAML text, or an object")
        return recipe

    def _resolved(
        self,
        stages: tuple[StageSpec, ...],
        draft: RunDraft,
        model: ModelFacts | None,
        problems: list[FieldProblem],
    ) -> tuple[tuple[StageSpec, ...], tuple[str, ...]]:
        """Every training with the overrides applied, in the trainer's own keys, and what is to be said about them."""
        own = own_overrides(draft.training_overrides, stages, problems) if stages else {}
        resolved: list[StageSpec] = []
        notes: dict[str, None] = {}
        found: dict[FieldProblem, None] = {}
        for index, stage in enumerate(stages):
            if stage.kind is not StageKind.TRAIN:
                resolved.append(stage)
                continue
            base, fitting = fitted(stage.recipe, model, say=draft.recipe is not None)
            shared = meant_for(stage, stages, draft.overrides)
            answer = self._trainer.resolve(base, {**shared, **own[index].settings})
            notes.update(dict.fromkeys((*fitting, *answer.notes)))
            done, wrong = (stage, answer.problems) if answer.problems else settled(stage, answer.recipe, resolved)
            done = replace(done, pinned=_pinned(draft, shared, own[index].settings))
            # A problem of the whole mapping names no key: whose it is shows when the shared ones stand alone.
            of_all = self._trainer.resolve(base, shared).problems if wrong else ()
            found.update(dict.fromkeys(own[index].as_written(problem, of_all) for problem in wrong))
            resolved.append(done)
        problems.extend(_where_written(problem, draft) for problem in found)
        return tuple(resolved), tuple(notes)


def _pinned(draft: RunDraft, *chosen: Mapping[str, JsonValue]) -> tuple[str, ...]:
    """Of what a plan decides, the keys that the person decided: all of them in a recipe of their own."""
    return tuple(key for key in LAYOUT_KEYS if draft.recipe is not None or any(key in each for each in chosen))


def _where_written(problem: FieldProblem, draft: RunDraft) -> FieldProblem:
    """What no override says was said by the person's own recipe, if there is one."""
    key = problem.field.removeprefix("overrides.")
    if draft.recipe is None or key == problem.field or key.split(".")[0] in draft.overrides:
        return problem
    return replace(problem, field=f"recipe.{key}")


def _wishes(draft: RunDraft, adopted: Adoption | None) -> Wishes:
    techniques = () if draft.techniques is None else check_techniques(draft.techniques)
    if adopted is not None and techniques:
        raise InvalidInputError.of("techniques", "are told from the recipe: name one or the other")
    if adopted is not None:
        return Wishes(draft.parameters, techniques_in(adopted.settings), adopted.settings, draft.merged)
    return Wishes(draft.parameters, techniques, None, draft.merged)


def _gather(problems: list[FieldProblem], parse: Callable[[], T]) -> T | None:
    try:
        return parse()
    except InvalidInputError as error:
        problems.extend(error.problems)
        return None


def _hours(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInputError.of("max_hours", "must be a number of hours, for example 1.5")
    # Refuses NaN and the infinities too.
    if not 0 < value <= MAX_HOURS:
        raise InvalidInputError.of("max_hours", f"must be above zero and at most {MAX_HOURS}")
    # Rounded down: the person said "at most".
    return int(value * SECONDS_PER_HOUR)


def _whole(value: object, field_name: str, low: int, high: int) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidInputError.of(field_name, f"must be a whole number from {low} to {high}")
    return value


def _name(value: str) -> str:
    text = value.strip()
    if len(text) > MAX_NAME or not text.isprintable():
        raise InvalidInputError.of("name", f"must be at most {MAX_NAME} printable characters")
    return text
