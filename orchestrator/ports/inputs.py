"""The inputs port: what a named model and dataset are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestrator.domain.cost.architecture import Architecture
from orchestrator.domain.cost.tokens import Excess, TokenFacts
from orchestrator.domain.run import DatasetRef


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A base model: its resolved source (absolute folder or hub id) and exact parameter count, None when unknown.

    `architecture` is None for a family that is not known or a config that cannot be had: such a model can be trained,
    and not quoted exactly. `architecture_note` says why, or how files and config differ.
    """

    source: str
    is_local: bool
    parameters: int | None
    max_sequence_len: int | None = None
    architecture: Architecture | None = None
    architecture_note: str = ""


@dataclass(frozen=True, slots=True)
class TokenWish:
    """How a training reads rows: the `seed` that draws the held-out ones, what becomes of a row that is too long or
    shorter than `least` tokens (None: the trainer's own), and pairs by their `chosen` answers alone. `field` is what a
    refusal names."""

    seed: int = 42
    excess: Excess = Excess.DROP
    least: int | None = None
    chosen: bool = False
    field: str = "dataset"


AS_USUAL = TokenWish()


class Inputs(Protocol):
    """Looks at models and datasets without starting anything.

    Promises: raises `InvalidInputError` naming `model`, `dataset`, `dataset:<line>` or `heldout` for what is missing,
    malformed or outside the permitted folders; never follows a path out of them; holds a bounded part of a file in
    memory. A dataset that is asked for by another name of a field, such as `preferences`, is refused by that `field`.
    Where no name is given, `pairs` says which default is meant; without `keeps_out` all rows are trained on.
    `tokens` tells a dataset that `dataset` gave in the tokens of a model that `model` gave: the very ones that the
    trainer makes, all of a small dataset's and a random sample of a large one's, in seconds at the first call and from
    memory or disk afterwards, while the files stay as they are. It is None for what is not on this machine, an estimate
    that says so where the tokenizer cannot be asked, and refused where no row is left to train on.
    `task_folder` is the real path of a folder that may define the harness's `tasks`; it is refused by
    `harness.include_path`, and tasks that it surely lacks by `harness.tasks`. A hub's model is looked up within
    seconds, whatever the network does. `is_here` tells whether a file or folder
    of that name would be found, and `is_hub_id` whether it could be a hub's `owner/name`; neither raises.
    """

    def model(self, name: str | None) -> ModelFacts: ...

    def dataset(
        self,
        name: str | None,
        heldout: str | None,
        field: str = "dataset",
        *,
        pairs: bool = False,
        keeps_out: bool = True,
    ) -> DatasetRef: ...

    def tokens(
        self, dataset: DatasetRef, model: ModelFacts, sequence_len: int, how: TokenWish = AS_USUAL
    ) -> TokenFacts | None: ...

    def task_folder(self, name: str, tasks: Sequence[str]) -> str: ...

    def is_here(self, name: str) -> bool: ...

    def is_hub_id(self, name: str) -> bool: ...
