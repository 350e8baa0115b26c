"""The trainer port: what a recipe means and how a stage is told to the node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from orchestrator.domain.errors import FieldProblem
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.run import Run
from orchestrator.domain.stages import Stage


@dataclass(frozen=True, slots=True)
class Resolution:
    """A strategy's recipe with the user's overrides applied, in the trainer's own keys. `notes` say what was
    translated; with `problems` the recipe is not fit for use."""

    recipe: Mapping[str, JsonValue]
    notes: tuple[str, ...] = ()
    problems: tuple[FieldProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class Adoption:
    """A configuration of the user's own, understood: its `settings` for training in the trainer's own keys with the
    `techniques` they make, what it names besides (None where it names nothing), `notes` on everything that was
    translated, taken over or set aside. With `problems`, each at `recipe.<key>`, it is not fit for use."""

    settings: Mapping[str, JsonValue]
    techniques: tuple[str, ...]
    model: str | None = None
    dataset: str | None = None
    seed: int | None = None
    notes: tuple[str, ...] = ()
    problems: tuple[FieldProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class StageOrder:
    """A stage as the node needs it: the job document's part for this kind, and the trainer's configuration.
    `data` names the folder, among the run's, that holds its rows."""

    document: Mapping[str, JsonValue]
    config: Mapping[str, JsonValue] | None
    data: str = "data"


class Trainer(Protocol):
    """Knows one trainer's keys. Pure: reads no file and asks no network.

    Promises: `resolve` never raises on any JSON object, and names every unknown, owned, ill-typed or contradictory
    key as `overrides.<key>`, as the user spelled it; `adopt` takes text or a mapping and never raises
    either; `order` is deterministic.
    """

    def resolve(self, recipe: Mapping[str, JsonValue], overrides: Mapping[str, JsonValue]) -> Resolution: ...

    def adopt(self, recipe: object) -> Adoption: ...

    def order(self, run: Run, stage: Stage) -> StageOrder: ...
