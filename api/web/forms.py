"""Forms: from what a browser sends to the services' words, and from their refusals to texts beside the fields."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict, Field

from api.typed_text import read_pairs, read_settings
from orchestrator.domain.errors import (
    FieldProblem,
    InvalidInputError,
    LatticeForgeError,
    UnaffordableError,
)
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.money import Money
from orchestrator.services.draft import RunDraft
from orchestrator.services.quote import Quote

OVERALL = ""
"""Where a problem goes that belongs to no field of the form."""


class RunForm(BaseModel):
    """The fields of a new run as they were typed. `token` marks one showing of the form."""

    model_config = ConfigDict(extra="forbid")

    strategy: str = "dora_neftune"
    budget: str = ""
    name: str = ""
    model: str = ""
    dataset: str = ""
    preferences: str = ""
    heldout: str = ""
    max_hours: str = ""
    gpus: str = ""
    seed: str = ""
    tasks: str = ""
    merged: bool = False
    parameters: str = ""
    techniques: list[str] = Field(default_factory=list)
    recipe: str = ""
    overrides: str = ""
    token: str = ""

    def read(self) -> tuple[RunDraft, tuple[FieldProblem, ...]]:
        """The wish, and what cannot be read as one at all. What is not a number stays text, for the service to refuse
        by name."""
        problems: list[FieldProblem] = []
        parameters = _read(problems, lambda: read_pairs(self.parameters, "parameters"))
        overrides = _read(problems, lambda: read_settings(self.overrides, "overrides"))
        draft = RunDraft(
            strategy=self.strategy,
            budget=self.budget,
            name=self.name,
            model=self.model.strip() or None,
            dataset=self.dataset.strip() or None,
            preferences=self.preferences.strip() or None,
            heldout=self.heldout.strip() or None,
            max_hours=_number(self.max_hours, float),
            gpus=_number(self.gpus, int),
            seed=_number(self.seed, int),
            harness={"tasks": list(re.split(r"[\s,]+", self.tasks.strip()))} if self.tasks.strip() else None,
            merged=self.merged,
            parameters=parameters,
            techniques=self.techniques or None,
            recipe=self.recipe if self.recipe.strip() else None,
            overrides=overrides,
        )
        return draft, tuple(problems)

    def idempotency_key(self) -> str | None:
        """A wish sent twice from one showing of the form, by a double click, is one run; a changed wish is another."""
        if not self.token:
            return None
        wish = self.model_dump_json().encode()
        return f"form:{hashlib.sha256(wish).hexdigest()}"


class TopUpForm(BaseModel):
    """More money for a run; `token` as in `RunForm`."""

    model_config = ConfigDict(extra="forbid")

    amount: str = ""
    token: str = ""

    def idempotency_key(self) -> str | None:
        if not self.token:
            return None
        return f"form:{hashlib.sha256(self.model_dump_json().encode()).hexdigest()}"


def new_token() -> str:
    """Marks one showing of a form."""
    return secrets.token_urlsafe(12)


def accepted(form: RunForm, quote: Callable[[RunDraft], object]) -> RunDraft:
    """The wish, if all of it can be read; else `InvalidInputError` with what `quote` has to say of the rest as well."""
    draft, problems = form.read()
    if not problems:
        return draft
    others: tuple[FieldProblem, ...] = ()
    try:
        quote(draft)
    except InvalidInputError as error:
        others = error.problems
    except LatticeForgeError:
        # Whether it can be paid is a question for a wish that can be read.
        others = ()
    raise InvalidInputError([*problems, *others])


def _read(problems: list[FieldProblem], parse: Callable[[], dict[str, JsonValue]]) -> dict[str, JsonValue]:
    try:
        return parse()
    except InvalidInputError as error:
        problems.extend(error.problems)
        return {}


def _number(text: str, kind: type[int] | type[float]) -> object:
    text = text.strip()
    if not text:
        return None
    try:
        return kind(text)
    except ValueError:
        return text


@dataclass(frozen=True, slots=True)
class RunFormView:
    """The form with what is to be shown in it: typed values, problems by field, and the quote that was asked for."""

    values: RunForm
    problems: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    quote: Quote | None = None

    @classmethod
    def empty(cls) -> RunFormView:
        return cls(RunForm(token=new_token()))

    @classmethod
    def refused(cls, values: RunForm, error: LatticeForgeError) -> RunFormView:
        return cls(values, problems_of(error, FIELDS))

    def opens(self, *fields: str) -> bool:
        """Whether a folded section with these fields has something to show."""
        return any(getattr(self.values, name) or name in self.problems for name in fields)


FIELDS = frozenset(RunForm.model_fields) - {"token"}
_PLACES = {"harness": "tasks"}
"""Fields of a wish that have another name in the form."""


def problems_of(error: LatticeForgeError, fields: frozenset[str]) -> Mapping[str, tuple[str, ...]]:
    """The problems in `error` by the form field that each belongs beside; `OVERALL` for the others."""
    placed: dict[str, tuple[str, ...]] = {}
    for problem in _problems(error):
        root = problem.field.split(":")[0].split(".")[0]
        place = _PLACES.get(root, root)
        if place not in fields:
            place, text = OVERALL, f"{problem.field} {problem.message}"
        else:
            text = _within(problem, root)
        placed[place] = (*placed.get(place, ()), text.strip())
    return placed


def _within(problem: FieldProblem, root: str) -> str:
    """The message, after the line or the key of the field `root` that it is about."""
    inside = problem.field.removeprefix(root)
    if not inside or root in _PLACES:
        return problem.message
    # Pages begin sentences with a capital letter, which a key must not get.
    return f"at {'line ' if inside.startswith(':') else ''}{inside.lstrip(':.')}: {problem.message}"


def _problems(error: LatticeForgeError) -> tuple[FieldProblem, ...]:
    if isinstance(error, InvalidInputError):
        return error.problems
    if isinstance(error, UnaffordableError):
        refusals = tuple(FieldProblem(OVERALL, refusal) for refusal in error.refusals)
        if error.cheapest_micros is None:
            return (FieldProblem(OVERALL, str(error)), *refusals)
        least = Money(error.cheapest_micros).dollars()
        return (FieldProblem("budget", f"is too small; the least that trains is {least} dollars"), *refusals)
    return (FieldProblem(OVERALL, str(error)),)
