"""Parameters: the few numbers and words of a technique or a strategy that a person may choose, with their ranges."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.domain.errors import FieldProblem
from orchestrator.domain.json_value import JsonValue

FIELD = "parameters"
MOST_HINTS = 5
"""Nearest names are looked for this often: looking takes time."""
MOST_UNKNOWN = 20
"""More are counted, not listed: nobody reads on."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One choice.

    `key` is the trainer's key that it sets, dotted into a mapping (`optim_args.rank`), empty for one that shapes the
    stages. `default` None means that it follows from the others, as `summary` says. Limits are included. A word is
    wanted where there are `choices`, else a number, a whole one where `whole`.
    """

    name: str
    summary: str
    default: int | float | str | None
    low: float = 0
    high: float = 0
    choices: tuple[str, ...] = ()
    key: str = ""
    whole: bool = True

    @property
    def range(self) -> str:
        """What may be said, in words."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        return f"{'a whole number' if self.whole else 'a number'} from {self.low:g} to {self.high:g}"

    def accepts(self, value: JsonValue) -> bool:
        if self.choices:
            return value in self.choices
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        # Comparing refuses NaN and the infinities too, and bears a number of any size.
        return self.low <= value <= self.high


def check_parameters(known: Sequence[Parameter], given: Mapping[str, JsonValue]) -> tuple[FieldProblem, ...]:
    """What is wrong with `given`: a name that is not `known` (with the nearest one), a value out of its range."""
    by_name = {parameter.name: parameter for parameter in known}
    unknown = [name for name in given if name not in by_name]
    problems = [
        FieldProblem(f"{FIELD}.{name[:64]}", _unknown(name, tuple(by_name), hinted=number < MOST_HINTS))
        for number, name in enumerate(unknown[:MOST_UNKNOWN])
    ]
    if len(unknown) > MOST_UNKNOWN:
        problems.append(FieldProblem(FIELD, f"and {len(unknown) - MOST_UNKNOWN} more that are not known"))
    for name, parameter in by_name.items():
        if name in given and not parameter.accepts(given[name]):
            problems.append(FieldProblem(f"{FIELD}.{name}", f"must be {parameter.range}"))
    return tuple(problems)


def chosen(known: Sequence[Parameter], given: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Every known parameter with the value given or its default; those without either are left out."""
    values = {parameter.name: given.get(parameter.name, parameter.default) for parameter in known}
    return {name: value for name, value in values.items() if value is not None}


def settings_of(known: Sequence[Parameter], values: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """`values` in the trainer's keys; those that shape the stages are left out."""
    settings: dict[str, JsonValue] = {}
    for parameter in known:
        if not parameter.key or parameter.name not in values:
            continue
        outer, _, inner = parameter.key.partition(".")
        if not inner:
            settings[outer] = values[parameter.name]
            continue
        held = settings.get(outer)
        settings[outer] = {**(held if isinstance(held, dict) else {}), inner: values[parameter.name]}
    return settings


def _unknown(name: str, known: tuple[str, ...], *, hinted: bool) -> str:
    if not known:
        return "is not known: this strategy has no parameters"
    if not hinted:
        return "is not a parameter of this strategy"
    near = difflib.get_close_matches(name[:64], known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"is not a parameter of this strategy; {hint}known: {', '.join(known)}"
