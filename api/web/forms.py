"""Forms: from what a browser sends to the services' words, and from their refusals to texts beside the fields."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from pydantic import BaseModel

from orchestrator.domain.errors import (
    FieldProblem,
    InvalidInputError,
    LatticeForgeError,
    UnaffordableError,
)
from orchestrator.domain.money import Money
from orchestrator.services.draft import RunDraft
from orchestrator.services.quote import Quote

OVERALL = ""
"""Where a problem goes that belongs to no field of the form."""


class RunForm(BaseModel):
    """The fields of a new run as they were typed. `token` marks one showing of the form."""

    strategy: str = "dora_neftune"
    budget: str = ""
    model: str = ""
    dataset: str = ""
    max_hours: str = ""
    name: str = ""
    token: str = ""

    def draft(self) -> RunDraft:
        """The wish; what is not a number stays text, for the service to refuse by name."""
        return RunDraft(
            strategy=self.strategy,
            budget=self.budget,
            model=self.model.strip() or None,
            dataset=self.dataset.strip() or None,
            max_hours=_number(self.max_hours),
            name=self.name,
        )

    def idempotency_key(self) -> str | None:
        """A wish sent twice from one showing of the form, by a double click, is one run; a changed wish is another."""
        if not self.token:
            return None
        wish = self.model_dump_json().encode()
        return f"form:{hashlib.sha256(wish).hexdigest()}"


class TopUpForm(BaseModel):
    """More money for a run; `token` as in `RunForm`."""

    amount: str = ""
    token: str = ""

    def idempotency_key(self) -> str | None:
        if not self.token:
            return None
        return f"form:{hashlib.sha256(self.model_dump_json().encode()).hexdigest()}"


def new_token() -> str:
    """Marks one showing of a form."""
    return secrets.token_urlsafe(12)


def _number(text: str) -> object:
    text = text.strip()
    if not text:
        return None
    try:
        return float(text)
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
        return cls(values, problems_of(error, frozenset(RunForm.model_fields) - {"token"}))


def problems_of(error: LatticeForgeError, fields: frozenset[str]) -> Mapping[str, tuple[str, ...]]:
    """The problems in `error` by the form field that each belongs beside; `OVERALL` for the others."""
    placed: dict[str, tuple[str, ...]] = {}
    for problem in _problems(error):
        root = problem.field.split(":")[0].split(".")[0]
        place, text = (root, problem.message) if root in fields else (OVERALL, f"{problem.field} {problem.message}")
        if place != OVERALL and problem.field != root:
            text = f"{problem.field.removeprefix(root).lstrip(':.')}: {text}"
        placed[place] = (*placed.get(place, ()), text.strip())
    return placed


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
