"""Two bells: one wakes a worker, one tells the watchers. Both may ring twice or not at all; truth is in the store."""

from __future__ import annotations

from typing import Protocol

from orchestrator.domain.ids import RunId


class Wakeup(Protocol):
    """Promises: `wake` returns within a second and never raises; a lost wake-up only delays a run until the sweep."""

    def wake(self, run_id: RunId) -> None: ...


class Notify(Protocol):
    """Promises: `changed` returns within a second and never raises."""

    def changed(self, run_id: RunId) -> None: ...
