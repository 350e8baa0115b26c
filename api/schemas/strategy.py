"""The strategies and the techniques that they are made of."""

from __future__ import annotations

from pydantic import Field

from api.schemas.plan import recipe
from api.schemas.view import FreeJson, View
from orchestrator.domain.strategies import Strategy
from orchestrator.domain.techniques import TECHNIQUES, Technique


class TechniqueView(View):
    """One ingredient. The claim is quoted, not promised."""

    key: str
    title: str
    summary: str
    paper: str
    claim: str
    settings: FreeJson

    @classmethod
    def of(cls, technique: Technique) -> TechniqueView:
        return cls(
            key=technique.key,
            title=technique.title,
            summary=technique.summary,
            paper=technique.paper,
            claim=technique.claim,
            settings=recipe(technique.settings),
        )


class StrategyView(View):
    """A named way to train."""

    key: str
    title: str
    summary: str
    claim: str
    aliases: list[str]
    available: bool = Field(description="false while it is not built: it is listed, and refused when asked for.")
    techniques: list[TechniqueView]
    recipe: FreeJson = Field(description="The complete settings in the trainer's keys, before overrides.")

    @classmethod
    def of(cls, strategy: Strategy) -> StrategyView:
        return cls(
            key=strategy.key,
            title=strategy.title,
            summary=strategy.summary,
            claim=strategy.claim,
            aliases=list(strategy.aliases),
            available=strategy.available,
            techniques=[TechniqueView.of(TECHNIQUES[key]) for key in strategy.techniques],
            recipe=recipe(strategy.recipe()),
        )


class StrategyList(View):
    strategies: list[StrategyView]
