"""A lease: one stretch of rented compute, with its price frozen at launch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from orchestrator.domain.budget import Window
from orchestrator.domain.ids import LeaseId, RunId
from orchestrator.domain.offers import Offer


@dataclass(frozen=True, slots=True)
class Lease:
    """Recorded before the cloud is asked; closed only when the provider's list no longer shows the machine.

    `opened_at` is the moment of asking: from then on it may cost money. `offer` carries the frozen price.
    """

    id: LeaseId
    run_id: RunId
    offer: Offer
    window: Window
    opened_at: datetime
    ready_at: datetime | None = None
    closed_at: datetime | None = None
    extended: bool = False
    """Whether its window was ever lengthened, so that the node must be told."""

    @property
    def is_open(self) -> bool:
        return self.closed_at is None
