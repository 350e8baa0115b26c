"""What a user's own recipe says of the run itself: its model, dataset and seed, beside the request's own words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from orchestrator.domain.errors import FieldProblem
from orchestrator.domain.formats import is_pairs, supervised_form
from orchestrator.domain.ids import is_dataset_id
from orchestrator.ports.inputs import Inputs
from orchestrator.ports.trainer import AdoptedDataset, Adoption


class OwnWish(Protocol):
    """The part of a draft that stands over its recipe."""

    @property
    def model(self) -> str | None: ...

    @property
    def dataset(self) -> str | None: ...

    @property
    def seed(self) -> object: ...


def said_of_taken(wish: OwnWish, adopted: Adoption) -> tuple[str, ...]:
    """A note for each of the three that the recipe names: whether it is the run's, or the request's own is."""
    return tuple(_said(wish, adopted))


def _said(wish: OwnWish, adopted: Adoption) -> Iterator[str]:
    if adopted.model is not None:
        own = f"{adopted.model} is the run's model"
        yield f"base_model: {'set aside; the request names the model' if wish.model else own}"
    if (rows := adopted.dataset) is not None:
        own = f"{rows.source} is the run's dataset"
        yield f"datasets: {'set aside; the request names the dataset' if wish.dataset is not None else own}"
    if adopted.seed is not None:
        own = f"{adopted.seed} is the run's seed"
        yield f"seed: {own if wish.seed is None else 'set aside; the request names the seed'}"


def named_in_recipe(rows: AdoptedDataset, inputs: Inputs) -> str:
    """A recipe's dataset as a draft would name it. Only a hub's gets the recipe's format, for nobody has seen its rows:
    what was uploaded or lies here under that name is meant first."""
    if is_dataset_id(rows.source) or inputs.is_here(rows.source) or not inputs.is_hub_id(rows.source):
        return rows.source
    return f"{rows.source}:{rows.format}"


def otherwise_than_said(rows: AdoptedDataset, found: str) -> FieldProblem | None:
    """The recipe's type against the format of the rows that are there. Pairs are pairs, and where a recipe trains on
    answers, the chosen ones of pairs are answers of its kind."""
    both_pairs = is_pairs(rows.format) and is_pairs(found)
    if rows.format == found or both_pairs or supervised_form(found) == rows.format:
        return None
    return FieldProblem("recipe.datasets", f"says {rows.format} rows, and those in {rows.source} are {found}")
