"""Forms: from what a browser sends to the services' words, and from their refusals to texts beside the fields."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field

from api.typed_text import read_pairs, read_settings
from api.web.caps import Caps
from orchestrator.domain.errors import (
    FieldProblem,
    InvalidInputError,
    LatticeForgeError,
    UnaffordableError,
)
from orchestrator.domain.json_value import JsonValue
from orchestrator.domain.money import Money
from orchestrator.services.draft import RunDraft
from orchestrator.services.quote import Quote, Where
from orchestrator.services.read_offers import ListedOffer
from orchestrator.services.told_rows import ToldTokens

T = TypeVar("T")

Ask = Callable[[RunDraft, object, ToldTokens | None], T]
"""What is asked of a wish, of where to look, and of the tokens in place of a dataset."""

_SPOT = {"": None, "true": True, "false": False}
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
    accelerators: str = ""
    spot: str = ""
    prefer: str = ""
    dataset_tokens: str = ""
    row_tokens: str = ""
    where: str = ""
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
            accelerators=re.split(r"[\s,]+", self.accelerators.strip()) if self.accelerators.strip() else None,
            spot=_SPOT.get(self.spot, self.spot),
            prefer=self.prefer or None,
        )
        return draft, tuple(problems)

    def told(self) -> ToldTokens | None:
        """The number of tokens in place of a dataset, if that is what was typed. Raises `InvalidInputError`."""
        tokens, row_tokens = self.dataset_tokens.strip() or None, self.row_tokens.strip() or None
        return None if tokens is None and row_tokens is None else ToldTokens.parse(tokens, row_tokens)

    def only_for_quotes(self) -> tuple[FieldProblem, ...]:
        """What was asked of a quote and cannot be asked of a run."""
        problems = []
        if self.where not in {"", Where.HERE}:
            problems.append(FieldProblem("where", "a run is started on this machine; the clouds can be quoted only"))
        problems += [
            FieldProblem(name, "is for quotes; name a dataset to train on")
            for name in ("dataset_tokens", "row_tokens")
            if getattr(self, name).strip()
        ]
        return tuple(problems)

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
    """The wish, if all of it can be read and run; else `InvalidInputError` with what `quote` has to say of the rest as
    well."""
    draft, unread = form.read()
    problems = (*unread, *form.only_for_quotes())
    if problems:
        raise InvalidInputError([*problems, *_others(lambda: quote(draft))])
    return draft


def answered(form: RunForm, ask: Ask[T]) -> T:
    """What `ask` answers, if all of the wish can be read; else `InvalidInputError` with what it has to say of the rest
    as well."""
    draft, unread = form.read()
    where, told = form.where or None, None
    problems = list(unread)
    try:
        told = form.told()
    except InvalidInputError as error:
        problems += error.problems
    if problems:
        raise InvalidInputError([*problems, *_others(lambda: ask(draft, where, told))])
    return ask(draft, where, told)


def _others(ask: Callable[[], object]) -> tuple[FieldProblem, ...]:
    try:
        ask()
    except InvalidInputError as error:
        return error.problems
    except LatticeForgeError:
        # Whether it can be paid is a question for a wish that can be read.
        return ()
    return ()


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
    """The form with what is to be shown in it: typed values, problems by field, the quote that was asked for with its
    offer as it stands today, and what other caps would buy."""

    values: RunForm
    problems: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    quote: Quote | None = None
    listed: ListedOffer | None = None
    caps: Caps | None = None

    @property
    def where(self) -> str:
        return self.values.where or Where.HERE

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
