"""Which overrides concern which training of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.domain.errors import FieldProblem
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.stages import StageKind, StageSpec
from orchestrator.domain.techniques import TECHNIQUES

OF_ONE = "training_overrides"


@dataclass(frozen=True, slots=True)
class OwnOverrides:
    """The overrides of one training alone; `number` counts trainings from 1."""

    number: int
    settings: Mapping[str, JsonValue]

    def as_written(self, problem: FieldProblem, of_all: Sequence[FieldProblem] = ()) -> FieldProblem:
        """The same problem, at `training_overrides.<number>` when its key was written there, or when it is one of the
        whole mapping that is not among `of_all`, the problems of the overrides for all trainings."""
        if problem.field == "overrides" and problem not in of_all:
            return replace(problem, field=f"{OF_ONE}.{self.number}")
        path = problem.field.removeprefix("overrides.")
        if path == problem.field or path.split(".")[0] not in self.settings:
            return problem
        return replace(problem, field=f"{OF_ONE}.{self.number}.{path}")


def own_overrides(
    wish: Mapping[str, JsonValue], stages: Sequence[StageSpec], problems: list[FieldProblem]
) -> dict[int, OwnOverrides]:
    """Those of each training, by its place among `stages`. What is no number or no mapping is a problem."""
    places = [index for index, stage in enumerate(stages) if stage.kind is StageKind.TRAIN]
    found = {place: OwnOverrides(number, {}) for number, place in enumerate(places, start=1)}
    for key, settings in wish.items():
        number = int(key) if key.isascii() and key.isdigit() and len(key) < 4 and key[0] != "0" else 0
        if not 1 <= number <= len(places):
            trainings = "is 1" if len(places) == 1 else f"are 1 to {len(places)}"
            problems.append(
                FieldProblem(f"{OF_ONE}.{key[:40]}", f"is no training of this run: the numbers {trainings}")
            )
        elif not isinstance(settings, Mapping):
            problems.append(FieldProblem(f"{OF_ONE}.{key}", "must be an object of the trainer's keys"))
        else:
            found[places[number - 1]] = OwnOverrides(number, settings)
    return found


def meant_for(
    stage: StageSpec, stages: Sequence[StageSpec], overrides: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    """Those overrides of the whole run that concern this training: a key that only one technique of the run knows goes
    to the trainings that use it, every other to all of them."""
    owned = {key: technique for each in stages for technique in each.techniques for key in _keys_of(technique)}
    return {key: value for key, value in overrides.items() if key not in owned or owned[key] in stage.techniques}


def _keys_of(technique: str) -> set[str]:
    record = TECHNIQUES[technique]
    set_by = {parameter.key.partition(".")[0] for parameter in record.parameters}
    return {*record.settings, *record.book, *set_by} - {""}
