"""What a model's config says of its architecture, held against what its files hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.adapters.inputs.hub_configs import HubConfigs
from orchestrator.domain.cost.architecture import Architecture
from orchestrator.domain.cost.configs import architecture_of
from orchestrator.domain.cost.known import known
from orchestrator.domain.errors import InvalidInputError

MOST_APART = 0.1
"""How far the files may be from the config, as a share: one layer more for predicting ahead is well within it."""


@dataclass(frozen=True, slots=True)
class Shape:
    """An architecture, and what is to be said about it or its absence."""

    architecture: Architecture | None
    note: str = ""


def read_shape(name: str, config: Mapping[str, object], stored: int | None) -> Shape:
    """The architecture in `config`, and none when it is not known or far from the `stored` parameters of the files."""
    try:
        found = architecture_of(name, config)
    except InvalidInputError as error:
        return Shape(None, "; ".join(problem.message for problem in error.problems))
    if stored is None or stored == found.parameters or _repeats_the_head(found, stored):
        return Shape(found)
    told = f"its files hold {stored:,} parameters, its config makes {found.parameters:,}"
    if isinstance(config.get("text_config"), Mapping) and stored > found.parameters:
        return Shape(found, f"{told} for its text part, which alone is counted")
    if abs(stored - found.parameters) > MOST_APART * found.parameters:
        return Shape(None, told)
    return Shape(found, told)


def hub_shape(hub_id: str, configs: HubConfigs | None) -> Shape:
    """The architecture of a model on the hub: from the table of known ones, else from its config there."""
    found = known(hub_id)
    if found is not None:
        return Shape(found)
    if configs is None:
        return Shape(None, "it is no known model, and the hub is not asked")
    config = configs.get(hub_id)
    return Shape(None, config.reason) if config.values is None else read_shape(hub_id, config.values, None)


def _repeats_the_head(found: Architecture, stored: int) -> bool:
    """Some files hold a tied head a second time."""
    return found.tied and stored == found.parameters + found.embedding
