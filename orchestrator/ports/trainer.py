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
class Translation:
    """A user's settings in the trainer's own keys; `notes` say what was translated, `problems` what cannot be taken."""

    settings: Mapping[str, JsonValue]
    notes: tuple[str, ...] = ()
    problems: tuple[FieldProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class StageOrder:
    """A stage as the node needs it: the job document's part for this kind, and the trainer's configuration."""

    document: Mapping[str, JsonValue]
    config: Mapping[str, JsonValue] | None


class Trainer(Protocol):
    """Knows one trainer's keys. Pure: reads no file and asks no network.

    Promises: `translate` never raises on any JSON object, and names every unknown, owned or ill-typed key as
    `overrides.<key>`; `check` finds what is wrong with a complete recipe (types, cross-field rules); `order` is
    deterministic.
    """

    def translate(self, overrides: Mapping[str, JsonValue]) -> Translation: ...

    def check(self, recipe: Mapping[str, JsonValue]) -> tuple[FieldProblem, ...]: ...

    def order(self, run: Run, stage: Stage) -> StageOrder: ...
