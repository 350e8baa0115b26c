"""The guide: strategies and techniques as the domain's tables have them, and what excludes what. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from api.web.stages import Chip, chips
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.parameters import Parameter
from orchestrator.domain.stages import StageSpec
from orchestrator.domain.strategies import CUSTOM, STRATEGIES, Strategy, Wishes, expand
from orchestrator.domain.strategies.catalogue import known_parameters
from orchestrator.domain.techniques import TECHNIQUES, Role, Technique, incompatible

ONE_METHOD = "Each says which weights are trained: a training has exactly one of them."


@dataclass(frozen=True, slots=True)
class StrategyEntry:
    """A strategy with what may be chosen; `stages` are those of its defaults, none for custom."""

    strategy: Strategy
    stages: tuple[StageSpec, ...]
    chips: tuple[Chip, ...]
    techniques: tuple[Technique, ...]
    parameters: tuple[Parameter, ...]

    @property
    def is_custom(self) -> bool:
        return self.strategy.key == CUSTOM


@dataclass(frozen=True, slots=True)
class TechniqueEntry:
    technique: Technique
    used_by: tuple[Strategy, ...]
    settings: tuple[tuple[str, JsonValue], ...]

    @property
    def time(self) -> str:
        times = self.technique.cost.time
        return "as long as LoRA" if times == 1 else f"{times:g} times as long as LoRA"


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Techniques that cannot be joined in one training, and why; `number` marks it in the matrix."""

    number: int
    techniques: tuple[Technique, ...]
    reason: str

    def excludes(self, one: Technique, other: Technique) -> bool:
        return one.key != other.key and one in self.techniques and other in self.techniques


@dataclass(frozen=True, slots=True)
class Guide:
    strategies: tuple[StrategyEntry, ...]
    techniques: tuple[TechniqueEntry, ...]
    exclusions: tuple[Exclusion, ...]

    def exclusion(self, one: Technique, other: Technique) -> Exclusion | None:
        """Why the two cannot be joined, None when they can."""
        return next((each for each in self.exclusions if each.excludes(one, other)), None)


def _strategy(strategy: Strategy) -> StrategyEntry:
    return StrategyEntry(
        strategy=strategy,
        stages=() if strategy.key == CUSTOM else expand(strategy, Wishes({})),
        chips=chips(strategy.techniques),
        techniques=tuple(TECHNIQUES[key] for key in strategy.techniques),
        parameters=known_parameters(strategy, strategy.techniques),
    )


def _technique(technique: Technique) -> TechniqueEntry:
    used = tuple(strategy for strategy in STRATEGIES if technique.key in strategy.techniques)
    return TechniqueEntry(technique, used, tuple(sorted(technique.settings.items())))


def _exclusions(techniques: Sequence[Technique]) -> tuple[Exclusion, ...]:
    methods = tuple(each for each in techniques if each.role is Role.METHOD)
    found: list[tuple[tuple[Technique, ...], str]] = [(methods, ONE_METHOD)]
    for pair in itertools.combinations(techniques, 2):
        if all(each.role is Role.METHOD for each in pair):
            continue
        reasons = [problem.message for problem in incompatible([each.key for each in pair])]
        if reasons:
            found.append((pair, "; ".join(reasons)))
    return tuple(Exclusion(number, *each) for number, each in enumerate(found, start=1))


GUIDE = Guide(
    strategies=tuple(_strategy(each) for each in STRATEGIES),
    techniques=tuple(_technique(each) for each in TECHNIQUES.values()),
    exclusions=_exclusions(tuple(TECHNIQUES.values())),
)
"""The tables never change while the service runs."""
