"""Bells: one wakes a worker, one tells the watchers. They may ring twice or not at all; truth is in the store."""

from __future__ import annotations

from typing import Protocol

from orchestrator.domain.ids import RunId


class Wakeup(Protocol):
    """Promises: `wake` asks for a look at a run, `upload` for a look at its publication; both return within a second
    and never raise; a lost wake-up only delays a run until the sweep."""

    def wake(self, run_id: RunId) -> None: ...

    def upload(self, run_id: RunId) -> None: ...


class Notify(Protocol):
    """Promises: `changed` returns within a second and never raises."""

    def changed(self, run_id: RunId) -> None: ...


class Changes(Protocol):
    """Promises: `wait` returns when the run has changed, or after `seconds` at the latest, and never raises. A watcher
    reads the journal after each return, so a bell that was missed costs it one waiting time and no entry."""

    async def wait(self, run_id: RunId, seconds: float) -> None: ...
