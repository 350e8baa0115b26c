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
class StageOrder:
    """A stage as the node needs it: the job document's part for this kind, and the trainer's configuration.
    `data` names the folder, among the run's, that holds its rows."""

    document: Mapping[str, JsonValue]
    config: Mapping[str, JsonValue] | None
    data: str = "data"


@dataclass(frozen=True, slots=True)
class AdoptedDataset:
    """Rows that a user's recipe names: a path as written there or a hub id, and their format in the node's words."""

    source: str
    format: str


@dataclass(frozen=True, slots=True)
class Adoption:
    """A user's whole configuration, understood as a run's recipe.

    `settings` are the training's, in the trainer's own keys, with what planning needs and the user left out filled in;
    they may be given to `resolve` as a recipe. `model`, `dataset` and `seed` are None where the configuration names
    none. `notes` say everything that was translated, taken over, filled in or set aside; with `problems` nothing of it
    is fit for use.
    """

    settings: Mapping[str, JsonValue]
    model: str | None = None
    dataset: AdoptedDataset | None = None
    seed: int | None = None
    notes: tuple[str, ...] = ()
    problems: tuple[FieldProblem, ...] = ()


class Trainer(Protocol):
    """Knows one trainer's keys. Pure: reads no file and asks no network.

    Promises: `resolve` never raises on any JSON object, and names every unknown, owned, ill-typed or contradictory
    key as `overrides.<key>`, as the user spelled it; `order` is deterministic. `adopt` never raises either; each key
    of the recipe is then in `settings`, in a field of the adoption, in a note, or in a problem at `recipe.<key>`, as
    the user spelled it. `parse` gives the mapping that a configuration's text holds, of bounded size, or raises
    `InvalidInputError` whose fields are `recipe` or `recipe:17` (line 17); what it means is `adopt`'s to say.
    """

    def resolve(self, recipe: Mapping[str, JsonValue], overrides: Mapping[str, JsonValue]) -> Resolution: ...

    def order(self, run: Run, stage: Stage) -> StageOrder: ...

    def parse(self, text: str) -> Mapping[str, JsonValue]: ...

    def adopt(self, recipe: Mapping[str, JsonValue]) -> Adoption: ...
