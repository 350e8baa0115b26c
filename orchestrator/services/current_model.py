"""The cost model as it stands: fitted, and corrected by every stage that has ended so far."""

from __future__ import annotations

from orchestrator.domain.cost.fitted import FITTED, FittedModel
from orchestrator.services.learned import Learned


class CurrentModel:
    """Made anew only when something was learned; any number of threads may ask."""

    def __init__(self, learned: Learned) -> None:
        self._learned = learned
        self._made: tuple[int, FittedModel] = (0, FITTED)

    def __call__(self) -> FittedModel:
        force = self._learned.in_force()
        version, model = self._made
        if version != force.version:
            model = FITTED.corrected(force.speed, force.memory)
            self._made = force.version, model
        return model
