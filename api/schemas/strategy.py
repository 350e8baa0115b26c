"""The strategies and the techniques that they are made of."""

from __future__ import annotations

from pydantic import Field

from api.schemas.plan import StageWishView, recipe
from api.schemas.view import FreeJson, View
from orchestrator.domain.parameters import Parameter
from orchestrator.domain.strategies import CUSTOM, Strategy, Wishes, expand
from orchestrator.domain.strategies.catalogue import known_parameters
from orchestrator.domain.techniques import TECHNIQUES, Role, Technique


class ParameterView(View):
    """One thing that may be chosen, sent as `parameters.<name>`."""

    name: str
    summary: str
    default: int | float | str | None = Field(description="null: it follows from the others.")
    range: str
    key: str | None = Field(description="The trainer's key that it sets; null for one that shapes the stages.")

    @classmethod
    def of(cls, parameter: Parameter) -> ParameterView:
        return cls(
            name=parameter.name,
            summary=parameter.summary,
            default=parameter.default,
            range=parameter.range,
            key=parameter.key or None,
        )


class CostView(View):
    """What a technique costs before anything was measured, on large models in 16 bits."""

    time: float = Field(description="Times what plain LoRA takes for a row.")
    bytes_per_parameter: float = Field(description="Weights, gradients, optimizer; 0 for what adds next to nothing.")
    source: str


class TechniqueView(View):
    """One ingredient. The claim is quoted, not promised."""

    key: str
    title: str
    role: Role = Field(description="method: which weights are trained; every training has exactly one.")
    summary: str
    paper: str
    claim: str
    settings: FreeJson = Field(description="The trainer's keys that switch it on.")
    parameters: list[ParameterView]
    book: dict[str, str] = Field(description="The study book's flags and the trainer's real keys.")
    cost: CostView
    excludes: dict[str, str] = Field(description="What it cannot be joined with, and why.")
    on_adapter: bool = Field(description="Works on an adapter only.")

    @classmethod
    def of(cls, technique: Technique) -> TechniqueView:
        cost = technique.cost
        return cls(
            key=technique.key,
            title=technique.title,
            role=technique.role,
            summary=technique.summary,
            paper=technique.paper,
            claim=technique.claim,
            settings=recipe(technique.settings),
            parameters=[ParameterView.of(each) for each in technique.parameters],
            book=dict(technique.book),
            cost=CostView(time=cost.time, bytes_per_parameter=cost.bytes_per_parameter, source=cost.source),
            excludes=dict(technique.excludes),
            on_adapter=technique.on_adapter,
        )


class StrategyView(View):
    """A named way to train."""

    key: str
    title: str
    summary: str
    claim: str
    aliases: list[str]
    techniques: list[str] = Field(description="Keys of its techniques; empty for custom, which takes your choice.")
    parameters: list[ParameterView]
    stages: list[StageWishView] = Field(description="What it expands to, with the defaults and before overrides.")

    @classmethod
    def of(cls, strategy: Strategy) -> StrategyView:
        stages = () if strategy.key == CUSTOM else expand(strategy, Wishes({}))
        return cls(
            key=strategy.key,
            title=strategy.title,
            summary=strategy.summary,
            claim=strategy.claim,
            aliases=list(strategy.aliases),
            techniques=list(strategy.techniques),
            parameters=[ParameterView.of(each) for each in known_parameters(strategy, strategy.techniques)],
            stages=[StageWishView.of(stage) for stage in stages],
        )


class StrategyList(View):
    strategies: list[StrategyView]
    techniques: list[TechniqueView] = Field(description="The ingredients; custom takes any that go together.")

    @classmethod
    def whole(cls, strategies: tuple[Strategy, ...]) -> StrategyList:
        return cls(
            strategies=[StrategyView.of(strategy) for strategy in strategies],
            techniques=[TechniqueView.of(technique) for technique in TECHNIQUES.values()],
        )
