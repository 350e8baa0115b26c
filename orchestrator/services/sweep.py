"""The periodic sweep: wake-ups may be lost, the queue of record may not."""

from __future__ import annotations

from orchestrator.domain.ids import RunId
from orchestrator.ports.clock import Clock
from orchestrator.ports.signals import Wakeup
from orchestrator.ports.store import Store

MOST_RUNS = 200
MOST_UPLOADS = 4
"""More would only wait: an upload takes as long as the network does."""


class Sweep:
    """Wakes every run that is due, and asks for every publication that is. Returns which runs were woken."""

    def __init__(self, store: Store, clock: Clock, wakeup: Wakeup) -> None:
        self._store = store
        self._clock = clock
        self._wakeup = wakeup

    def execute(self) -> tuple[RunId, ...]:
        for run_id in self._store.due_publications(self._clock.now(), MOST_UPLOADS):
            self._wakeup.upload(run_id)
        due = self._store.due(self._clock.now(), MOST_RUNS)
        for run_id in due:
            self._wakeup.wake(run_id)
        return due
