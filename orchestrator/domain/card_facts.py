"""What a model card is written from."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.domain.baseline import Baseline
from orchestrator.domain.card_text import base_name, is_hub_id
from orchestrator.domain.lease import Lease
from orchestrator.domain.ledger import Balance, Posting, fold
from orchestrator.domain.result import RunResult
from orchestrator.domain.run import DatasetRef, Run
from orchestrator.domain.strategies import STRATEGIES, Strategy

BASE_FOLDER = "base"
"""Where a repository holds the model that its adapter sits on, if the run made that model itself."""


@dataclass(frozen=True, slots=True)
class CardFacts:
    """A run with its result, every lease it ever had in order, and its whole ledger. `repo` is the repository that the
    card is for, None for one that stays here."""

    run: Run
    result: RunResult
    leases: tuple[Lease, ...]
    postings: tuple[Posting, ...]
    baseline: Baseline | None = None
    repo: str | None = None

    @property
    def balance(self) -> Balance:
        return fold(self.postings)

    @property
    def strategy(self) -> Strategy | None:
        """The strategy as the catalogue has it; None for one that it has no more."""
        return next((each for each in STRATEGIES if each.key == self.run.spec.strategy), None)

    @property
    def title(self) -> str:
        spec = self.run.spec
        return spec.name or f"{self.model_name}, {spec.strategy}"

    @property
    def model_name(self) -> str:
        """The run's own model: a hub id, or the name of a folder."""
        spec = self.run.spec
        return base_name(spec.model) if spec.model_is_local else spec.model

    @property
    def hub_model(self) -> str | None:
        spec = self.run.spec
        return None if spec.model_is_local or not is_hub_id(spec.model) else spec.model

    @property
    def datasets(self) -> tuple[DatasetRef, ...]:
        spec = self.run.spec
        return (spec.dataset,) if spec.preferences is None else (spec.dataset, spec.preferences)


def dataset_name(dataset: DatasetRef) -> str:
    return base_name(dataset.source) if dataset.is_local else dataset.source
